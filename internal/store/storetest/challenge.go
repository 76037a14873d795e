package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What OpenChallenge means.
func challenges(f flow) {
	f.shows("keeps all of a challenge, its message and its event", openKeepsAll)
	f.shows("withholds the message of a decoy", openDecoy)
	f.shows("C09 voids nobody else's", openVoidsNothing)
	f.shows("finds a challenge again by the key of its begin", openRepeated)
	f.shows("refuses a key that was used with another body", openKeyConflict)
	f.shows("forgets a key at exactly its age", openKeyAges)
	f.shows("is refused for an ended session", openForEnded)
	f.shows("an error means that nothing happened", openError)
}

func openKeepsAll(w *world) {
	owner := w.account()
	c := w.challengeFor(owner, core.PurposeSignup)
	c.DeviceID, c.SessionID, c.Thumbprint = owner.session.DeviceID, owner.session.ID, "thumbprint"
	c.Pending = core.Pending{Name: "Ada", Email: "ada@example.org", Locale: "de", PasswordHash: "waiting hash"}
	c.BeginKey, c.BeginBody = mac("key"), mac("body")
	c.CodeLength = 8
	in := w.openChallenge(c)
	got := do(w, w.store.OpenChallenge, in)

	w.outcome(got.Outcome, core.Done)
	equal(w, "the challenge", got.Challenge, c)
	equal(w, "the stored challenge", do(w, w.store.Challenge, c.ID), c)
	_, err := w.store.Challenge(w.ctx, w.id())
	w.missing("an unknown challenge", err)
	told := w.wrote(event.LoginStarted)[event.LoginStarted]
	equal(w, "the event's id", told.ID, in.Event.ID)

	claimed := w.claim("a", 10)
	sent := claimed[len(claimed)-1] // after that of the account's signup
	equal(w, "the message's id", sent.ID, in.Message.ID)
}

func openDecoy(w *world) {
	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.Decoy = true
	c = w.begin(c)
	stored := w.messagesOf(c.Phone.Key)
	equal(w, "messages", len(stored), 1)
	equal(w, "state", stored[0].State, core.MessageWithheld)
	// It is claimed and settled like any other, so that the work is the same.
	claimed := w.claim("a", 10)
	equal(w, "claimed messages", len(claimed), 1)
	equal(w, "the claimed one's state", claimed[0].State, core.MessageWithheld)
	w.outcome(do(w, w.store.SettleMessage, core.SettleMessage{
		ID: claimed[0].ID, Holder: "a", State: core.MessageWithheld, Now: w.now,
	}), core.Done)
	equal(w, "claimed once it is settled", len(w.claim("a", 10)), 0)
	equal(w, "the settled one's state", w.messagesOf(c.Phone.Key)[0].State, core.MessageWithheld)
}

func openVoidsNothing(w *world) {
	owner := w.account()
	mine := w.beginFor(owner, core.PurposeLogin)
	w.beginFor(owner, core.PurposeLogin)
	w.beginSignup(owner.Phone)
	equal(w, "the first challenge", do(w, w.store.Challenge, mine.ID), mine)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(mine)).Outcome, core.Done)
}

func openRepeated(w *world) {
	first := w.newChallenge(core.PurposeSignup, w.newNumber())
	first.BeginKey, first.BeginBody = mac("key"), mac("body")
	first = w.begin(first)
	wrongGuess := w.redeemSignup(first)
	wrongGuess.Guess = w.guess(first, wrong)
	w.outcome(do(w, w.store.RedeemSignup, wrongGuess).Outcome, core.Wrong)

	unchanged := w.watch(watched{phone: first.Phone.Key, challenges: []string{first.ID}})
	w.advance(keyLife - time.Millisecond)
	again := w.newChallenge(core.PurposeSignup, first.Phone)
	again.BeginKey, again.BeginBody = mac("key"), mac("body")
	got := do(w, w.store.OpenChallenge, w.openChallenge(again))

	w.outcome(got.Outcome, core.Repeated)
	equal(w, "the challenge as it stands", got.Challenge, do(w, w.store.Challenge, first.ID))
	equal(w, "guesses left", got.Challenge.GuessesLeft, core.MaxGuesses-1)
	equal(w, "read by its key", do(w, w.store.Begun, first.BeginKey), got.Challenge)
	_, err := w.store.Challenge(w.ctx, again.ID)
	w.missing("the second challenge", err)
	unchanged()
	w.begin(w.newChallenge(core.PurposeSignup, w.newNumber())) // without a key
	for _, key := range [][]byte{mac("another key"), nil} {
		_, err = w.store.Begun(w.ctx, key)
		w.missing("what nobody began by that key", err)
	}
}

func openKeyConflict(w *world) {
	first := w.newChallenge(core.PurposeSignup, w.newNumber())
	first.BeginKey, first.BeginBody = mac("key"), mac("body")
	first = w.begin(first)
	unchanged := w.watch(watched{phone: first.Phone.Key, challenges: []string{first.ID}})
	other := w.newChallenge(core.PurposeSignup, first.Phone)
	other.BeginKey, other.BeginBody = mac("key"), mac("another body")
	w.outcome(do(w, w.store.OpenChallenge, w.openChallenge(other)).Outcome, core.KeyConflict)
	_, err := w.store.Challenge(w.ctx, other.ID)
	w.missing("the second challenge", err)
	unchanged()

	other.BeginKey = mac("another key")
	w.outcome(do(w, w.store.OpenChallenge, w.openChallenge(other)).Outcome, core.Done)
}

func openKeyAges(w *world) {
	first := w.newChallenge(core.PurposeSignup, w.newNumber())
	first.BeginKey, first.BeginBody = mac("key"), mac("body")
	w.begin(first)
	w.advance(keyLife)
	second := w.newChallenge(core.PurposeSignup, first.Phone)
	second.BeginKey, second.BeginBody = mac("key"), mac("another body")
	got := do(w, w.store.OpenChallenge, w.openChallenge(second))
	w.outcome(got.Outcome, core.Done)
	equal(w, "the challenge", got.Challenge, second)

	third := w.newChallenge(core.PurposeSignup, first.Phone)
	third.BeginKey, third.BeginBody = second.BeginKey, second.BeginBody
	got = do(w, w.store.OpenChallenge, w.openChallenge(third))
	w.outcome(got.Outcome, core.Repeated)
	equal(w, "the key's challenge now", got.Challenge.ID, second.ID)
}

func openForEnded(w *world) {
	owner := w.account()
	gone := w.ended(owner)
	c := w.challengeFor(owner, core.PurposePhoneChange)
	c.Phone, c.SessionID = w.newNumber(), gone.ID
	in := w.openChallenge(c)
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.SessionEnded)
	_, err := w.store.Challenge(w.ctx, c.ID)
	w.missing("the challenge", err)
	equal(w, "messages", len(w.messagesOf(c.Phone.Key)), 0)
	w.wrote()

	c.SessionID = owner.session.ID
	w.setClock(owner.session.IdleExpiresAt) // lapsed is over, too
	in = w.openChallenge(c)
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.SessionEnded)
	w.advance(-time.Millisecond)
	in = w.openChallenge(c)
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
}

func openError(w *world) {
	first := w.newChallenge(core.PurposeSignup, w.newNumber())
	in := w.openChallenge(first)
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	w.events()
	second := w.newChallenge(core.PurposeSignup, first.Phone)
	twice := w.openChallenge(second)
	twice.Message.ID = in.Message.ID // no engine takes one id twice
	if _, err := w.store.OpenChallenge(w.ctx, twice); err == nil {
		w.t.Fatalf("a second message of one id was taken")
	}
	_, err := w.store.Challenge(w.ctx, second.ID)
	w.missing("the challenge", err)
	w.wrote()
}
