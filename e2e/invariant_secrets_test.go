package e2e

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/sqlite"
)

// Invariant 7: no code, password, refresh token, API key or private key is ever
// stored or logged in the clear; no whole phone number is ever in a log, a
// metric, a trace or an event. (This engine keeps numbers sealed as well.)
//
// Every call of the API is made, rightly and wrongly, with values that are then
// looked for in all that the server has written.
func TestInvariant07(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), &processLog{}
	c := &canaries{
		house: startHouseIn(t, dir, log), t: t,
		secrets: map[string]string{"4155550100": "phone number", "4155550101": "phone number", "4155550102": "phone number", "4155550103": "phone number"},
		private: map[string]string{"Augusta Canary": "name", "augusta.canary@example.com": "e-mail address"},
	}
	c.everyCall()
	c.wrongPlaces()
	if len(c.secrets) < 50 {
		t.Errorf("only %d secrets were told", len(c.secrets))
	}
	look := func() {
		c.searchFolder(dir)
		c.search("the process log", log.read(), c.secrets)
		c.search("the process log", log.read(), c.private)
	}
	look() // with the write-ahead log beside the database
	if err := c.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	maps.Copy(c.secrets, storedKeys(t, dir))
	look()
}

const (
	canaryPassword  = "a songbird wakes before dawn"
	canaryPassword2 = "the same one rests at noon"
	canaryPassword3 = "and flies away as dusk falls"
)

// everyCall walks through a person's whole life.
func (c *canaries) everyCall() {
	c.t.Helper()
	for _, password := range []string{canaryPassword, canaryPassword2, canaryPassword3} {
		c.secret("password", password)
	}
	begun := c.post(202, "/v1/signup", ask{key: c.secret("idempotency key", "canary-key-begin"), body: members{
		"phone_number": "+1 (415) 555-0100", "password": canaryPassword, "name": "Augusta Canary", "email": "augusta.canary@example.com",
		"device": members{"id": "canary-phone", "name": "Canary's phone", "platform": "ios"},
	}})
	verify := "/v1/challenges/" + begun.text("challenge_id") + "/verify"
	code := c.code(begun.text("challenge_id"))
	c.post(401, verify, ask{body: members{"code": c.secret("wrong code", wrongCode(code))}})
	one := c.post(200, verify, ask{key: c.secret("idempotency key", "canary-key-verify"), body: members{"code": code}})
	c.post(410, verify, ask{body: members{"code": code}})

	wrong := c.secret("wrong password", "canary that was never hatched")
	c.post(401, "/v1/login/password", ask{body: members{"phone_number": "+14155550100", "password": wrong}})
	two := c.post(200, "/v1/login/password", ask{body: members{
		"phone_number": "+14155550100", "password": canaryPassword, "device": members{"token": one.text("device_token")},
	}})
	bearer := two.text("access_token")
	c.do(http.MethodGet, 200, "/v1/me", ask{bearer: bearer})
	c.do(http.MethodPatch, 200, "/v1/me", ask{bearer: bearer, body: members{"locale": "de"}})
	c.do(http.MethodGet, 200, "/v1/sessions", ask{bearer: bearer})
	c.do(http.MethodGet, 200, "/v1/me/events", ask{bearer: bearer})

	next := c.post(200, "/v1/token/refresh", ask{body: members{"refresh_token": two.text("refresh_token")}})
	last := c.post(200, "/v1/token/refresh", ask{body: members{"refresh_token": next.text("refresh_token")}})
	bearer = last.text("access_token")
	c.post(401, "/v1/me/reauthenticate", ask{bearer: bearer, body: members{"password": wrong}})
	c.post(200, "/v1/me/reauthenticate", ask{bearer: bearer, body: members{"password": canaryPassword}})
	c.redeem(bearer, c.post(202, "/v1/me/reauthenticate", ask{bearer: bearer, body: members{}}), members{})
	c.post(204, "/v1/me/password", ask{bearer: bearer, body: members{"current_password": canaryPassword, "new_password": canaryPassword2}})
	c.redeem(bearer, c.post(202, "/v1/me/phone-number", ask{bearer: bearer, body: members{"phone_number": "+14155550101"}}), members{})
	c.post(401, "/v1/token/refresh", ask{body: members{"refresh_token": two.text("refresh_token")}}) // an old one: the session ends

	reset := c.post(202, "/v1/password/reset", ask{body: members{"phone_number": "+14155550101"}})
	three := c.redeem("", reset, members{"new_password": canaryPassword3})
	c.post(200, "/v1/login/password", ask{body: members{"phone_number": "+14155550101", "password": canaryPassword3}})
	c.post(204, "/v1/logout", ask{bearer: three.text("access_token"), body: members{"scope": "others"}})
	c.revoke(three.text("refresh_token"))

	four := c.longCode()
	session := four.text("session_id")
	c.do(http.MethodDelete, 204, "/v1/sessions/"+session, ask{bearer: four.text("access_token")})
	five := c.redeem("", c.post(202, "/v1/login/sms", ask{body: members{"phone_number": "+14155550101"}}), members{})
	c.do(http.MethodDelete, 204, "/v1/me", ask{bearer: five.text("access_token")})
}

// redeem redeems a challenge's code.
func (c *canaries) redeem(bearer string, begun answer, more members) answer {
	c.t.Helper()
	id := begun.text("challenge_id")
	body := members{"code": c.code(id)}
	maps.Copy(body, more)
	return c.post(200, "/v1/challenges/"+id+"/verify", ask{bearer: bearer, body: body})
}

// longCode signs in by a code of eight digits, as after many failures: those
// are not found anywhere by chance.
func (c *canaries) longCode() answer {
	c.t.Helper()
	for range 2 {
		begun := c.post(202, "/v1/login/sms", ask{body: members{"phone_number": "+14155550101"}})
		for range 5 {
			id := begun.text("challenge_id")
			c.post(401, "/v1/challenges/"+id+"/verify", ask{body: members{"code": wrongCode(c.code(id))}})
		}
	}
	begun := c.post(202, "/v1/login/sms", ask{body: members{"phone_number": "+14155550101"}})
	if begun.text("code_length") != "8" {
		c.t.Fatalf("after ten failures codes have %s digits", begun.text("code_length"))
	}
	c.clock.pass(31 * time.Second)
	c.post(202, "/v1/challenges/"+begun.text("challenge_id")+"/resend", ask{body: members{}})
	return c.redeem("", begun, members{})
}

func (c *canaries) revoke(token string) {
	c.t.Helper()
	form := url.Values{"token": {token}}.Encode()
	c.post(200, "/oauth/revoke", ask{body: form, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
}

// wrongPlaces sends secrets where they do not belong.
func (c *canaries) wrongPlaces() {
	c.t.Helper()
	secret := c.secret("misplaced secret", "canary-in-the-wrong-place-7Qz")
	number := "+14155550102"
	c.do(http.MethodGet, 422, "/v1/me?access_token="+secret, ask{})
	c.do(http.MethodGet, 401, "/v1/me?phone_number="+url.QueryEscape(number)+"&x="+secret, ask{})
	c.do(http.MethodGet, 401, "/v1/me", ask{bearer: secret})
	c.do(http.MethodGet, 404, "/v1/"+secret+"/"+url.PathEscape(number), ask{})
	c.post(404, "/v1/challenges/"+secret+"/verify", ask{body: members{"code": "123456"}})
	c.post(400, "/v1/login/password", ask{body: `{"phone_number": "` + number + `", "password": "` + secret})
	c.post(422, "/v1/login/password", ask{body: members{"phone_number": secret, "password": secret}})
	c.post(422, "/v1/login/password", ask{body: members{"phone_number": number, "password": "x", "surname": secret}})
	c.post(422, "/v1/signup", ask{body: members{"phone_number": number + " ext. 1", "password": secret}})
	c.post(422, "/v1/signup", ask{body: members{"phone_number": number, "email": number + secret}})
	c.post(401, "/v1/token/refresh", ask{body: members{"refresh_token": "csr_" + secret}})
	c.post(415, "/v1/signup", ask{body: `phone_number=` + number, header: http.Header{"Content-Type": {"text/" + secret}}})
	c.post(422, "/v1/signup", ask{key: secret + " " + number, body: members{"phone_number": number}})
	c.post(202, "/v1/login/sms", ask{body: members{"phone_number": "+14155550103"}}) // nobody's
	c.post(401, "/v1/login/password", ask{body: members{"phone_number": "+14155550103", "password": secret}})
	c.revoke("csr_" + secret)
}

// storedKeys are the keys that lie sealed in the database, and the one that
// seals them.
func storedKeys(t *testing.T, dir string) map[string]string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(file))
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	masters, err := keyring.ParseMasters(text)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(masters)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(dir, "countersign.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	stored, err := store.Keys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{string(plain): "master key"}
	for _, key := range stored {
		opened, err := ring.OpenKey(key)
		if err != nil {
			t.Fatal(err)
		}
		secrets[string(opened)] = "key " + key.ID
	}
	if len(secrets) < 5 {
		t.Errorf("%d keys, want the master's, three of the ring and one that signs", len(secrets))
	}
	return secrets
}
