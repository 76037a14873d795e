package captcha_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/captcha/captchatest"
)

// Whatever is sent, nothing is accepted but the work on the one challenge there is.
func FuzzSolution(f *testing.F) {
	p := newPoW(f, masterOne)
	ask := asked(f, p, captcha.Easy)
	counter, key, err := captchatest.Work(ask)
	if err != nil {
		f.Fatal(err)
	}
	token, err := captchatest.Token(ask, counter, key)
	if err != nil {
		f.Fatal(err)
	}
	good, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		f.Fatal(err)
	}
	spent, err := p.Verify(f.Context(), now, subject, captcha.Easy, altcha(token))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"challenge":{"parameters":{"algorithm":"SHA-256"},"signature":""},"solution":{"counter":4294967296}}`))
	f.Add([]byte(`{"challenge":{"parameters":` + strings.Repeat("[", 2000)))
	f.Fuzz(func(t *testing.T, plain []byte) {
		for _, token := range []string{string(plain), base64.StdEncoding.EncodeToString(plain)} {
			got, err := p.Verify(t.Context(), now, subject, captcha.Easy, altcha(token))
			switch {
			case err == nil && (got != spent || !strings.Contains(string(plain), key)):
				t.Errorf("%q was accepted as %+v", plain, got)
			case err != nil && (!errors.Is(err, captcha.ErrWrong) || got != captcha.Spent{}):
				t.Errorf("%q: %+v, %v", plain, got, err)
			}
		}
	})
}
