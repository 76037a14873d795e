package captcha_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/captcha/captchatest"
	"github.com/countersign/countersign/internal/keyring"
)

const (
	masterOne = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	masterTwo = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
	subject   = "Zm9yIG9uZSBudW1iZXI"
)

var now = time.Date(2026, 11, 24, 7, 20, 30, 0, time.UTC)

func newPoW(t testing.TB, masters ...string) *captcha.PoW {
	t.Helper()
	keys, err := keyring.ParseMasters(strings.Join(masters, ","))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return captcha.NewPoW(captcha.PoWOptions{Ring: ring, Rand: rand.NewChaCha8([32]byte{7})})
}

func asked(t testing.TB, p *captcha.PoW, hardness captcha.Hardness) captcha.Ask {
	t.Helper()
	ask, err := p.Ask(now, subject, hardness)
	if err != nil {
		t.Fatal(err)
	}
	return ask
}

func solved(t testing.TB, ask captcha.Ask) captcha.Solution {
	t.Helper()
	s, err := captchatest.Solve(ask)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func altcha(token string) captcha.Solution {
	return captcha.Solution{Type: captcha.TypeALTCHA, Token: keyring.Secret(token)}
}

func wrong(t *testing.T, p *captcha.PoW, what string, at time.Time, subject string, least captcha.Hardness, s captcha.Solution) {
	t.Helper()
	spent, err := p.Verify(t.Context(), at, subject, least, s)
	if !errors.Is(err, captcha.ErrWrong) || spent != (captcha.Spent{}) {
		t.Errorf("%s: %v, %v", what, spent, err)
	}
	if err != nil && s.Token != "" && strings.Contains(err.Error(), s.Token.Reveal()) {
		t.Errorf("%s: the error tells the token", what)
	}
}

func TestWorkIsAccepted(t *testing.T) {
	p := newPoW(t, masterOne)
	s := solved(t, asked(t, p, captcha.Easy))
	spent, err := p.Verify(t.Context(), now.Add(5*time.Minute-time.Millisecond), subject, captcha.Easy, s)
	if err != nil || !strings.HasPrefix(spent.Key, "altcha/") {
		t.Fatalf("%+v, %v", spent, err)
	}
	if again, err := p.Verify(t.Context(), now, subject, captcha.Easy, s); err != nil || again != spent {
		t.Errorf("again: %+v, %v: one solution has to have one key", again, err)
	}
	other, err := p.Verify(t.Context(), now, subject, captcha.Easy, solved(t, asked(t, p, captcha.Easy)))
	if err != nil || other.Key == spent.Key {
		t.Errorf("two challenges have one key: %+v, %v", other, err)
	}
}

func TestWorkIsGoodForOneSubjectAndFiveMinutes(t *testing.T) {
	p := newPoW(t, masterOne)
	s := solved(t, asked(t, p, captcha.Easy))
	wrong(t, p, "another subject", now, subject+"x", captcha.Easy, s)
	wrong(t, p, "late", now.Add(5*time.Minute), subject, captcha.Easy, s)
	s.Type = captcha.TypeHCaptcha
	wrong(t, p, "another type", now, subject, captcha.Easy, s)
}

func TestWorkOutlivesTheRotationOfKeys(t *testing.T) {
	s := solved(t, asked(t, newPoW(t, masterOne), captcha.Easy))
	if _, err := newPoW(t, masterTwo, masterOne).Verify(t.Context(), now, subject, captcha.Easy, s); err != nil {
		t.Errorf("under the second key: %v", err)
	}
	wrong(t, newPoW(t, masterTwo), "a forgotten key", now, subject, captcha.Easy, s)
}

// Whoever changes what was asked for has to sign it.
func TestWhatWasAskedForCannotBeChanged(t *testing.T) {
	p := newPoW(t, masterOne)
	ask := asked(t, p, captcha.Easy)
	for from, to := range map[string]string{
		`"cost":500`:                     `"cost":1`,
		`"keyPrefix":"00"`:               `"keyPrefix":"0"`,
		`"PBKDF2/SHA-256"`:               `"SHA-256"`,
		`"keyLength":32`:                 `"keyLength":1`,
		`"expiresAt":1795505130`:         `"expiresAt":1995505130`,
		`"algorithm":`:                   `"data2":{},"algorithm":`,
		`{"parameters"`:                  `{"parameters":{},"parameters"`,
		`"signature":"`:                  `"signature":"0`,
		`"signature":`:                   `"sig":`,
		`"parameters":`:                  `"params":`,
		`"nonce":"`:                      `"nonce":"00`,
		string(ask.Challenge):            `null`,
		`"subject":"`:                    `"subject":"0`,
		string(ask.Challenge)[:len(`{`)]: `[`,
	} {
		changed := strings.Replace(string(ask.Challenge), from, to, 1)
		if changed == string(ask.Challenge) {
			t.Fatalf("%s is not in %s", from, ask.Challenge)
		}
		token := pack(`{"challenge":` + changed + `,"solution":` + honest(t, ask) + `}`)
		wrong(t, p, from+" to "+to, now, subject, captcha.Easy, altcha(token))
	}
}

// honest is the solution of an ask, as JSON.
func honest(t *testing.T, ask captcha.Ask) string {
	t.Helper()
	counter, key, err := captchatest.Work(ask)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(map[string]any{"counter": counter, "derivedKey": key})
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func pack(plain string) string { return base64.StdEncoding.EncodeToString([]byte(plain)) }

func TestSolutionsThatAreNone(t *testing.T) {
	p := newPoW(t, masterOne)
	ask := asked(t, p, captcha.Easy)
	counter, key, err := captchatest.Work(ask)
	if err != nil {
		t.Fatal(err)
	}
	with := func(solution string) string {
		return pack(`{"challenge":` + string(ask.Challenge) + `,"solution":` + solution + `}`)
	}
	quoted := func(counter any, key string) string {
		plain, err := json.Marshal(map[string]any{"counter": counter, "derivedKey": key})
		if err != nil {
			t.Fatal(err)
		}
		return with(string(plain))
	}
	good := quoted(counter, key)
	if _, err := p.Verify(t.Context(), now, subject, captcha.Easy, altcha(good)); err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string]string{
		"nothing":                   "",
		"no base64":                 "{}",
		"base64url":                 strings.TrimRight(good, "=") + "__",
		"no JSON":                   pack("challenge"),
		"JSON and more":             pack(`{} {}`),
		"no challenge":              pack(`{}`),
		"a list":                    pack(`[]`),
		"the counter after":         quoted(counter+1, key),
		"counter 2^32 and more":     quoted(uint64(counter)+1<<32, key),
		"a negative counter":        quoted(-1, key),
		"a counter as text":         quoted("1", key),
		"half a counter":            quoted(float64(counter)+0.5, key),
		"no solution":               pack(`{"challenge":` + string(ask.Challenge) + `}`),
		"an upper-case key":         quoted(counter, strings.ToUpper(key)),
		"a longer key":              quoted(counter, key+"00"),
		"half a key":                quoted(counter, key[:32]),
		"another key of the prefix": quoted(counter, key[:len(key)-1]+"z"),
		"a key without the prefix":  quoted(counter, "ff"+key[2:]),
		"too long":                  with(quotedPadding(counter, key)),
	} {
		wrong(t, p, what, now, subject, captcha.Easy, altcha(token))
	}
}

func quotedPadding(counter uint32, key string) string {
	plain, err := json.Marshal(map[string]any{"counter": counter, "derivedKey": key, "padding": strings.Repeat("x", 4096)})
	if err != nil {
		panic(err)
	}
	return string(plain)
}

// Other encoders sort and space the challenge as they like: it is signed by what
// it says.
func TestAnyEncoderWillDo(t *testing.T) {
	p := newPoW(t, masterOne)
	ask := asked(t, p, captcha.Easy)
	var c struct {
		Parameters map[string]any `json:"parameters"`
		Signature  string         `json:"signature"`
	}
	if err := json.Unmarshal(ask.Challenge, &c); err != nil {
		t.Fatal(err)
	}
	parameters := "{"
	for name, value := range c.Parameters { // in any order
		plain, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		parameters += "\n  \"" + name + "\" : " + string(plain) + ","
	}
	parameters = strings.TrimSuffix(parameters, ",") + " }"
	token := pack(`{"took":3,"solution":` + honest(t, ask) + `,"challenge":{"signature":"` + c.Signature + `","parameters":` + parameters + `}}`)
	if _, err := p.Verify(t.Context(), now, subject, captcha.Easy, altcha(token)); err != nil {
		t.Errorf("%v: %s", err, parameters)
	}
}

// Each step of hardness doubles the work at least, and none makes judging dear.
func TestHardness(t *testing.T) {
	p := newPoW(t, masterOne)
	before := 0
	for h := captcha.Easy; h <= captcha.Hardest; h++ {
		var c struct {
			Parameters struct {
				Cost      int
				KeyPrefix string
			}
		}
		if err := json.Unmarshal(asked(t, p, h).Challenge, &c); err != nil {
			t.Fatal(err)
		}
		work := c.Parameters.Cost << (4 * len(c.Parameters.KeyPrefix))
		if work < 2*before || c.Parameters.Cost > 1000 {
			t.Errorf("hardness %d: %d iterations after %d; each key %d", h, work, before, c.Parameters.Cost)
		}
		before = work
	}
	for off, end := range map[captcha.Hardness]captcha.Hardness{-1: captcha.Easy, 0: captcha.Easy, 99: captcha.Hardest} {
		got, want := string(asked(t, p, off).Challenge), string(asked(t, p, end).Challenge)
		if got[:strings.Index(got, `,"nonce"`)] != want[:strings.Index(want, `,"nonce"`)] {
			t.Errorf("hardness %d asks for %s", off, got)
		}
	}
}

// Easy challenges laid in before do not help while hard ones are asked for.
func TestWorkMustBeAsHardAsIsAskedNow(t *testing.T) {
	p := newPoW(t, masterOne)
	for made := captcha.Easy; made <= captcha.Easy+2; made++ {
		s := solved(t, asked(t, p, made))
		for least := captcha.Easy - 1; least <= captcha.Hardest+1; least++ {
			if least > made {
				wrong(t, p, "easier than is asked for", now, subject, least, s)
				continue
			}
			if _, err := p.Verify(t.Context(), now, subject, least, s); err != nil {
				t.Errorf("made at %d, at least %d: %v", made, least, err)
			}
		}
	}
	hardest := solved(t, asked(t, p, captcha.Hardest))
	if _, err := p.Verify(t.Context(), now, subject, captcha.Hardest+1, hardest); err != nil {
		t.Errorf("nothing is harder than the hardest: %v", err)
	}
}

func TestTheChallengeDoesNotTellTheSubject(t *testing.T) {
	if ask := asked(t, newPoW(t, masterOne), captcha.Easy); strings.Contains(string(ask.Challenge), subject) {
		t.Errorf("%s", ask.Challenge)
	}
}

func TestWithoutRandomnessNothingIsAsked(t *testing.T) {
	keys, err := keyring.ParseMasters(masterOne)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	p := captcha.NewPoW(captcha.PoWOptions{Ring: ring, Rand: strings.NewReader("too little")})
	if ask, err := p.Ask(now, subject, captcha.Easy); !errors.Is(err, io.ErrUnexpectedEOF) || ask.Challenge != nil {
		t.Errorf("%s, %v", ask.Challenge, err)
	}
}
