package keyring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
)

func TestSecretsRedactThemselves(t *testing.T) {
	secret := Secret("hunter2-hunter2-hunter2-hunter22")
	ring := unlockedRing(t)
	masters, err := ParseMasters(encodedMaster('Q'))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"secret": secret, "secret pointer": &secret, "secrets": []Secret{secret}, "in a struct": struct{ S Secret }{secret},
		"master": masters[0], "masters": masters, "ring": ring, "ring value": *ring,
	} {
		for _, out := range shown(t, value) {
			for _, leak := range []string{"hunter", "QQQ", "81 81", "5151", "0x51, 0x51", "68756e", "68 75", "\x01\x01", "01 01"} {
				if strings.Contains(out, leak) {
					t.Errorf("%s: %s shows %q", name, out, leak)
				}
			}
			if !strings.Contains(out, "[redacted]") {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
	if secret.Reveal() != "hunter2-hunter2-hunter2-hunter22" {
		t.Error("Reveal does not tell it")
	}
}

// shown is value by every way of printing.
func shown(t *testing.T, value any) []string {
	t.Helper()
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%08b", "%t", "%c", "%U", "%60.40s"} {
		out = append(out, fmt.Sprintf(verb, value))
	}
	out = append(out, fmt.Sprint(value), fmt.Sprintln(value), fmt.Errorf("%w: %v", ErrOpen, value).Error())
	v1, err := json.Marshal(value)
	if err != nil {
		t.Error(err)
	}
	v2, err := jsonv2.Marshal(value)
	if err != nil {
		t.Error(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "value", value)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "value", value)
	return append(out, string(v1), string(v2), log.String())
}

// A secret is read from JSON like any string; only writing is closed.
func TestSecretIsReadFromJSON(t *testing.T) {
	var in struct {
		Password Secret `json:"password"`
	}
	if err := jsonv2.Unmarshal([]byte(`{"password":"correct horse"}`), &in); err != nil || in.Password.Reveal() != "correct horse" {
		t.Errorf("read %q, %v", in.Password.Reveal(), err)
	}
	if text, err := in.Password.MarshalText(); err != nil || string(text) != "[redacted]" || in.Password.String() != "[redacted]" || in.Password.GoString() != "[redacted]" {
		t.Errorf("%q, %v", text, err)
	}
}
