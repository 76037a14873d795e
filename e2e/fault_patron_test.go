package e2e

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
)

// patron is an honest one: what is not answered is asked again, the same way, and
// what is answered is remembered.
type patron struct {
	*load
	rand   *mathrand.Rand
	number string

	user      string // acknowledged
	password  string // "" for none
	changes   int    // of the password, acknowledged
	doubted   bool   // a try of the password was cut off, and may be counted
	sessions  []*device
	redeemed  []proof
	abandoned bool // a limit has refused to begin
}

// proof is a challenge that was redeemed.
type proof struct{ challenge, code, session string }

func (l *load) newPatron(rand *mathrand.Rand) *patron {
	p := &patron{load: l, rand: rand, number: number(int(l.numbers.Add(1)))}
	if rand.IntN(3) == 0 {
		p.password = goodPassword
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.people = append(l.people, p)
	return p
}

func (p *patron) live() {
	body := members{}
	if p.password != "" {
		body["password"] = p.password
	}
	if p.byCode("/v1/signup", body); p.user == "" {
		return
	}
	for range 4 + p.rand.IntN(12) {
		if p.act(); p.stopping.Load() {
			return
		}
	}
}

func (p *patron) act() {
	d := p.open()
	if d == nil {
		p.byCode("/v1/login/sms", members{})
		return
	}
	switch n := p.rand.IntN(12); {
	case n < 6:
		p.refresh(d)
	case n < 7:
		p.logout(d)
	case n < 8 && !p.abandoned:
		p.byCode("/v1/login/sms", members{})
	case n < 9 && p.password != "":
		p.byPassword()
	case n < 10 && p.password != "" && p.changes < 3:
		p.changePassword(d)
	default:
		p.me(d)
	}
}

// open gives a session that has not ended, or nil.
func (p *patron) open() *device {
	open := slices.DeleteFunc(slices.Clone(p.sessions), func(d *device) bool { return d.ended })
	if len(open) == 0 {
		return nil
	}
	return open[p.rand.IntN(len(open))]
}

// wrong notes an answer that an honest person does not get.
func (p *patron) wrong(what string, got answer, doubt int) {
	p.t.Errorf("%s of %s (%d times in doubt): status %d: %s", what, p.number, doubt, got.status, got.raw)
}

// byCode signs up or in. A message that never comes is begun anew.
func (p *patron) byCode(path string, body members) {
	body["phone_number"] = p.number
	for tries := 0; tries < 10; tries++ {
		key := fmt.Sprintf("begin-%s-%d-%d", p.number, len(p.redeemed), tries)
		begun, doubt := p.post(path, ask{key: key, body: body, header: forwarded(p.number)})
		if begun.status == http.StatusTooManyRequests {
			p.abandoned = true
			return
		}
		if begun.status != http.StatusAccepted {
			p.wrong("a begin", begun, doubt)
			return
		}
		challenge := begun.text("challenge_id")
		code := p.codeFor(challenge, p.number)
		if code == "" {
			continue
		}
		got, doubt := p.post("/v1/challenges/"+challenge+"/verify",
			ask{key: "verify-" + challenge, body: members{"code": code}, header: forwarded(p.number)})
		if got.status != http.StatusOK || p.user == "" && got.text("created") != "true" {
			p.wrong("a verify", got, doubt)
			return
		}
		p.signedIn(got)
		p.redeemed = append(p.redeemed, proof{challenge, code, got.text("session_id")})
		return
	}
	p.t.Errorf("no message comes to %s", p.number)
}

func (p *patron) signedIn(got answer) {
	if user := got.text("user.id"); p.user == "" {
		p.user = user
	} else if user != p.user {
		p.t.Errorf("%s is %s, and then %s", p.number, p.user, user)
	}
	p.sessions = append(p.sessions, &device{
		id: got.text("session_id"), refresh: got.text("refresh_token"),
		access: got.text("access_token"), token: got.text("device_token"),
	})
}

// refresh wants the successor, whatever happened: nothing signs an honest
// client out.
func (p *patron) refresh(d *device) {
	got, doubt := p.post("/v1/token/refresh", ask{body: d.refreshing(), header: forwarded(p.number)})
	if got.status != http.StatusOK || got.text("session_id") != d.id {
		p.wrong("a refresh", got, doubt)
		return
	}
	d.refresh, d.access = got.text("refresh_token"), got.text("access_token")
}

func (d *device) refreshing() members {
	return members{"refresh_token": d.refresh, "device": members{"token": d.token}}
}

func (p *patron) me(d *device) {
	if got, doubt := p.ask(http.MethodGet, "/v1/me", ask{bearer: d.access}); got.status != http.StatusOK || got.text("id") != p.user {
		p.wrong("a look at the account", got, doubt)
	}
}

// byPassword signs in. A try that was cut off stays counted.
func (p *patron) byPassword() {
	body := members{"phone_number": p.number, "password": p.password}
	got, doubt := p.post("/v1/login/password", ask{body: body, header: forwarded(p.number)})
	p.doubted = p.doubted || doubt > 0
	switch {
	case got.status == http.StatusOK:
		p.signedIn(got)
	case got.status != http.StatusTooManyRequests || !p.doubted:
		p.wrong("a sign-in by password", got, doubt)
	}
}

// changePassword changes it. In doubt, that the old one is wrong tells that it
// is changed.
func (p *patron) changePassword(d *device) {
	next := fmt.Sprintf("%s %d", goodPassword, p.changes+1)
	body := members{"current_password": p.password, "new_password": next}
	got, doubt := p.post("/v1/me/password", ask{bearer: d.access, body: body, header: forwarded(p.number)})
	p.doubted = p.doubted || doubt > 0
	switch {
	case got.status == http.StatusNoContent, doubt > 0 && got.text("code") == "invalid_credentials":
		p.password, p.changes = next, p.changes+1
		for _, each := range p.sessions {
			each.ended = each.ended || each != d
		}
	case got.status != http.StatusTooManyRequests || !p.doubted:
		p.wrong("a password change", got, doubt)
	}
}

// logout ends a session, or all. In doubt, a session that has ended tells that
// it is done.
func (p *patron) logout(d *device) {
	scope := []string{"current", "all"}[p.rand.IntN(2)]
	got, doubt := p.post("/v1/logout", ask{bearer: d.access, body: members{"scope": scope}, header: forwarded(p.number)})
	ended := doubt > 0 && got.text("code") == "invalid_token"
	if got.status != http.StatusNoContent && !ended {
		p.wrong("a sign-out", got, doubt)
		return
	}
	for _, each := range p.sessions {
		each.ended = each.ended || each == d || scope == "all"
	}
}
