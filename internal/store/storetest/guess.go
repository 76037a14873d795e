package storetest

import (
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What Guess means: how every operation that judges a code judges it. The
// cases walk the steps that core.Guess lists, in their order; the limits of
// step 4 are in limits.go, the repeats of step 2 in repeat.go.
func guesses(f flow) {
	for name, purpose := range judgedBy() {
		f.shows("C05 a "+name+" opens with no other purpose", opensOnlyItsOwn(purpose))
		f.shows("C02 a "+name+" is dead at exactly expires_at", deadAtExpiry(purpose))
		f.shows("C03 a "+name+" has five guesses", hasFiveGuesses(purpose))
		f.shows("a decoy of "+name+" never opens", decoyNeverOpens(purpose))
	}
	f.shows("C05 opens only for the session that began it", opensForItsSession)
	f.shows("is refused for an ended session", guessForEnded)
	f.shows("is refused for a lapsed session", guessForLapsed)
	f.shows("is spent at once when redeemed", spentOnceRedeemed)
	f.shows("C90 takes the code under any master key", guessUnderOldKey)
	f.shows("drops the sealed message with the last guess", lastGuessDropsText)
	f.shows("writes no event without an id", guessWithoutEvents)
	f.shows("C45 fewer guesses where fewer are asked for", fewerGuesses)
	f.shows("C45 a guess is told again whatever is asked for", fewerRepeats)
	f.shows("C45 24 wrong codes at once, two evaluated", raceFewer)
}

// judge is an operation that judges a code of a challenge, with only its Guess
// chosen.
type judge func(*world, core.Challenge, core.Guess) core.RedeemResult

// judged is a purpose, begun and judged.
type judged struct {
	purpose core.Purpose
	begin   func(*world) core.Challenge
	decoy   func(*world) core.Challenge // as begin, of a decoy
	judge   judge
}

// judgedBy lists every operation that judges a code.
func judgedBy() map[string]judged {
	return map[string]judged{
		"signup":           ofNumber(core.PurposeSignup, judgeSignup),
		"login":            ofNumber(core.PurposeLogin, judgeLogin),
		"matched reset":    ofNumber(core.PurposePasswordReset, judgeMatch),
		"reset":            ofNumber(core.PurposePasswordReset, judgeReset),
		"phone change":     ofSession(core.PurposePhoneChange, judgePhoneChange),
		"reauthentication": ofSession(core.PurposeReauthentication, judgeReauthentication),
	}
}

// ofNumber is a purpose that whoever has the code redeems.
func ofNumber(p core.Purpose, j judge) judged {
	begin := func(decoy bool) func(w *world) core.Challenge {
		return func(w *world) core.Challenge {
			c := w.challengeFor(w.account(), p)
			c.Decoy = decoy
			return w.begin(c)
		}
	}
	return judged{purpose: p, begin: begin(false), decoy: begin(true), judge: j}
}

// ofSession is a purpose that only the session that began it redeems.
func ofSession(p core.Purpose, j judge) judged {
	begin := func(decoy bool) func(w *world) core.Challenge {
		return func(w *world) core.Challenge {
			owner := w.account()
			c := w.challengeFor(owner, p)
			c.SessionID, c.Decoy = owner.session.ID, decoy
			if p == core.PurposePhoneChange {
				c.Phone = w.newNumber()
			}
			return w.begin(c)
		}
	}
	return judged{purpose: p, begin: begin(false), decoy: begin(true), judge: j}
}

func judgeSignup(w *world, c core.Challenge, g core.Guess) core.RedeemResult {
	in := core.RedeemSignup{Guess: g, SignIn: w.signIn(), User: w.newUser(c.Phone), OnCreated: w.newEvent(event.AccountCreated)}
	return do(w, w.store.RedeemSignup, in)
}

func judgeLogin(w *world, c core.Challenge, g core.Guess) core.RedeemResult {
	return do(w, w.store.RedeemLogin, core.RedeemLogin{Guess: g, SignIn: w.signIn()})
}

func judgeMatch(w *world, c core.Challenge, g core.Guess) core.RedeemResult {
	return do(w, w.store.MatchReset, core.MatchReset{Guess: g}).RedeemResult
}

func judgeReset(w *world, c core.Challenge, g core.Guess) core.RedeemResult {
	return do(w, w.store.RedeemReset, core.RedeemReset{
		Guess: g, SignIn: w.signIn(), Hash: "new hash", HistoryKeep: historyKeep,
		Notice: w.newNotice(c.Phone, c.UserID), OnReset: w.newEvent(event.PasswordReset),
	})
}

func judgePhoneChange(w *world, c core.Challenge, g core.Guess) core.RedeemResult {
	return do(w, w.store.RedeemPhoneChange, core.RedeemPhoneChange{
		Guess: g, Phone: c.Phone, Notice: w.newNotice(w.user(c.UserID).Phone, c.UserID),
		OnChanged: w.newEvent(event.PhoneNumberChanged),
	})
}

func judgeReauthentication(w *world, c core.Challenge, g core.Guess) core.RedeemResult {
	return do(w, w.store.RedeemReauthentication, core.RedeemReauthentication{
		Guess: g, TokenKeyID: "key-2", OnConfirmed: w.newEvent(event.Reauthenticated),
	})
}

func opensOnlyItsOwn(j judged) func(*world) {
	return func(w *world) {
		c := j.begin(w)
		unchanged := w.watch(watched{user: c.UserID, phone: c.Phone.Key, challenges: []string{c.ID}})
		for name, other := range judgedBy() {
			if other.purpose == c.Purpose {
				continue
			}
			for _, code := range []string{right, wrong} {
				got := other.judge(w, c, w.guess(c, code))
				if got.Outcome != core.NotFound {
					w.t.Errorf("as a %s with the %s code: %q, want not found", name, code, got.Outcome)
				}
			}
		}
		unchanged()
	}
}

func deadAtExpiry(j judged) func(*world) {
	return func(w *world) {
		dead, alive := j.begin(w), j.begin(w)
		w.setClock(dead.ExpiresAt)
		unchanged := w.watch(watched{user: dead.UserID, phone: dead.Phone.Key, challenges: []string{dead.ID}})
		for _, code := range []string{right, wrong} {
			got := j.judge(w, dead, w.guess(dead, code))
			w.outcome(got.Outcome, core.Expired)
			equal(w, "the challenge as it stands", got.Challenge, dead)
		}
		unchanged()

		w.advance(-time.Millisecond)
		w.outcome(j.judge(w, alive, w.guess(alive, right)).Outcome, core.Done)
	}
}

func hasFiveGuesses(j judged) func(*world) {
	return func(w *world) {
		c := j.begin(w)
		for i := range core.MaxGuesses {
			w.events()
			w.advance(time.Second)
			got := j.judge(w, c, w.guess(c, wrong))
			w.outcome(got.Outcome, core.Wrong)
			equal(w, "guesses left", got.GuessesLeft, core.MaxGuesses-1-i)
			equal(w, "the stored challenge", do(w, w.store.Challenge, c.ID), got.Challenge)
			equal(w, "its guesses left", got.Challenge.GuessesLeft, core.MaxGuesses-1-i)
			state := w.number(c.Phone.Key)
			equal(w, "failures of the number", state.CodeFailures, i+1)
			equal(w, "last failed at", state.LastFailedAt, w.now)
			w.wrote(event.CodeFailed)
		}
		unchanged := w.watch(watched{user: c.UserID, phone: c.Phone.Key, challenges: []string{c.ID}})
		w.outcome(j.judge(w, c, w.guess(c, right)).Outcome, core.Spent)
		w.outcome(j.judge(w, c, w.guess(c, wrong)).Outcome, core.Spent)
		unchanged()
	}
}

func decoyNeverOpens(j judged) func(*world) {
	return func(w *world) {
		c := j.decoy(w)
		for i := range core.MaxGuesses {
			got := j.judge(w, c, w.guess(c, right))
			w.outcome(got.Outcome, core.Wrong)
			equal(w, "guesses left", got.GuessesLeft, core.MaxGuesses-1-i)
			equal(w, "failures of the number", w.number(c.Phone.Key).CodeFailures, i+1)
			w.wrote(event.CodeFailed)
		}
		w.outcome(j.judge(w, c, w.guess(c, right)).Outcome, core.Spent)
	}
}

func opensForItsSession(w *world) {
	owner := w.account()
	others := map[string]string{
		"the owner's other session": w.login(owner).ID, "somebody else's": w.account().session.ID, "no session": "",
	}
	for name, j := range judgedBy() {
		c := j.begin(w)
		if c.SessionID != "" { // its owner is this one
			c = w.beginAs(owner, j.purpose, c.Phone)
		}
		unchanged := w.watch(watched{user: c.UserID, phone: c.Phone.Key, challenges: []string{c.ID}})
		for whose, id := range others {
			if id == c.SessionID { // begun by nobody's, redeemed by nobody's
				continue
			}
			for _, code := range []string{wrong, right} {
				g := w.guess(c, code)
				g.SessionID = id
				if got := j.judge(w, c, g); got.Outcome != core.NotFound {
					w.t.Errorf("a %s by %s, the %s code: %q, want not found", name, whose, code, got.Outcome)
				}
			}
		}
		unchanged()
	}
}

func guessForEnded(w *world) {
	for _, purpose := range []string{"phone change", "reauthentication"} {
		j := judgedBy()[purpose]
		c := j.begin(w)
		end := core.EndSessions{Scope: core.ScopeOne, TargetID: c.SessionID, Reason: "logout", Now: w.now}
		w.outcome(do(w, w.store.EndSessions, end), core.Done)
		unchanged := w.watch(watched{user: c.UserID, phone: c.Phone.Key, challenges: []string{c.ID}, sessions: []string{c.SessionID}})
		w.outcome(j.judge(w, c, w.guess(c, right)).Outcome, core.SessionEnded)
		w.outcome(j.judge(w, c, w.guess(c, wrong)).Outcome, core.SessionEnded)
		unchanged()
	}
}

func guessForLapsed(w *world) {
	owner := w.account()
	in := w.openSession(owner)
	in.Session.IdleExpiresAt = w.now.Add(time.Minute)
	owner.session = do(w, w.store.OpenSession, in).Session
	c := w.beginAs(owner, core.PurposeReauthentication, owner.Phone)
	w.setClock(owner.session.IdleExpiresAt)
	unchanged := w.watch(watched{user: owner.ID, phone: c.Phone.Key, challenges: []string{c.ID}})
	w.outcome(judgeReauthentication(w, c, w.guess(c, right)).Outcome, core.SessionEnded)
	unchanged()
	w.advance(-time.Millisecond)
	w.outcome(judgeReauthentication(w, c, w.guess(c, right)).Outcome, core.Done)
}

func spentOnceRedeemed(w *world) {
	for name, j := range judgedBy() {
		if name == "matched reset" {
			continue // it redeems nothing
		}
		c := j.begin(w)
		w.outcome(j.judge(w, c, w.guess(c, right)).Outcome, core.Done)
		equal(w, name+": the sealed text", len(do(w, w.store.Challenge, c.ID).Sealed), 0)
		unchanged := w.watch(watched{user: c.UserID, phone: c.Phone.Key, challenges: []string{c.ID}})
		w.outcome(j.judge(w, c, w.guess(c, right)).Outcome, core.Spent)
		w.outcome(j.judge(w, c, w.guess(c, wrong)).Outcome, core.Spent)
		w.setClock(c.ExpiresAt) // redeemed comes before expired
		w.outcome(j.judge(w, c, w.guess(c, right)).Outcome, core.Spent)
		unchanged()
	}
}

func guessUnderOldKey(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	g := w.guess(c, wrong)
	g.CodeMACs = [][]byte{mac(wrong), mac("wrong under the old key")}
	w.outcome(judgeLogin(w, c, g).Outcome, core.Wrong)
	equal(w, "failures of the number", w.number(c.Phone.Key).CodeFailures, 1)
	g = w.guess(c, right)
	g.CodeMACs = [][]byte{mac("right under the new key"), mac(right)}
	w.outcome(judgeLogin(w, c, g).Outcome, core.Done)
}

func lastGuessDropsText(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	for left := core.MaxGuesses - 1; left >= 0; left-- {
		got := w.guessWrong(c)
		equal(w, fmt.Sprintf("has a text with %d guesses left", left), len(got.Challenge.Sealed) > 0, left > 0)
	}
	equal(w, "the stored text", len(do(w, w.store.Challenge, c.ID).Sealed), 0)
}

func guessWithoutEvents(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	w.outcome(w.guessWrong(c).Outcome, core.Wrong)
	w.wrote()
	in := w.redeemLogin(c)
	in.OnSignedIn = event.Event{}
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Done)
	w.wrote()
}

// judgeMost types a code while so many guesses of a challenge are evaluated.
func (w *world) judgeMost(j judged, c core.Challenge, code string, most int) core.RedeemResult {
	g := w.guess(c, code)
	g.Most = most
	return j.judge(w, c, g)
}

func fewerGuesses(w *world) {
	for name, j := range judgedBy() {
		for _, begin := range []func(*world) core.Challenge{j.begin, j.decoy} {
			c := begin(w)
			got := w.judgeMost(j, c, wrong, 2)
			w.outcome(got.Outcome, core.Wrong)
			equal(w, name+": guesses left of two", got.GuessesLeft, 1)
			equal(w, name+": guesses left", got.Challenge.GuessesLeft, core.MaxGuesses-1)
			unchanged := w.watch(watched{user: c.UserID, phone: c.Phone.Key, challenges: []string{c.ID}})
			for _, code := range []string{right, wrong} { // the one was before
				w.outcome(w.judgeMost(j, c, code, 1).Outcome, core.Spent)
			}
			unchanged()
			got = w.judgeMost(j, c, wrong, 2)
			w.outcome(got.Outcome, core.Wrong)
			equal(w, name+": guesses left of two", got.GuessesLeft, 0)
			w.outcome(w.judgeMost(j, c, right, 2).Outcome, core.Spent)
			got = w.judgeMost(j, c, wrong, core.MaxGuesses+1) // no more than there are
			equal(w, name+": guesses left", got.GuessesLeft, core.MaxGuesses-3)
			w.outcome(w.judgeMost(j, c, wrong, 0).Outcome, core.Wrong)
			if !c.Decoy {
				w.outcome(w.judgeMost(j, c, right, core.MaxGuesses).Outcome, core.Done)
			}
		}
	}
	j := judgedBy()["login"]
	expired := j.begin(w)
	w.setClock(expired.ExpiresAt)
	w.outcome(w.judgeMost(j, expired, right, 1).Outcome, core.Expired)
}

func fewerRepeats(w *world) {
	j := judgedBy()["login"]
	c := j.begin(w)
	miss := w.guess(c, wrong)
	miss.VerifyKey, miss.VerifyBody, miss.KeyLife, miss.Most = mac("key"), mac("body"), keyLife, 1
	for range 2 {
		got := j.judge(w, c, miss)
		w.outcome(got.Outcome, core.Wrong)
		equal(w, "guesses left", got.GuessesLeft, 0)
	}
	redeemed := j.begin(w)
	in := w.redeemLogin(redeemed)
	in.VerifyKey, in.VerifyBody, in.KeyLife, in.Most = mac("key"), mac("body"), keyLife, 1
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Done)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Repeated)
}

func raceFewer(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	got := doAtOnce(w, w.store.RedeemLogin, many(24, func(int) core.RedeemLogin {
		in := core.RedeemLogin{Guess: w.guess(c, wrong), SignIn: w.signIn()}
		in.Most = 2
		return in
	}))
	counts := tally(got, func(r core.RedeemResult) core.Outcome { return r.Outcome })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Wrong: 2, core.Spent: 22})
	equal(w, "failures of the number", w.number(c.Phone.Key).CodeFailures, 2)
}
