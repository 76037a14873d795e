package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What RedeemPhoneChange means. How it judges the code is shown in guess.go.
func phoneChanges(f flow) {
	f.shows("moves the user to the number", phoneMoves)
	f.shows("C52 ends other sessions, other devices and all challenges", phoneEndsOthers)
	f.shows("C52 queues a notice for the old number", phoneNotice)
	f.shows("leaves failure counts with their numbers", phoneCounts)
	f.shows("C63 spends the code when the number is taken", phoneTaken)
	f.shows("frees the old number for a new account", phoneFreesOld)
	f.shows("C25 spends the code when the account has changed since", phoneStale)
}

// redeemPhoneChange is the input that moves the account with the right code.
func (w *world) redeemPhoneChange(a account, c core.Challenge) core.RedeemPhoneChange {
	notice := w.newNotice(a.Phone, a.ID)
	notice.Purpose = "phone_change_notice"
	phone := c.Phone
	phone.Sealed = []byte("sealed for the user: " + c.Phone.Key)
	return core.RedeemPhoneChange{
		Guess: w.guess(c, right), Phone: phone, Notice: notice, OnChanged: w.newEvent(event.PhoneNumberChanged),
	}
}

func phoneMoves(w *world) {
	owner := w.account()
	c := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	w.advance(time.Second)
	in := w.redeemPhoneChange(owner, c)
	got := do(w, w.store.RedeemPhoneChange, in)

	w.outcome(got.Outcome, core.Done)
	want := owner.User
	want.Phone, want.Generation, want.PhoneVerifiedAt = in.Phone, owner.Generation+1, w.now
	want.UpdatedAt = got.User.UpdatedAt
	equal(w, "the user", got.User, want)
	equal(w, "the stored user", w.user(owner.ID), want)
	equal(w, "who has the new number", w.number(c.Phone.Key).User, want)
	equal(w, "who has the old number", w.number(owner.Phone.Key).User, core.User{})
	equal(w, "the acting session", w.session(owner.session.ID), owner.session)
	w.holds("the challenge is redeemed", do(w, w.store.Challenge, c.ID).RedeemedAt.Equal(w.now))
	told := w.wrote(event.PhoneNumberChanged)[event.PhoneNumberChanged]
	equal(w, "the event's user_id", told.UserID, owner.ID)
	equal(w, "the event's session_id", told.SessionID, owner.session.ID)
}

func phoneEndsOthers(w *world) {
	owner := w.account()
	second := w.login(owner)
	c := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	pending := []core.Challenge{
		w.beginAs(owner, core.PurposePhoneChange, w.newNumber()),
		w.beginAs(owner, core.PurposeReauthentication, owner.Phone),
		w.beginFor(owner, core.PurposePasswordReset),
		w.beginSignup(owner.Phone),
		w.beginSignup(c.Phone),
	}
	got := do(w, w.store.RedeemPhoneChange, w.redeemPhoneChange(owner, c))
	w.outcome(got.Outcome, core.Done)

	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	w.holds("the other session ended now", w.session(second.ID).EndedAt.Equal(w.now))
	w.holds("the other device is gone", !w.numberSeenBy(c.Phone.Key, second.DeviceID).KnownDevice)
	w.holds("the acting device stays", w.numberSeenBy(c.Phone.Key, owner.session.DeviceID).KnownDevice)
	for _, open := range pending {
		w.holds("the "+string(open.Purpose)+" is voided", !do(w, w.store.Challenge, open.ID).VoidedAt.IsZero())
	}
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Done)
	w.outcome(do(w, w.store.RotateSession, w.rotate(second)).Outcome, core.SessionEnded)
}

func phoneNotice(w *world) {
	owner := w.account()
	c := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	in := w.redeemPhoneChange(owner, c)
	w.outcome(do(w, w.store.RedeemPhoneChange, in).Outcome, core.Done)
	claimed := w.claim("a", 10)
	w.holds("only the notice is sent: the codes are spent", len(claimed) == 1 && claimed[0].ID == in.Notice.ID)
	equal(w, "its number", claimed[0].PhoneKey, owner.Phone.Key)
	equal(w, "its text", claimed[0].Sealed, in.Notice.Sealed)

	other := w.account()
	in = w.redeemPhoneChange(other, w.beginAs(other, core.PurposePhoneChange, w.newNumber()))
	in.Notice.State = core.MessageWithheld // by the flow
	w.outcome(do(w, w.store.RedeemPhoneChange, in).Outcome, core.Done)
	equal(w, "a withheld notice", w.message(other.Phone.Key, in.Notice.ID), in.Notice)
}

func phoneCounts(w *world) {
	owner := w.account()
	w.fail(owner, 2, 0, codeLimits(), "")
	w.tryPassword(owner.Phone.Key, "")
	c := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	w.outcome(judgePhoneChange(w, c, w.guess(c, wrong)).Outcome, core.Wrong)
	w.tryPassword(c.Phone.Key, "")
	w.tryPassword(c.Phone.Key, "")
	in := w.redeemPhoneChange(owner, c)
	in.Guess = w.guess(c, right)
	w.outcome(do(w, w.store.RedeemPhoneChange, in).Outcome, core.Done)

	equal(w, "the old number's failed codes", w.number(owner.Phone.Key).CodeFailures, 2)
	equal(w, "the old number's failed passwords", w.tryPassword(owner.Phone.Key, "").Failures, 2)
	equal(w, "the new number's failed passwords", w.tryPassword(c.Phone.Key, "").Failures, 3)
}

func phoneTaken(w *world) {
	owner, other := w.account(), w.account()
	second := w.login(owner)
	c := w.beginAs(owner, core.PurposePhoneChange, other.Phone)
	unchanged := w.watch(watched{user: owner.ID, phone: owner.Phone.Key, sessions: []string{owner.session.ID, second.ID}})
	theirs := w.look(watched{user: other.ID, sessions: []string{other.session.ID}})
	w.outcome(do(w, w.store.RedeemPhoneChange, w.redeemPhoneChange(owner, c)).Outcome, core.Taken)
	unchanged()
	equal(w, "the other's", w.look(watched{user: other.ID, sessions: []string{other.session.ID}}), theirs)
	equal(w, "who has the number", w.number(other.Phone.Key).User, other.User)
	w.outcome(do(w, w.store.RedeemPhoneChange, w.redeemPhoneChange(owner, c)).Outcome, core.Spent)
}

func phoneFreesOld(w *world) {
	owner := w.account()
	c := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	w.outcome(do(w, w.store.RedeemPhoneChange, w.redeemPhoneChange(owner, c)).Outcome, core.Done)
	next := w.accountAt(owner.Phone)
	w.holds("another account has the old number", next.ID != owner.ID)
	equal(w, "who has the new number", w.number(c.Phone.Key).User.ID, owner.ID)
}

func phoneStale(w *world) {
	owner := w.account()
	c := w.challengeFor(owner, core.PurposePhoneChange)
	c.Phone, c.SessionID = w.newNumber(), owner.session.ID
	c.Generation-- // it was looked up before something ended the sessions
	c = w.begin(c)
	unchanged := w.watch(watched{user: owner.ID, phone: owner.Phone.Key, sessions: []string{owner.session.ID}})
	w.outcome(do(w, w.store.RedeemPhoneChange, w.redeemPhoneChange(owner, c)).Outcome, core.Stale)
	equal(w, "who has the number", w.number(c.Phone.Key).User, core.User{})
	unchanged()
	w.outcome(do(w, w.store.RedeemPhoneChange, w.redeemPhoneChange(owner, c)).Outcome, core.Spent)
}
