package server

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/sqlite"
)

const passphrase = "violet kettle under a bridge"

// owner is a person over the restarts of a server.
type owner struct {
	t       *testing.T
	base    string
	access  string // of the first sign-in
	device  string
	refresh string // the newest
}

// post wants a status of a call, and gives its answer.
func (o *owner) post(want int, path, body string, headers ...string) map[string]any {
	o.t.Helper()
	answer, text := call(o.t, "POST", o.base+path, body, headers...)
	if answer.StatusCode != want {
		o.t.Errorf("%s: %d %s, want %d", path, answer.StatusCode, text, want)
	}
	var told map[string]any
	if text != "" {
		read(o.t, text, &told)
	}
	return told
}

// login signs in by password, or wants it refused.
func (o *owner) login(want int, password, device string) map[string]any {
	o.t.Helper()
	return o.post(want, "/v1/login/password", `{"phone_number":"`+number+`","password":"`+password+`","device":{"token":"`+device+`"}}`)
}

// begin asks for a code on a device, and gives the challenge and the code.
func (o *owner) begin(device string) (challenge, code string) {
	o.t.Helper()
	told := o.post(http.StatusAccepted, "/v1/login/sms", `{"phone_number":"`+number+`","device":{"token":"`+device+`"}}`)
	challenge, _ = told["challenge_id"].(string)
	return challenge, codeOf(o.t, o.base, challenge)
}

func (o *owner) verify(want int, challenge, code string) {
	o.t.Helper()
	o.post(want, "/v1/challenges/"+challenge+"/verify", `{"code":"`+code+`"}`)
}

// goesOn wants everything of before a restart to be as it was: the session, the
// access token, and the lock of strangers.
func (o *owner) goesOn() {
	o.t.Helper()
	if answer, text := call(o.t, "GET", o.base+"/v1/me", "", "Authorization", "Bearer "+o.access); answer.StatusCode != http.StatusOK {
		o.t.Errorf("the access token: %d %s", answer.StatusCode, text)
	}
	o.refresh, _ = o.post(http.StatusOK, "/v1/token/refresh", `{"refresh_token":"`+o.refresh+`"}`)["refresh_token"].(string)
	o.login(http.StatusTooManyRequests, passphrase, "")
}

// C-90: from one master key to another in the steps that docs/keys.md tells.
// Nobody is signed out, nothing is counted anew, codes under way are good, and
// in the end nothing needs the old key.
func TestC90MasterKeyRotation(t *testing.T) {
	dir, old, young := t.TempDir(), newMaster(), newMaster()
	noon := time.Now().Truncate(time.Second) // stands still: no wait ends
	with := func(list string) config.Config {
		c := settings(t, dir, "PUBLIC_URL=http://127.0.0.1:8420", "ACCESS_TOKEN_TTL=10m")
		c.MasterKey = keyring.Secret(list)
		return c
	}
	o := &owner{t: t}
	serve := func(list string, during func(*Server)) {
		t.Helper()
		s, err := Start(t.Context(), with(list), Options{Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		o.base = "http://" + s.Addr()
		during(s)
		if err := s.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	var first, second, code1, code2, idle string
	var failures int
	serve(old, func(s *Server) {
		tokens := signIn(t, o.base)
		o.access, o.device, o.refresh = tokens["access_token"].(string), tokens["device_token"].(string), tokens["refresh_token"].(string)
		o.post(http.StatusNoContent, "/v1/me/password", `{"new_password":"`+passphrase+`"}`, "Authorization", "Bearer "+o.access)
		for range 3 {
			o.login(http.StatusUnauthorized, "not "+passphrase, "")
		}
		idle, _ = o.login(http.StatusOK, passphrase, o.device)["refresh_token"].(string)
		first, code1 = o.begin(o.device)
		strangers, code := o.begin("")
		o.verify(http.StatusUnauthorized, strangers, wrong(code))
		failures = numberState(t, s).CodeFailures
	})
	serve(old+","+young, func(*Server) { o.goesOn() })
	serve(young+","+old, func(s *Server) {
		o.goesOn()
		o.login(http.StatusOK, passphrase, o.device)
		o.verify(http.StatusOK, first, code1)
		second, code2 = o.begin(o.device)
		if again := numberState(t, s).CodeFailures; again != failures || again == 0 {
			t.Errorf("%d failed codes, %d before", again, failures)
		}
	})
	serve(old+","+young, func(*Server) { o.goesOn() }) // an instance that was late, or a step back
	serve(young+","+old, func(*Server) { o.goesOn() })
	serve(young, func(s *Server) {
		o.goesOn()
		o.login(http.StatusOK, passphrase, o.device)
		o.verify(http.StatusOK, second, code2)
		o.post(http.StatusUnauthorized, "/v1/token/refresh", `{"refresh_token":"`+idle+`"}`) // not refreshed since the old key
		stored, err := s.parts.store.Keys(t.Context())
		if err != nil || len(stored) != 4 {
			t.Errorf("%d keys, %v", len(stored), err)
		}
		for _, key := range stored {
			if s.parts.ring.NeedsReseal(key) {
				t.Errorf("the %s key is sealed under the old master key still", key.Slot)
			}
		}
	})
	refused(t, with(old), "wrong master key", "Add the master key", dir)
	if n := strings.Count(securityLog(t, dir), `"event":"key_rotated"`); n != 4 {
		t.Errorf("%d keys told of as rotated in the log's last file, which the last change began; want 4", n)
	}
}

// A master key that is taken away before its time stops the start, and coming
// back it mends everything.
func TestC90MasterKeyRemovedTooEarly(t *testing.T) {
	dir, old, young := t.TempDir(), newMaster(), newMaster()
	with := func(list string) config.Config {
		c := settings(t, dir)
		c.MasterKey = keyring.Secret(list)
		return c
	}
	once(t, with(old))
	refused(t, with(young), "wrong master key", "Add the master key", "behind the new one")
	once(t, with(young+","+old))
	once(t, with(young))
}

// wrong is another code than this one.
func wrong(code string) string {
	last := code[len(code)-1]
	return code[:len(code)-1] + string('0'+(last-'0'+1)%10)
}

func numberState(t *testing.T, s *Server) core.NumberState {
	t.Helper()
	state, err := s.parts.store.Number(t.Context(), s.parts.ring.Pseudonym(number), "")
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// A signing key that leaked is dropped while no server runs, as docs/keys.md
// tells: what it signed ends at once, the sessions go on under a new key.
func TestALeakedSigningKeyIsReplacedAtOnce(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, dir, "PUBLIC_URL=http://127.0.0.1:8420", "JWT_KEY_ROTATION=48h")
	s, err := Start(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := &owner{t: t, base: "http://" + s.Addr()}
	tokens := signIn(t, o.base)
	o.access, o.refresh = tokens["access_token"].(string), tokens["refresh_token"].(string)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	dropSigningKeys(t, filepath.Join(dir, databaseFile))
	s = start(t, c, Options{})
	o.base = "http://" + s.Addr()
	if answer, _ := call(t, "GET", o.base+"/v1/me", "", "Authorization", "Bearer "+o.access); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token of the dropped key: %d", answer.StatusCode)
	}
	o.access, _ = o.post(http.StatusOK, "/v1/token/refresh", `{"refresh_token":"`+o.refresh+`"}`)["access_token"].(string)
	if answer, _ := call(t, "GET", o.base+"/v1/me", "", "Authorization", "Bearer "+o.access); answer.StatusCode != http.StatusOK {
		t.Errorf("a token of the new key: %d", answer.StatusCode)
	}
	if s.upkeep.keys != s.parts.schedule || s.parts.schedule.every != 48*time.Hour {
		t.Error("nobody looks after the keys, or not as the setting says")
	}
}

// dropSigningKeys is DELETE FROM keys WHERE slot LIKE 'signing/%'.
func dropSigningKeys(t *testing.T, path string) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Log: discardLog()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	keys, err := store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !strings.HasPrefix(key.Slot, signingSlots) {
			continue
		}
		if outcome, err := store.DropKey(t.Context(), key.ID); outcome != core.Done || err != nil {
			t.Fatalf("dropping: %q, %v", outcome, err)
		}
	}
}
