package e2e

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Invariant 5: once logout, logout-all, password or phone change, reset,
// disable or delete has answered, nothing of the ended sessions is accepted by
// us again; and a login that was checked against what the change replaced makes
// no session.
func TestInvariant05(t *testing.T) {
	t.Parallel()
	onEveryEngine(t, endings)
}

func endings(t *testing.T, on engine) {
	ctx := context.Background()
	acts := []ending{
		{name: "logout", ends: own, act: func(e *ended) error { return e.one().Logout(ctx, e.caller, "") }},
		{name: "logout of the others", ends: others, act: func(e *ended) error { return e.one().Logout(ctx, e.caller, "others") }},
		{name: "logout of all", ends: own | others, act: func(e *ended) error { return e.one().Logout(ctx, e.caller, "all") }},
		{name: "one session revoked", ends: one, act: func(e *ended) error {
			return e.one().EndSession(ctx, e.caller, e.elsewhere[0].SessionID)
		}},
		{name: "token revoked", ends: own, act: func(e *ended) error {
			return e.one().Revoke(ctx, stranger(), e.set.RefreshToken)
		}},
		{name: "password change", ends: others | logins, act: func(e *ended) error {
			current := keyring.Secret(goodPassword)
			return e.one().ChangePassword(ctx, e.caller, core.ChangePasswordIn{Current: &current, New: newPassword})
		}},
		{name: "password reset", ends: own | others | logins, act: (*ended).reset},
		{name: "phone change", ends: others | logins, act: (*ended).move},
		{name: "disable", ends: own | others | logins, act: func(e *ended) error {
			return e.one().DisableUser(ctx, stranger(), e.set.User.ID, "test")
		}},
		{name: "delete", ends: own | others | logins, act: func(e *ended) error { return e.one().DeleteMe(ctx, e.caller) }},
	}
	for i, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, on)
			for round := range 3 {
				e := &ended{pair: p, phone: number(100*i + 2*round)}
				e.signIn()
				e.race(a)
			}
		})
	}
}

const newPassword = "amber lantern by the river"

// What an ending act ends.
const (
	own    = 1 << iota // the session that acts
	others             // all that were open beside it
	one                // of those the first
	logins             // and those that the old password and number opened meanwhile
)

type ending struct {
	name string
	ends int
	act  func(*ended) error
}

// ended is a user with a session that acts, and others elsewhere.
type ended struct {
	*pair
	phone     string
	set       core.TokenSet
	caller    core.Caller
	elsewhere []core.TokenSet

	mu     sync.Mutex
	seen   map[string][]core.TokenSet // what refreshes gave, by session
	opened []core.TokenSet            // what logins gave
}

func (e *ended) signIn() {
	e.t.Helper()
	e.set = e.mustSignUp(e.phone, goodPassword)
	e.seen = map[string][]core.TokenSet{}
	var err error
	if e.caller, err = e.in(e.set.AccessToken); err != nil {
		e.t.Fatal(err)
	}
	for range 4 {
		set, err := e.login(e.phone, goodPassword, e.set.DeviceToken)
		if err != nil {
			e.t.Fatal(err)
		}
		e.elsewhere = append(e.elsewhere, set)
	}
}

// race refreshes every session, uses them and signs in, again and again, while
// the act happens; and once more after it.
func (e *ended) race(a ending) {
	e.t.Helper()
	var busy sync.WaitGroup
	var answered, going atomic.Bool
	everybody := append([]core.TokenSet{e.set}, e.elsewhere...)
	for _, set := range everybody {
		busy.Go(func() {
			for last := set; !answered.Load(); going.Store(true) {
				last = e.refreshOnce(last)
			}
		})
	}
	for range 2 {
		busy.Go(func() {
			for n := 0; n < 15 && !answered.Load(); n++ { // more might end the first as surplus
				e.loginOnce()
			}
		})
	}
	for !going.Load() {
		_, _ = e.in(e.set.AccessToken) // any use; it may be refused, once the act is done
	}
	if err := a.act(e); err != nil {
		e.t.Errorf("the act: %v", err)
	}
	dead := func(set core.TokenSet, whose string) {
		if e.alive(set) {
			e.t.Errorf("%s was accepted after the act had answered", whose)
		}
	}
	// At once: the others are still busy.
	e.eachEnded(a, dead)
	answered.Store(true)
	busy.Wait()
	e.eachEnded(a, dead)
	if a.ends&logins != 0 {
		for _, set := range e.opened {
			dead(set, "a sign-in by the old password")
		}
	}
	if a.ends&own == 0 && !e.alive(e.set) {
		e.t.Error("the session that acted has ended too")
	}
}

// eachEnded gives all tokens of the sessions that the act ended.
func (e *ended) eachEnded(a ending, dead func(core.TokenSet, string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	each := func(set core.TokenSet, whose string) {
		dead(set, whose)
		for _, later := range e.seen[set.SessionID] {
			dead(later, whose+", refreshed meanwhile,")
		}
	}
	if a.ends&own != 0 {
		each(e.set, "the session that acted")
	}
	for i, set := range e.elsewhere {
		if a.ends&others != 0 || a.ends&one != 0 && i == 0 {
			each(set, "another session")
		}
	}
}

// refreshOnce gives a session's next tokens, or the same where it has ended.
func (e *ended) refreshOnce(last core.TokenSet) core.TokenSet {
	next, err := e.refresh(last.RefreshToken, last.DeviceToken)
	if err != nil {
		if codeOf(err) != core.CodeInvalidToken {
			e.t.Errorf("a refresh: %v", err)
		}
		return last
	}
	next.DeviceToken = last.DeviceToken
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[next.SessionID] = append(e.seen[next.SessionID], next)
	return next
}

func (e *ended) loginOnce() {
	set, err := e.login(e.phone, goodPassword, e.set.DeviceToken)
	switch codeOf(err) {
	case "":
		e.mu.Lock()
		defer e.mu.Unlock()
		e.opened = append(e.opened, set)
	case core.CodeInvalidCredentials, core.CodeAccountDisabled, core.CodeRateLimited:
	default:
		e.t.Errorf("a sign-in: %v", err)
	}
}

func (e *ended) reset() error {
	ch, err := e.one().ResetPassword(context.Background(), stranger(), core.BeginIn{PhoneNumber: e.phone})
	if err != nil {
		return err
	}
	fresh := keyring.Secret(newPassword)
	_, err = e.one().Verify(context.Background(), stranger(), core.VerifyIn{
		ChallengeID: ch.ID, Code: e.code(ch.ID), NewPassword: &fresh,
	})
	return err
}

func (e *ended) move() error {
	to := e.phone[:len(e.phone)-1] + string(e.phone[len(e.phone)-1]+1)
	ch, err := e.one().ChangePhone(context.Background(), e.caller, core.BeginIn{PhoneNumber: to})
	if err != nil {
		return err
	}
	_, err = e.verify(e.caller, ch.ID, e.code(ch.ID))
	return err
}
