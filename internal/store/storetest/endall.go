package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What EndAllSessions means: after a restore nothing of before is accepted.
// Races with it are in endings.go.
func everybodysEnd(f flow) {
	f.shows("C35 sessions made before are over", endAllSessions)
	f.shows("C35 an ended session acts for nobody", endAllActing)
	f.shows("C35 challenges made before open nothing", endAllChallenges)
	f.shows("C35 a repeat tells no session that has ended", endAllRepeats)
	f.shows("C35 what is made later is as ever", endAllLater)
	f.shows("C35 a sign-in under way makes no session that lives", endAllUnderWay)
	f.shows("C35 the time moves forward only", endAllForward)
	f.shows("C35 a session keeps the end that it had", endAllKeepsEnds)
	f.shows("C35 ended sessions are no surplus", endAllSurplus)
	f.shows("C35 codes that wait are not sent", endAllMessages)
	f.shows("C35 drops the sessions after 30 days", endAllSwept)
}

// endEverybody ends everybody's sessions now, without an event.
func (w *world) endEverybody() time.Time {
	w.t.Helper()
	return do(w, w.store.EndAllSessions, core.EndAllSessions{Now: w.now})
}

func endAllSessions(w *world) {
	owner, other := w.account(), w.account()
	second := w.login(owner)
	refreshed := do(w, w.store.RotateSession, w.rotate(second)).Session
	w.advance(time.Second)
	end := core.EndAllSessions{Now: w.now, Event: w.newEvent(event.AllSessionsEnded)}
	equal(w, "the time that counts", do(w, w.store.EndAllSessions, end), w.now)

	told := w.wrote(event.AllSessionsEnded)[event.AllSessionsEnded]
	equal(w, "the event", told, end.Event)
	for _, s := range []core.Session{owner.session, refreshed, other.session} {
		want := s
		want.EndedAt, want.EndReason = w.now, core.EndedWithAll
		equal(w, "the session", w.session(s.ID), want)
		got := do(w, w.store.RotateSession, w.rotate(s))
		w.outcome(got.Outcome, core.SessionEnded)
		equal(w, "the session told", got.Session, want)
	}
	w.outcome(do(w, w.store.RotateSession, w.rotate(second)).Outcome, core.SessionEnded) // the predecessor, in its grace
	equal(w, "living sessions", len(w.living(owner.ID))+len(w.living(other.ID)), 0)
	equal(w, "the user", w.user(owner.ID), owner.User)
	w.holds("the device stays known", w.numberSeenBy(owner.Phone.Key, second.DeviceID).KnownDevice)
	w.wrote()
}

func endAllActing(w *world) {
	owner := w.account()
	w.advance(time.Second)
	w.endEverybody()
	w.advance(time.Second)
	unchanged := w.watch(watched{user: owner.ID, phone: owner.Phone.Key, sessions: []string{owner.session.ID}})
	name := "Eve"
	begin := w.openChallenge(w.challengeFor(owner, core.PurposePhoneChange))
	begin.Challenge.SessionID = owner.session.ID
	confirm := core.ConfirmSession{SessionID: owner.session.ID, Generation: owner.Generation, TokenKeyID: "key-2", Now: w.now}
	for _, got := range []core.Outcome{
		do(w, w.store.OpenChallenge, begin).Outcome,
		do(w, w.store.TryPassword, core.TryPassword{PhoneKey: owner.Phone.Key, SessionID: owner.session.ID, Now: w.now}).Outcome,
		do(w, w.store.ConfirmSession, confirm).Outcome,
		do(w, w.store.SetPassword, w.setPassword(owner)),
		do(w, w.store.EditUser, core.EditUser{SessionID: owner.session.ID, Name: &name, Now: w.now}).Outcome,
		do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeAll)),
		do(w, w.store.DeleteUser, core.DeleteUser{SessionID: owner.session.ID, Now: w.now}),
	} {
		w.outcome(got, core.SessionEnded)
	}
	bySecret := core.EndSessions{
		Scope: core.ScopeOne, TargetID: owner.session.ID, SecretHash: owner.session.SecretHash, Reason: "revoked", Now: w.now,
	}
	w.outcome(do(w, w.store.EndSessions, bySecret), core.NotFound)
	unchanged()
}

func endAllChallenges(w *world) {
	owner := w.account()
	signup, login := w.beginSignup(w.newNumber()), w.beginFor(owner, core.PurposeLogin)
	reset := w.beginFor(owner, core.PurposePasswordReset)
	change := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	proof := w.beginAs(owner, core.PurposeReauthentication, owner.Phone)
	w.advance(31 * time.Second) // they might be sent again by now
	w.endEverybody()
	w.advance(time.Second)

	all := []string{signup.ID, login.ID, reset.ID, change.ID, proof.ID}
	for _, id := range all {
		w.holds("it reads as voided then", do(w, w.store.Challenge, id).VoidedAt.Equal(w.now.Add(-time.Second)))
	}
	unchanged := w.watch(watched{user: owner.ID, phone: owner.Phone.Key, challenges: all, sessions: []string{owner.session.ID}})
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(signup)).Outcome, core.Spent)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(login)).Outcome, core.Spent)
	w.outcome(w.guessWrong(login).Outcome, core.Spent)
	w.outcome(do(w, w.store.MatchReset, core.MatchReset{Guess: w.guess(reset, right)}).Outcome, core.Spent)
	w.outcome(do(w, w.store.RedeemReset, w.redeemReset(reset)).Outcome, core.Spent)
	w.outcome(do(w, w.store.RedeemPhoneChange, w.redeemPhoneChange(owner, change)).Outcome, core.SessionEnded)
	confirm := core.RedeemReauthentication{Guess: w.guess(proof, right), TokenKeyID: "key-2"}
	w.outcome(do(w, w.store.RedeemReauthentication, confirm).Outcome, core.SessionEnded)
	again := core.ResendChallenge{ID: login.ID, Message: w.messageOf(login), Now: w.now}
	w.outcome(do(w, w.store.ResendChallenge, again).Outcome, core.Spent)
	unchanged()
	equal(w, "an account of the signup", w.number(signup.Phone.Key).User.ID, "")
}

func endAllRepeats(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = keyed(in.Guess)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Done)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Repeated)
	w.endEverybody() // in the same millisecond
	got := do(w, w.store.RedeemLogin, in)
	w.outcome(got.Outcome, core.Spent)
	equal(w, "the session told", got.Session, core.Session{})
}

func endAllLater(w *world) {
	owner := w.account()
	w.endEverybody()
	w.advance(time.Millisecond)
	c := w.beginFor(owner, core.PurposeLogin)
	got := do(w, w.store.RedeemLogin, w.redeemLogin(c))
	w.outcome(got.Outcome, core.Done)
	byPassword := w.login(owner)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(got.Session, byPassword))
	w.outcome(do(w, w.store.RotateSession, w.rotate(got.Session)).Outcome, core.Done)
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.SessionEnded)
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(w.beginSignup(w.newNumber()))).Outcome, core.Done)
}

func endAllUnderWay(w *world) {
	owner := w.account()
	login := w.openSession(owner)
	w.advance(time.Second)
	w.endEverybody()
	got := do(w, w.store.OpenSession, login)
	w.outcome(got.Outcome, core.Done) // what it was checked against still holds
	w.advance(time.Second)
	w.outcome(do(w, w.store.RotateSession, w.rotate(got.Session)).Outcome, core.SessionEnded)
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
}

func endAllForward(w *world) {
	owner := w.account()
	w.advance(time.Hour)
	end := w.now
	equal(w, "the time that counts", w.endEverybody(), end)
	w.advance(-30 * time.Minute)
	equal(w, "after an earlier time", w.endEverybody(), end)
	w.advance(time.Hour)
	later := w.login(owner)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(later))
	equal(w, "the second time", w.endEverybody(), w.now)
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	w.wrote()
}

func endAllKeepsEnds(w *world) {
	owner := w.account()
	before := w.session(w.ended(owner).ID)
	w.advance(time.Second)
	w.endEverybody()
	equal(w, "a session that had ended", w.session(before.ID), before)
	over := w.session(owner.session.ID)
	w.advance(time.Second)
	w.disable(owner)
	equal(w, "a session of everybody's end", w.session(owner.session.ID), over)
}

func endAllSurplus(w *world) {
	owner := w.account()
	for range core.MaxSessions - 1 {
		w.login(owner)
	}
	w.endEverybody()
	w.advance(time.Second)
	w.outcome(do(w, w.store.OpenSession, w.openSession(owner)).Outcome, core.Done)
	w.wrote(event.SuccessfulLogin)
}

func endAllMessages(w *world) {
	owner := w.account()
	w.claim("sender", 100) // takes away the signup's, which was redeemed
	waiting := w.beginFor(owner, core.PurposePasswordReset)
	w.advance(time.Second)
	w.endEverybody()
	w.advance(time.Second)
	later := w.beginFor(owner, core.PurposeLogin)
	got := do(w, w.store.ClaimMessages, w.claimInput("sender", 100, core.Budgets{}))
	var claimed, givenUp []string
	for _, m := range got.Messages {
		claimed = append(claimed, m.ChallengeID)
	}
	for _, m := range got.GivenUp {
		givenUp = append(givenUp, m.ChallengeID)
		equal(w, "its state", m.State, core.MessageExpired)
	}
	equal(w, "what is sent", claimed, []string{later.ID})
	equal(w, "what is not", givenUp, []string{waiting.ID})
}

func endAllSwept(w *world) {
	owner := w.account()
	w.advance(time.Hour)
	end := w.endEverybody()
	w.aroundEnd(end.Add(30*day), func() {
		w.session(owner.session.ID)
	}, func() {
		_, _, err := w.store.Session(w.ctx, owner.session.ID)
		w.missing("the session", err)
	})
	equal(w, "the user", w.user(owner.ID), owner.User)
}
