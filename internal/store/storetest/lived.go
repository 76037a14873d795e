package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/password"
)

// livedRuns is how many numbers of each model a lived-in store has.
const livedRuns = 12

// Live has a fresh store used by some numbers at random, as the models use it,
// and by some in ways that leave a row of every kind, pending things above all. It
// gives the time at which it ends, though some of it has later times: the clock was
// set back.
func Live(t *testing.T, store core.Store) (now time.Time) {
	chance := seeded()
	some := func(what string, live func(*rapid.T, *world)) {
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs <= livedRuns {
				live(rt, newWorld(rt, store, chance))
			}
		})
		t.Logf("%s: %d runs of them", what, livedRuns)
	}
	some("random runs", func(rt *rapid.T, w *world) { runModel(rt, w) })
	some("random sends", func(rt *rapid.T, w *world) { runSends(rt, w) })
	begin := midnight
	some("random claims", func(rt *rapid.T, w *world) {
		begin = begin.Add(1000 * day)
		w.setClock(begin)
		runBudgets(rt, w)
	})
	w := newWorld(t, store, chance)
	leaveKeys(w)
	leavePending(w)
	leaveEvents(w)
	return w.now
}

func leaveKeys(w *world) {
	for _, slot := range []string{keyring.SlotPseudonym, keyring.SlotPepper, keyring.SlotData, "signing/1"} {
		w.outcome(do(w, w.store.AddKey, w.newKey(slot, slot)), core.Done)
	}
	w.addAPIKey(w.newAPIKey("backend"))
	w.addAPIKey(w.newAPIKey("former"))
	w.outcome(do(w, w.store.RevokeAPIKey, w.revocation("former")), core.Done)
	w.addRollups("one", count(midnight, succeeded, 3), count(midnight.Add(time.Hour), denied, 2))
	w.addRollups("two", count(midnight, smsSent, 5))
}

// leavePending leaves what waits for somebody to go on.
func leavePending(w *world) {
	owner := w.account()
	known := owner.session.DeviceID
	for range 4 {
		w.tryPassword(owner.Phone.Key, known)
		w.tryPassword(owner.Phone.Key, "")
		w.advance(passwordLimits().MaxDelay)
	}
	w.tryPassword(owner.Phone.Key, "") // waits now
	w.guessWrong(w.beginFor(owner, core.PurposeLogin))
	w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	w.login(owner)
	w.ended(owner)
	for _, hash := range []password.Hash{"second", "third", "fourth"} {
		in := w.setPassword(owner)
		in.Hash = hash
		w.outcome(do(w, w.store.SetPassword, in), core.Done)
	}

	begun := w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
	begun.Challenge.BeginKey, begun.Challenge.BeginBody = mac("begin key"), mac("begin body")
	w.outcome(do(w, w.store.OpenChallenge, begun).Outcome, core.Done)
	repeatable := w.redeemSignup(w.beginSignup(w.newNumber()))
	repeatable.Guess = keyed(repeatable.Guess)
	repeatable.Session.UserAgent = "not \xff text \x00" // which no engine needs to keep
	w.outcome(do(w, w.store.RedeemSignup, repeatable).Outcome, core.Done)
	decoy := w.newChallenge(core.PurposeLogin, w.newNumber())
	decoy.Decoy, decoy.Thumbprint, decoy.Phone.Sealed = true, "thumbprint", nil
	w.begin(decoy)
	w.disable(w.account())
	w.closeNumber(w.newNumber().Key)
}

// leaveEvents leaves a sink that has some events, one that has none, one that
// watches, and a log's head.
func leaveEvents(w *world) {
	w.tellSome(7)
	claimed := w.claimEvents("behind", ownHolder, 5)
	settle := w.settleEvents("behind", ownHolder, claimed)
	settle.Head = event.Head{File: "security.log", Count: 5, Chain: "chain"}
	w.outcome(do(w, w.store.SettleEvents, settle), core.Done)
	w.claimEvents("asleep", "gone", 3)
	watching := core.Claim{Holder: ownHolder, Limit: 1, Lease: time.Minute, Now: w.now, FromNow: true}
	if _, err := w.store.ClaimEvents(w.ctx, "watching", watching); err != nil {
		w.t.Fatalf("claiming events: %v", err)
	}
	w.tellSome(2)
	w.advance(time.Hour)
}

// Names are the ids and keys of what a store holds.
type Names struct {
	Users, Sessions, Devices, Challenges, Phones, Logs []string
	BeginKeys, APIKeys                                 [][]byte
}

// Told is everything that a store tells: by its reads, then by operations that
// depend on what it counted. Two stores that tell the same are the same.
type Told struct {
	Users      map[string]core.User
	Histories  map[string][]password.Hash
	Events     map[string][]event.Event
	Sessions   map[string]core.Session
	Challenges map[string]core.Challenge
	Begun      map[string]core.Challenge
	Numbers    map[string]core.NumberState
	Messages   map[string][]core.Message
	Keys       []keyring.StoredKey
	APIKeys    []core.APIKey
	APIKey     map[string]core.APIKey
	Heads      map[string]event.Head
	Spending   []core.Spending
	Stats      []event.Rollup
	Queues     core.Queues

	Tried   map[string]core.TryPasswordResult
	Sent    map[string]core.OpenChallengeResult
	Guessed map[string]core.RedeemResult
	Rotated map[string]core.SessionResult
	Queued  []event.Event // of each sink, behind one another
	Claimed core.Claimed
}

// Tell asks a store for everything about what is named, at a time. It changes the
// store.
func Tell(t *testing.T, store core.Store, of Names, now time.Time) Told {
	w := &world{t: t, ctx: context.Background(), store: store, now: now, chance: seeded()}
	told := Told{
		Users: each(w, of.Users, store.User), Histories: each(w, of.Users, store.PasswordHistory),
		Events: each(w, of.Users, func(ctx context.Context, id string) ([]event.Event, error) {
			return store.UserEvents(ctx, id, core.Page{Limit: 1000})
		}),
		Sessions: each(w, of.Sessions, func(ctx context.Context, id string) (core.Session, error) {
			s, _, err := store.Session(ctx, id)
			return s, err
		}),
		Challenges: each(w, of.Challenges, store.Challenge),
		Numbers:    map[string]core.NumberState{},
		Messages: each(w, of.Phones, func(ctx context.Context, key string) ([]core.Message, error) {
			return store.Messages(ctx, key, 1000)
		}),
		Keys: w.keys(), APIKeys: w.apiKeys(), Heads: each(w, of.Logs, store.LogHead),
		Stats: w.stats(midnight.Add(-day), midnight.Add(day), time.Minute),
	}
	for _, device := range append(of.Devices, "") {
		for _, phone := range of.Phones {
			told.Numbers[phone+" "+device] = w.numberSeenBy(phone, device)
		}
	}
	told.Begun = each(w, texts(of.BeginKeys), func(ctx context.Context, key string) (core.Challenge, error) { return store.Begun(ctx, []byte(key)) })
	told.APIKey = each(w, texts(of.APIKeys), func(ctx context.Context, hash string) (core.APIKey, error) { return store.APIKey(ctx, []byte(hash)) })
	var err error
	if told.Spending, err = store.Spending(w.ctx, now); err != nil {
		t.Fatal(err)
	}
	if told.Queues, err = store.Queues(w.ctx, now); err != nil {
		t.Fatal(err)
	}
	told.act(w, of)
	return told
}

// act tells by operations.
func (told *Told) act(w *world, of Names) {
	for _, sink := range []string{ownSink, "behind", "asleep", "watching"} {
		w.advance(time.Hour) // no lease lasts as long
		told.Queued = append(told.Queued, w.claimEvents(sink, "teller", 1000)...)
	}
	told.Claimed = do(w, w.store.ClaimMessages, core.ClaimMessages{
		Claim: core.Claim{Holder: "teller", Limit: 1000, Lease: time.Minute, Now: w.now},
	})
	told.Tried, told.Sent = map[string]core.TryPasswordResult{}, map[string]core.OpenChallengeResult{}
	told.Guessed, told.Rotated = map[string]core.RedeemResult{}, map[string]core.SessionResult{}
	limits := core.SendLimits{Waits: []time.Duration{time.Hour}, Hour: 2, Day: 2}
	for _, phone := range of.Phones {
		told.Tried[phone] = w.tryPassword(phone, "")
		c := w.newChallenge(core.PurposeSignup, core.SealedPhone{Key: phone})
		in := w.openChallenge(c)
		in.Sends = limits
		told.Sent[phone] = do(w, w.store.OpenChallenge, in)
		miss := w.redeemSignup(c)
		miss.Guess = w.guess(c, wrong)
		miss.Limits = core.CodeLimits{Strangers: 2, StrangersWindow: 100_000 * day} // every failure that is kept counts
		told.Guessed[phone] = do(w, w.store.RedeemSignup, miss)
	}
	for _, id := range of.Challenges {
		c := do(w, w.store.Challenge, id)
		if c.Purpose == core.PurposeSignup {
			told.Guessed[id] = do(w, w.store.RedeemSignup, w.redeemSignup(c))
		}
	}
	for _, id := range of.Sessions {
		told.Rotated[id] = do(w, w.store.RotateSession, w.rotate(w.session(id)))
	}
}

// each asks for each name, where there is what it names.
func each[Out any](w *world, names []string, ask func(context.Context, string) (Out, error)) map[string]Out {
	all := map[string]Out{}
	for _, name := range names {
		out, err := ask(w.ctx, name)
		if err == nil {
			all[name] = out
		} else if !errors.Is(err, core.ErrNotFound) {
			w.t.Fatalf("asking for %s: %v", name, err)
		}
	}
	return all
}

func texts(of [][]byte) []string {
	all := make([]string, len(of))
	for i, b := range of {
		all[i] = string(b)
	}
	slices.Sort(all)
	return all
}
