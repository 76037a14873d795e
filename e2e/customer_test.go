package e2e

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
)

// customer is a person whose server may die at any moment, and who remembers
// every answer.
type customer struct {
	*crash
	rand   *mathrand.Rand
	client *client
	number string

	challenge, code string // begun and acknowledged; read from the message
	redeemed        bool   // acknowledged
	user            string
	password        string // "" for none
	changes         int    // of the password, acknowledged
	sessions        []*device

	// What was asked last and not answered.
	unanswered string
	next       string // the password that was asked for
}

// device is one session of a customer.
type device struct {
	id, refresh, access, token string
	ended                      bool // acknowledged
}

// customer gives one who has outlived a crash, or a new one.
func (c *crash) customer(rand *mathrand.Rand) *customer {
	c.mu.Lock()
	if n := len(c.regulars); n > 0 && rand.IntN(2) == 0 {
		one := c.regulars[n-1]
		c.regulars = c.regulars[:n-1]
		c.people = append(c.people, one)
		c.mu.Unlock()
		one.rand, one.client = rand, newClient(c.base)
		return one
	}
	c.mu.Unlock()
	return c.newCustomer(rand)
}

func (c *crash) newCustomer(rand *mathrand.Rand) *customer {
	one := &customer{crash: c, rand: rand, client: newClient(c.base), number: number(int(c.numbers.Add(1)))}
	if rand.IntN(3) == 0 {
		one.password = goodPassword
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people = append(c.people, one)
	return one
}

// try asks, and tells whether there was an answer. Then it must be the wanted.
func (c *customer) try(what string, status int, path string, a ask) (answer, bool) {
	c.unanswered = what
	got, err := c.post(path, a)
	if err != nil {
		c.done.unanswered.Add(1)
		return answer{}, false
	}
	c.unanswered = ""
	if got.status != status {
		c.t.Errorf("%s of %s: status %d, want %d: %s", what, c.number, got.status, status, got.raw)
		return answer{}, false
	}
	return got, true
}

// post asks, and asks again where the server says that it is overloaded and
// nothing was done: a machine that runs other tests too may hash slowly.
func (c *customer) post(path string, a ask) (answer, error) {
	for {
		got, err := c.client.call(http.MethodPost, path, a)
		if err != nil || got.status != http.StatusServiceUnavailable {
			return got, err
		}
	}
}

// live lets the customer do what customers do, and tells whether the server
// still lived in the end.
func (c *customer) live() bool {
	defer c.client.close()
	if !c.redeemed && (!c.signUp() || !c.verify()) {
		return false
	}
	for range 1 + c.rand.IntN(8) {
		if !c.act() {
			return false
		}
	}
	return true
}

func (c *customer) signUpBody() members {
	body := members{"phone_number": c.number}
	if c.password != "" {
		body["password"] = c.password
	}
	return body
}

func (c *customer) signUp() bool {
	got, ok := c.try("signup", http.StatusAccepted, "/v1/signup", ask{key: "signup-" + c.number, body: c.signUpBody()})
	if !ok {
		return false
	}
	c.challenge = got.text("challenge_id")
	c.code, ok = c.read(c.challenge)
	return ok
}

// read reads a challenge's message; until it is there, the server owes it.
func (c *customer) read(challenge string) (code string, ok bool) {
	c.mu.Lock()
	c.owed[challenge] = c.number
	c.mu.Unlock()
	for {
		messages, err := c.client.inbox(c.number)
		if err != nil {
			return "", false
		}
		for _, m := range messages {
			if m.ChallengeID == challenge {
				c.mu.Lock()
				delete(c.owed, challenge)
				c.mu.Unlock()
				return lastCode.FindStringSubmatch(m.Body)[1], true
			}
		}
	}
}

func (c *customer) verify() bool {
	got, ok := c.try("verify", http.StatusOK, c.verifyPath(), ask{key: "verify-" + c.number, body: members{"code": c.code}})
	if ok {
		c.signedUp(got)
	}
	return ok
}

func (c *customer) verifyPath() string { return "/v1/challenges/" + c.challenge + "/verify" }

func (c *customer) signedUp(got answer) {
	c.redeemed, c.user = true, got.text("user.id")
	c.signedIn(got)
	c.done.accounts.Add(1)
}

func (c *customer) signedIn(got answer) *device {
	d := &device{
		id: got.text("session_id"), refresh: got.text("refresh_token"),
		access: got.text("access_token"), token: got.text("device_token"),
	}
	c.sessions = append(c.sessions, d)
	c.done.sessions.Add(1)
	return d
}

// open gives a session that has not ended, or nil.
func (c *customer) open() *device {
	open := slices.DeleteFunc(slices.Clone(c.sessions), func(d *device) bool { return d.ended })
	if len(open) == 0 {
		return nil
	}
	return open[c.rand.IntN(len(open))]
}

// act does one thing more.
func (c *customer) act() bool {
	d := c.open()
	if d == nil {
		return c.signInByCode()
	}
	switch n := c.rand.IntN(10); {
	case c.password != "" && c.changes < 3 && n != 0: // no more than the history keeps
		return c.changePassword(d)
	case n < 5:
		return c.refresh(d)
	case n < 8:
		return c.signInByCode()
	default:
		return c.signOut(d)
	}
}

func (c *customer) refresh(d *device) bool {
	got, ok := c.try("refresh", http.StatusOK, "/v1/token/refresh", ask{body: members{"refresh_token": d.refresh}})
	if ok {
		d.refresh, d.access = got.text("refresh_token"), got.text("access_token")
		c.done.refreshes.Add(1)
	}
	return ok
}

func (c *customer) signInByCode() bool {
	begun, ok := c.try("login", http.StatusAccepted, "/v1/login/sms", ask{body: members{"phone_number": c.number}})
	if !ok {
		return false
	}
	challenge := begun.text("challenge_id")
	code, ok := c.read(challenge)
	if !ok {
		return false
	}
	got, ok := c.try("login's verify", http.StatusOK, "/v1/challenges/"+challenge+"/verify", ask{body: members{"code": code}})
	if ok {
		c.signedIn(got)
	}
	return ok
}

func (c *customer) changePassword(d *device) bool {
	c.unanswered, c.next = "password change", fmt.Sprintf("%s %d", goodPassword, c.changes+1)
	got, err := c.post("/v1/me/password", ask{bearer: d.access, body: members{"current_password": c.password, "new_password": c.next}})
	if err != nil {
		c.done.unanswered.Add(1)
		return false
	}
	c.unanswered = ""
	switch got.status {
	case http.StatusNoContent:
		c.password, c.changes = c.next, c.changes+1
		c.end(d, "others")
		c.done.passwords.Add(1)
	case http.StatusTooManyRequests: // a try that a kill cut off stays counted
	default:
		c.t.Errorf("a password change of %s: status %d: %s", c.number, got.status, got.raw)
	}
	return true
}

func (c *customer) signOut(d *device) bool {
	scope := []string{"current", "others", "all"}[c.rand.IntN(3)]
	_, ok := c.try("sign-out", http.StatusNoContent, "/v1/logout", ask{bearer: d.access, body: members{"scope": scope}})
	if ok {
		c.end(d, scope)
		c.done.logouts.Add(1)
	}
	return ok
}

// end notes what an answer has ended.
func (c *customer) end(d *device, scope string) {
	for _, s := range c.sessions {
		s.ended = s.ended || scope == "all" || (s == d) == (scope == "current")
	}
}

// check holds the server, started again, to what it answered to this customer.
func (c *customer) check() {
	c.client = newClient(c.base)
	defer c.client.close()
	switch c.unanswered {
	case "signup": // the same again: it is begun, whether or not it was
		c.want(http.StatusAccepted, "a signup again", "/v1/signup", ask{key: "signup-" + c.number, body: c.signUpBody()})
		return
	case "verify": // the same again: redeemed once, now or then
		again := ask{key: "verify-" + c.number, body: members{"code": c.code}}
		first := c.want(http.StatusOK, "a verify again", c.verifyPath(), again)
		second := c.want(http.StatusOK, "a verify told again", c.verifyPath(), again)
		if first.text("session_id") != second.text("session_id") || first.text("created") != "true" {
			c.t.Errorf("verify again: %s, then %s", first.raw, second.raw)
		}
		c.signedUp(first)
	case "password change":
		c.checkPasswordChange()
	}
	if !c.redeemed {
		return
	}
	spent := c.want(http.StatusGone, "a redeemed code", c.verifyPath(), ask{body: members{"code": c.code}})
	if spent.text("code") != "challenge_spent" {
		c.t.Errorf("a redeemed code: %s", spent.raw)
	}
	for _, d := range c.sessions {
		c.checkSession(d)
	}
	c.unanswered = ""
	if len(c.sessions) < 10 { // others have been here long enough
		c.mu.Lock()
		defer c.mu.Unlock()
		c.regulars = append(c.regulars, c)
	}
}

func (c *customer) want(status int, what, path string, a ask) answer {
	got, err := c.post(path, a)
	if err != nil || got.status != status {
		c.t.Errorf("%s, of %s (unanswered: %q): status %d, %v, want %d: %s", what, c.number, c.unanswered, got.status, err, status, got.raw)
	}
	return got
}

// checkSession refreshes a session: what lived goes on, what ended stays ended.
func (c *customer) checkSession(d *device) {
	body := members{"refresh_token": d.refresh, "device": members{"token": d.token}}
	got, err := c.post("/v1/token/refresh", ask{body: body})
	_, ended := c.wreck.ended[d.id]
	switch {
	case err != nil:
		c.t.Errorf("a refresh after the crash: %v", err)
	case d.ended && !ended:
		c.t.Errorf("session %s was ended before the crash, and lives", d.id)
	case !d.ended && ended && c.unanswered != "sign-out" && c.unanswered != "password change":
		c.t.Errorf("session %s has ended by %s, and nobody asked for it", d.id, c.wreck.ended[d.id])
	case ended && got.status != http.StatusUnauthorized, !ended && got.status != http.StatusOK:
		c.t.Errorf("session %s, ended: %v, unanswered: %q: refresh answered %d: %s", d.id, ended, c.unanswered, got.status, got.raw)
	case !ended && got.text("user.id") != c.user:
		c.t.Errorf("session %s is another's: %s", d.id, got.raw)
	}
	d.ended = ended
	if !ended {
		d.refresh, d.access = got.text("refresh_token"), got.text("access_token")
	}
}

// checkPasswordChange wants either the old or the new password to open the
// account, as the number of earlier passwords says.
func (c *customer) checkPasswordChange() {
	shut := c.next
	if c.wreck.users[c.user] > c.changes {
		shut, c.password, c.changes = c.password, c.next, c.changes+1
	}
	c.checkPassword(shut, http.StatusUnauthorized)
	c.checkPassword(c.password, http.StatusOK)
}

func (c *customer) checkPassword(password string, status int) {
	got, err := c.post("/v1/login/password", ask{body: members{"phone_number": c.number, "password": password}})
	switch {
	case err != nil:
		c.t.Errorf("a sign-in after the crash: %v", err)
	case got.status == http.StatusTooManyRequests: // kills have cut off three tries
	case got.status != status, status == http.StatusOK && got.text("user.id") != c.user:
		c.t.Errorf("a password of %s after an unanswered change: status %d, want %d: %s", c.number, got.status, status, got.raw)
	}
}
