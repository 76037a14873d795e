package core_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

func TestC54FiftyParallelSignupsMakeOneAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) { s.LimitsDisabled = true }) // else fifty are not begun
	type begun struct {
		ch   core.Challenge
		code keyring.Secret
	}
	all := make([]begun, 50)
	for i := range all {
		all[i].ch = h.begin(alice)
		all[i].code = h.code(all[i].ch)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	created, opened := 0, 0
	for _, b := range all {
		group.Go(func() {
			set, err := h.verify(b.ch, b.code)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				opened++
				if set.Created {
					created++
				}
			} else if codeOf(err) != core.CodeChallengeSpent {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if created != 1 || opened != 1 {
		t.Errorf("%d accounts and %d sessions of 50 signups, want one of each", created, opened)
	}
}

func TestC55SigningUpAKnownPhoneChangesNothingOfItsAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	before := h.signUp(alice, goodPassword)
	secret := keyring.Secret(otherPassword)
	ch, err := h.Signup(ctx, stranger(), core.SignupIn{
		BeginIn: core.BeginIn{PhoneNumber: alice}, Password: &secret, Name: "Mallory", Email: "m@example.com",
	})
	want(t, err, "")
	after, err := h.verify(ch, h.code(ch))
	want(t, err, "")
	if after.Created || after.User.ID != before.User.ID || after.User.Name != "" || after.User.Email != "" {
		t.Errorf("the account became %+v", after.User)
	}
	_, err = h.loginPassword(alice, otherPassword, "")
	want(t, err, core.CodeInvalidCredentials)
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, "")
}

func TestAPreHijackersPendingSignupDiesWithTheOwners(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	secret := keyring.Secret(otherPassword)
	thief, err := h.Signup(ctx, stranger(), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: alice}, Password: &secret})
	want(t, err, "")
	thiefsCode := h.code(thief)
	h.pass(sendWaits[0])
	h.signUp(alice, goodPassword)
	_, err = h.verify(thief, thiefsCode)
	want(t, err, core.CodeChallengeSpent)
	_, err = h.loginPassword(alice, otherPassword, "")
	want(t, err, core.CodeInvalidCredentials)
}

func TestC52APhoneChangeMovesAndTells(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	other := h.signIn(alice)

	h.pass(10*time.Minute + time.Millisecond)
	set, err := h.refresh(set.RefreshToken, set.DeviceToken)
	want(t, err, "")
	_, err = h.ChangePhone(ctx, h.as(set), core.BeginIn{PhoneNumber: bob})
	want(t, err, core.CodeReauthenticationRequired)
	pending, pendingNew := h.loginSMS(alice, ""), h.begin(bob)
	pendingCode, pendingNewCode := h.code(pending), h.code(pendingNew)
	h.pass(sendWaits[0])
	fresh, err := h.ReauthenticatePassword(ctx, h.as(set), goodPassword)
	want(t, err, "")
	me := h.as(fresh)

	_, err = h.ChangePhone(ctx, me, core.BeginIn{PhoneNumber: alice})
	want(t, err, core.CodeInvalidRequest)
	ch, err := h.ChangePhone(ctx, me, core.BeginIn{PhoneNumber: bob})
	want(t, err, "")
	out, err := h.Verify(ctx, me, core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)})
	want(t, err, "")
	if out.User.PhoneNumber.E164() != bob {
		t.Errorf("the number is %v", out.User.PhoneNumber)
	}
	if _, err := h.refresh(fresh.RefreshToken, ""); err != nil {
		t.Errorf("the session that changed it: %v", err)
	}
	_, err = h.refresh(other.RefreshToken, other.DeviceToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.verify(pending, pendingCode)
	want(t, err, core.CodeChallengeSpent)
	_, err = h.verify(pendingNew, pendingNewCode)
	want(t, err, core.CodeChallengeSpent)
	if h.notices("phone_number_changed_notice") != 1 {
		t.Error("the old number was not told")
	}
	_, err = h.loginPassword(bob, goodPassword, "")
	want(t, err, "")
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, core.CodeInvalidCredentials)
	if h.signUp(alice, "").User.ID == out.User.ID {
		t.Error("the old number still opens the moved account")
	}
}

func TestC53APendingPhoneChangeDies(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*house, core.TokenSet) error{
		"password change": func(h *house, set core.TokenSet) error {
			return h.changePassword(h.as(set), goodPassword, otherPassword)
		},
		"logout all": func(h *house, set core.TokenSet) error { return h.Logout(ctx, h.as(set), "all") },
	} {
		h := newHouse(t)
		set := h.signUp(alice, goodPassword)
		me := h.as(set)
		ch, err := h.ChangePhone(ctx, me, core.BeginIn{PhoneNumber: bob})
		want(t, err, "")
		code := h.code(ch)
		want(t, end(h, set), "")
		_, err = h.Verify(ctx, me, core.VerifyIn{ChallengeID: ch.ID, Code: code})
		if code := codeOf(err); code != core.CodeChallengeSpent && code != core.CodeInvalidToken {
			t.Errorf("%s: the pending change answers %v", name, err)
		}
	}
}

func TestC63ATakenNumberIsToldOnlyToWhoProvesToHoldIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signUp(bob, "")
	me := h.as(h.signUp(alice, ""))
	ch, err := h.ChangePhone(ctx, me, core.BeginIn{PhoneNumber: bob})
	want(t, err, "")
	_, err = h.Verify(ctx, me, core.VerifyIn{ChallengeID: ch.ID, Code: wrong(h.code(ch))})
	want(t, err, core.CodeInvalidCode)
	_, err = h.Verify(ctx, me, core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)})
	want(t, err, core.CodeConflict)
	view, err := h.Me(ctx, me)
	want(t, err, "")
	if view.PhoneNumber.E164() != alice {
		t.Error("a refused change moved the number")
	}
}

func TestC58AnEmailAddressSignsNobodyIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	secret := keyring.Secret(goodPassword)
	ch, err := h.Signup(ctx, stranger(), core.SignupIn{
		BeginIn: core.BeginIn{PhoneNumber: alice}, Password: &secret, Email: "alice@example.com",
	})
	want(t, err, "")
	_, err = h.verify(ch, h.code(ch))
	want(t, err, "")
	_, err = h.loginPassword("alice@example.com", goodPassword, "")
	want(t, err, core.CodeInvalidPhoneNumber)
}

func TestC71ProfilesAreChecked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	me := h.as(h.signUp(alice, ""))
	edit := func(in core.EditIn) error {
		_, err := h.EditMe(ctx, me, in)
		return err
	}
	s := func(v string) *string { return &v }
	for name, in := range map[string]core.EditIn{
		"newline in a name":     {Name: s("A\r\nB")},
		"direction in a name":   {Name: s("A\u202eB")},
		"long name":             {Name: s(strings.Repeat("é", 201))},
		"header in an address":  {Email: s("a@example.com\r\nBcc: b@example.com")},
		"display name":          {Email: s("A <a@example.com>")},
		"no at":                 {Email: s("example.com")},
		"long address":          {Email: s(strings.Repeat("a", 250) + "@example.com")},
		"no language":           {Locale: s("not a language")},
		"long language":         {Locale: s(strings.Repeat("a-", 40))},
		"line separator in one": {Name: s("A\u2028B")},
	} {
		if codeOf(edit(in)) != core.CodeInvalidRequest {
			t.Errorf("%s was not refused", name)
		}
	}
	want(t, edit(core.EditIn{Name: s(strings.Repeat("é", 200)), Email: s("a@example.com"), Locale: s("pt-BR")}), "")
	view, err := h.EditMe(ctx, me, core.EditIn{Email: s("")})
	want(t, err, "")
	if view.Email != "" || view.Locale != "pt-BR" {
		t.Errorf("the profile became %+v", view)
	}
}

func TestC101ErasureLeavesPseudonymsAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	h.pass(11 * time.Minute)
	set, err := h.refresh(set.RefreshToken, "")
	want(t, err, "")
	want(t, h.DeleteMe(ctx, h.as(set)), core.CodeReauthenticationRequired)
	set, err = h.ReauthenticatePassword(ctx, h.as(set), goodPassword)
	want(t, err, "")
	want(t, h.DeleteMe(ctx, h.as(set)), "")
	if count(h.accountEvents(set.User.ID), event.AccountDeleted) != 1 {
		t.Error("no account_deleted event")
	}
	_, err = h.store.User(ctx, set.User.ID)
	if err == nil {
		t.Error("the user is still there")
	}
	if again := h.signUp(alice, ""); again.User.ID == set.User.ID {
		t.Error("the number got its old account back")
	}
}

func TestMyEventsArePagedAndOnlyMine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := h.as(h.signUp(bob, ""))
	set := h.signUp(alice, "")
	for range 5 {
		h.pass(15 * time.Minute)
		set = h.signIn(alice)
	}
	me := h.as(set)
	seen := map[string]bool{}
	cursor := ""
	for pages := 0; ; pages++ {
		events, next, err := h.MyEvents(ctx, me, 3, cursor)
		want(t, err, "")
		for _, e := range events {
			if seen[e.ID] || e.UserID != set.User.ID {
				t.Errorf("event %s: seen before %v, of user %s", e.ID, seen[e.ID], e.UserID)
			}
			seen[e.ID] = true
		}
		if next == "" {
			break
		}
		cursor = next
	}
	if len(seen) < 11 {
		t.Errorf("%d events, want at least 11", len(seen))
	}
	_, _, err := h.MyEvents(ctx, other, 3, cursor)
	want(t, err, core.CodeInvalidRequest)
	_, _, err = h.MyEvents(ctx, me, 101, "")
	want(t, err, core.CodeInvalidRequest)
}
