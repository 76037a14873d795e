package native

import (
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
)

// A captcha's answer reaches the core as it came; what is none, empty or of a
// type that nobody knows is for the core to ask again, and no error here.
func TestCaptchaGoesIn(t *testing.T) {
	for body, want := range map[string]captcha.Solution{
		`{}`:             {},
		`{"captcha":{}}`: {},
		`{"captcha":{"type":"altcha","token":"eyJ9"}}`: {Type: "altcha", Token: "eyJ9"},
		`{"captcha":{"type":"tea","token":""}}`:        {Type: "tea"},
	} {
		var d delivery
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatal(err)
		}
		in, err := d.in("", device{}, core.Idempotency{})
		if err != nil || in.Captcha != want {
			t.Errorf("%s: %+v, %v", body, in.Captcha, err)
		}
	}
}
