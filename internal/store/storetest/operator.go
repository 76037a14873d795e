package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What operators do to accounts: DisableUser, EnableUser, UnlockNumber.
func operators(f flow) {
	f.shows("C25 disabling ends sessions and challenges at once", disableEnds)
	f.shows("enabling opens the account, not its sessions", enableOpens)
	f.shows("knows no unknown user", disableUnknown)
	f.shows("unlocking clears all counts of a number", unlockClears)
}

func (w *world) changeUser(id string, name event.Name) core.ChangeUser {
	return core.ChangeUser{UserID: id, Now: w.now, Event: w.newEvent(name)}
}

func disableEnds(w *world) {
	owner, bystander := w.account(), w.account()
	second := w.login(owner)
	pending := []core.Challenge{
		w.beginFor(owner, core.PurposeLogin),
		w.beginAs(owner, core.PurposePhoneChange, w.newNumber()),
		w.beginSignup(owner.Phone), // of the number, for nobody
	}
	theirs := w.beginFor(bystander, core.PurposeLogin)
	login := w.openSession(owner)
	w.advance(time.Second)
	w.outcome(do(w, w.store.DisableUser, w.changeUser(owner.ID, event.AccountDisabled)), core.Done)

	user := w.user(owner.ID)
	equal(w, "disabled at", user.DisabledAt, w.now)
	equal(w, "the generation", user.Generation, owner.Generation+1)
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	for _, s := range []core.Session{owner.session, second} {
		w.holds("it ended now", w.session(s.ID).EndedAt.Equal(w.now))
		w.outcome(do(w, w.store.RotateSession, w.rotate(s)).Outcome, core.SessionEnded)
	}
	for _, c := range pending {
		w.holds("the "+string(c.Purpose)+" is voided", !do(w, w.store.Challenge, c.ID).VoidedAt.IsZero())
	}
	told := w.wrote(event.AccountDisabled)[event.AccountDisabled]
	equal(w, "the event's user_id", told.UserID, owner.ID)
	equal(w, "the event's phone", told.PhonePseudonym, owner.Phone.Key)
	w.holds("a login begun before opens nothing", do(w, w.store.OpenSession, login).Outcome != core.Done)
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	equal(w, "a bystander's sessions", w.living(bystander.ID), sessionIDs(bystander.session))
	equal(w, "a bystander's challenge", do(w, w.store.Challenge, theirs.ID), theirs)
}

func enableOpens(w *world) {
	owner := w.account()
	w.disable(owner)
	w.outcome(do(w, w.store.EnableUser, w.changeUser(owner.ID, event.AccountEnabled)), core.Done)
	w.holds("it is enabled", !w.user(owner.ID).Disabled())
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.SessionEnded)
	equal(w, "the event's user_id", w.wrote(event.AccountEnabled)[event.AccountEnabled].UserID, owner.ID)
	c := w.beginFor(owner, core.PurposeLogin)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(c)).Outcome, core.Done)
	w.login(owner)
}

func disableUnknown(w *world) {
	w.outcome(do(w, w.store.DisableUser, w.changeUser(w.id(), event.AccountDisabled)), core.NotFound)
	w.outcome(do(w, w.store.EnableUser, w.changeUser(w.id(), event.AccountEnabled)), core.NotFound)
	w.wrote()
}

func unlockClears(w *world) {
	owner, bystander := w.account(), w.account()
	device := owner.session.DeviceID
	w.fail(owner, 30, 0, codeLimits(), "")
	w.fail(owner, 10, 0, codeLimits(), device)
	for range 3 {
		w.tryPassword(owner.Phone.Key, "")
		w.tryPassword(owner.Phone.Key, device)
		w.tryPassword(bystander.Phone.Key, "")
	}
	in := core.UnlockNumber{PhoneKey: owner.Phone.Key, Now: w.now, Event: w.newEvent(event.AccountUnlocked)}
	if err := w.store.UnlockNumber(w.ctx, in); err != nil {
		w.t.Fatalf("UnlockNumber: %v", err)
	}

	w.wrote(event.AccountUnlocked)
	equal(w, "strangers' failed codes", w.number(owner.Phone.Key).CodeFailures, 0)
	for _, by := range []string{"", device} {
		got := w.tryPassword(owner.Phone.Key, by)
		w.outcome(got.Outcome, core.Done)
		equal(w, "failures in a row", got.Failures, 1)
		c := w.loginOn(owner, by)
		w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
	}
	w.outcome(w.tryPassword(bystander.Phone.Key, "").Outcome, core.Locked)
}
