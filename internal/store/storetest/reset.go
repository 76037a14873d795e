package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/password"
)

// What MatchReset and RedeemReset mean. How they judge the code is shown in
// guess.go.
func resets(f flow) {
	f.shows("C15 a match spends nothing and tells the history", resetMatch)
	f.shows("a match spends the code at a disabled account", resetMatchDisabled)
	f.shows("a match spends the code when the account has changed", resetMatchStale)
	f.shows("sets the password and opens a session", resetDone)
	f.shows("C57 ends all sessions, devices and challenges", resetEndsAll)
	f.shows("C57 queues a notice for the owner", resetNotice)
	f.shows("leaves a notice withheld that the flow withholds", resetNoticeWithheld)
	f.shows("C18 keeps the last five hashes", resetHistory)
	f.shows("spends the code at a disabled account", resetDisabled)
	f.shows("C25 spends the code when the account has changed since", resetStale)
	f.shows("C57 changes nothing on a wrong code", resetWrong)
}

// redeemReset is the input that resets the password with the right code.
func (w *world) redeemReset(c core.Challenge) core.RedeemReset {
	return core.RedeemReset{
		Guess: w.guess(c, right), SignIn: w.signIn(), Hash: "hash of the new password", HistoryKeep: historyKeep,
		Notice: w.newNotice(c.Phone, c.UserID), OnReset: w.newEvent(event.PasswordReset),
	}
}

func resetMatch(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposePasswordReset)
	unchanged := w.watch(watched{user: owner.ID, phone: owner.Phone.Key, challenges: []string{c.ID}, sessions: []string{owner.session.ID}})
	for range 2 {
		got := do(w, w.store.MatchReset, core.MatchReset{Guess: keyed(w.guess(c, right))})
		w.outcome(got.Outcome, core.Done)
		equal(w, "the user", got.User, owner.User)
		equal(w, "the challenge", got.Challenge, c)
		equal(w, "the history", got.History, []password.Hash{owner.PasswordHash})
	}
	unchanged()
	w.outcome(do(w, w.store.RedeemReset, w.redeemReset(c)).Outcome, core.Done)
}

func resetMatchDisabled(w *world) {
	owner := w.account()
	w.disable(owner)
	c := w.beginFor(owner, core.PurposePasswordReset)
	got := do(w, w.store.MatchReset, core.MatchReset{Guess: w.guess(c, right)})
	w.outcome(got.Outcome, core.Disabled)
	equal(w, "the user", got.User.ID, owner.ID)
	w.outcome(do(w, w.store.MatchReset, core.MatchReset{Guess: w.guess(c, right)}).Outcome, core.Spent)
	w.outcome(do(w, w.store.RedeemReset, w.redeemReset(c)).Outcome, core.Spent)
}

func resetMatchStale(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposePasswordReset)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeOthers)), core.Done)
	w.outcome(do(w, w.store.MatchReset, core.MatchReset{Guess: w.guess(c, right)}).Outcome, core.Stale)
	w.outcome(do(w, w.store.RedeemReset, w.redeemReset(c)).Outcome, core.Spent)
}

func resetDone(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposePasswordReset)
	w.advance(time.Second)
	in := w.redeemReset(c)
	got := do(w, w.store.RedeemReset, in)

	w.outcome(got.Outcome, core.Done)
	want := owner.User
	want.PasswordHash, want.Generation, want.UpdatedAt = in.Hash, owner.Generation+1, got.User.UpdatedAt
	equal(w, "the user", got.User, want)
	equal(w, "the stored user", w.user(owner.ID), want)
	equal(w, "living sessions", w.living(owner.ID), []string{in.Session.ID})
	session := in.Session
	session.UserID, session.DeviceID = owner.ID, in.Device.ID
	equal(w, "the session", got.Session, session)
	w.holds("the challenge is redeemed", do(w, w.store.Challenge, c.ID).RedeemedAt.Equal(w.now))
	told := w.wrote(event.PasswordReset, event.SuccessfulLogin)
	w.completed(told[event.SuccessfulLogin], owner.User, session.ID)
	equal(w, "password_reset user_id", told[event.PasswordReset].UserID, owner.ID)
}

func resetEndsAll(w *world) {
	owner := w.account()
	second := w.login(owner)
	change := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	login, signup := w.beginFor(owner, core.PurposeLogin), w.beginSignup(owner.Phone)
	bystander := w.account()
	theirs := w.beginFor(bystander, core.PurposeLogin)
	c := w.beginFor(owner, core.PurposePasswordReset)
	in := w.redeemReset(c)
	in.KnownDevice = owner.session.DeviceID // its device goes too
	got := do(w, w.store.RedeemReset, in)
	w.outcome(got.Outcome, core.Done)

	equal(w, "living sessions", w.living(owner.ID), sessionIDs(got.Session))
	equal(w, "the session's device", got.Session.DeviceID, in.Device.ID)
	for _, s := range []core.Session{owner.session, second} {
		w.holds("the session ended now", w.session(s.ID).EndedAt.Equal(w.now))
		w.holds("the device is gone", !w.numberSeenBy(owner.Phone.Key, s.DeviceID).KnownDevice)
		w.outcome(do(w, w.store.RotateSession, w.rotate(s)).Outcome, core.SessionEnded)
	}
	for _, open := range []core.Challenge{change, login, signup} {
		w.holds("the "+string(open.Purpose)+" is voided", !do(w, w.store.Challenge, open.ID).VoidedAt.IsZero())
	}
	equal(w, "a bystander's session", w.living(bystander.ID), sessionIDs(bystander.session))
	equal(w, "a bystander's challenge", do(w, w.store.Challenge, theirs.ID), theirs)
}

func resetNotice(w *world) {
	owner := w.account()
	in := w.redeemReset(w.beginFor(owner, core.PurposePasswordReset))
	w.outcome(do(w, w.store.RedeemReset, in).Outcome, core.Done)
	claimed := w.claim("a", 10)
	w.holds("only the notice is sent: the codes are spent", len(claimed) == 1 && claimed[0].ID == in.Notice.ID)
	equal(w, "its text", claimed[0].Sealed, in.Notice.Sealed)
	equal(w, "bound to", claimed[0].SealedFor, in.Notice.SealedFor)
	equal(w, "its number", claimed[0].PhoneKey, owner.Phone.Key)
}

func resetNoticeWithheld(w *world) {
	owner := w.account()
	in := w.redeemReset(w.beginFor(owner, core.PurposePasswordReset))
	in.Notice.State = core.MessageWithheld
	w.outcome(do(w, w.store.RedeemReset, in).Outcome, core.Done)
	equal(w, "the stored notice", w.message(owner.Phone.Key, in.Notice.ID), in.Notice)
	equal(w, "the claimed notice's state", w.claim("a", 10)[0].State, core.MessageWithheld)
}

func resetHistory(w *world) {
	owner := w.account()
	for _, hash := range []password.Hash{"2", "3", "4", "5", "6"} {
		in := w.redeemReset(w.beginFor(owner, core.PurposePasswordReset))
		in.Hash = hash
		w.outcome(do(w, w.store.RedeemReset, in).Outcome, core.Done)
		w.advance(time.Second)
	}
	want := []password.Hash{"6", "5", "4", "3", "2"}
	equal(w, "the history", do(w, w.store.PasswordHistory, owner.ID), want)
	c := w.beginFor(owner, core.PurposePasswordReset)
	equal(w, "as a match tells it", do(w, w.store.MatchReset, core.MatchReset{Guess: w.guess(c, right)}).History, want)
}

func resetDisabled(w *world) {
	owner := w.account()
	w.disable(owner)
	c := w.beginFor(owner, core.PurposePasswordReset)
	before := w.user(owner.ID)
	w.outcome(do(w, w.store.RedeemReset, w.redeemReset(c)).Outcome, core.Disabled)
	equal(w, "the stored user", w.user(owner.ID), before)
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	w.wrote()
	w.outcome(do(w, w.store.RedeemReset, w.redeemReset(c)).Outcome, core.Spent)
}

func resetStale(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposePasswordReset)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeOthers)), core.Done)
	before := w.user(owner.ID)
	w.events()
	in := w.redeemReset(c)
	w.outcome(do(w, w.store.RedeemReset, in).Outcome, core.Stale)
	equal(w, "the stored user", w.user(owner.ID), before)
	equal(w, "the history", do(w, w.store.PasswordHistory, owner.ID), []password.Hash{owner.PasswordHash})
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	w.wrote()
	w.outcome(do(w, w.store.RedeemReset, w.redeemReset(c)).Outcome, core.Spent)
}

func resetWrong(w *world) {
	owner := w.account()
	login := w.beginFor(owner, core.PurposeLogin)
	c := w.beginFor(owner, core.PurposePasswordReset)
	messages := w.messagesOf(owner.Phone.Key)
	for _, judge := range []judge{judgeMatch, judgeReset} {
		got := judge(w, c, w.guess(c, wrong))
		w.outcome(got.Outcome, core.Wrong)
	}
	equal(w, "guesses left", do(w, w.store.Challenge, c.ID).GuessesLeft, core.MaxGuesses-2)
	equal(w, "the stored user", w.user(owner.ID), owner.User)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	equal(w, "the login", do(w, w.store.Challenge, login.ID), login)
	equal(w, "messages", w.messagesOf(owner.Phone.Key), messages)
	w.wrote(event.CodeFailed, event.CodeFailed)
}
