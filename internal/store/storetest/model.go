package storetest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// Random runs: one number, its challenges, failures and sessions in a small
// model, and the same calls to both. What the store answers must be what the
// model says, step by step. Where the definition leaves an answer open (which
// of expired and voided came first), the model forgets the thing.
func models(f flow) {
	f.t.Run("random runs", func(t *testing.T) {
		t.Parallel()
		store, chance := f.open(t), seeded()
		random(t, func(rt *rapid.T) { runModel(rt, newWorld(rt, store, chance)) })
	})
}

// runModel has a new number live at random.
func runModel(rt *rapid.T, w *world) *model {
	m := &model{w: w, phone: w.newNumber()}
	rt.Repeat(map[string]func(*rapid.T){
		"":        m.check,
		"begin":   m.begin,
		"guess":   m.guess,
		"try":     m.try,
		"rotate":  m.rotate,
		"endOne":  m.endOne,
		"endAll":  m.endAll,
		"replace": m.replacePassword,
		"advance": m.advance,
	})
	return m
}

const (
	modelIdle     = 15 * time.Minute
	modelLifetime = time.Hour
)

func modelCodes() core.CodeLimits {
	return core.CodeLimits{Strangers: 4, StrangersWindow: 10 * time.Minute}
}

func modelPasswords() core.PasswordLimits {
	return core.PasswordLimits{Free: 2, FirstDelay: time.Second, MaxDelay: 8 * time.Second, Close: 6}
}

// model is what a store should hold of one number that only strangers try.
type model struct {
	w          *world
	phone      core.SealedPhone
	user       core.User // ID "" until a signup makes it
	challenges []*core.Challenge
	sessions   []*core.Session

	failedAt []time.Time // codes
	since    int         // codes, since a success
	inRow    int         // passwords
	until    time.Time   // passwords: the end of the wait
}

// pick draws one of a list, by its place: a run's log stays readable. Where
// there is none, the run goes on with another action.
func pick[T any](rt *rapid.T, what string, from []T) T {
	if len(from) == 0 {
		rt.Skip("there is no", what)
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(rt, what)]
}

// check compares what can be read.
func (m *model) check(*rapid.T) {
	state := m.w.number(m.phone.Key)
	equal(m.w, "who has the number", state.User, m.user)
	equal(m.w, "failures since a success", state.CodeFailures, m.since)
	if m.user.ID == "" {
		return
	}
	var living []core.Session
	for _, s := range m.sessions {
		if s.Alive(m.w.now) {
			living = append(living, *s)
		}
	}
	equal(m.w, "living sessions", m.w.living(m.user.ID), sessionIDs(living...))
}

func (m *model) advance(rt *rapid.T) {
	m.w.advance(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 999 * time.Millisecond, time.Second, 7 * time.Second, grace - time.Millisecond, grace,
		time.Minute, challengeLife, modelIdle - time.Millisecond,
	}).Draw(rt, "by"))
}

func (m *model) begin(rt *rapid.T) {
	purpose := rapid.SampledFrom([]core.Purpose{core.PurposeSignup, core.PurposeLogin}).Draw(rt, "purpose")
	c := m.w.newChallenge(purpose, m.phone)
	c.UserID, c.Generation = m.user.ID, m.user.Generation
	c.Decoy = purpose == core.PurposeLogin && m.user.ID == ""
	c = m.w.begin(c)
	m.challenges = append(m.challenges, &c)
}

func (m *model) guess(rt *rapid.T) {
	c := pick(rt, "challenge", m.challenges)
	code := rapid.SampledFrom([]string{right, right, wrong}).Draw(rt, "code")
	want, retryAt := m.judge(c, code)

	guess := m.w.guess(*c, code)
	guess.Limits, guess.CloseAt = modelCodes(), modelPasswords().Close
	signIn, made := m.signIn(), m.w.newUser(m.phone)
	var got core.RedeemResult
	if c.Purpose == core.PurposeSignup {
		got = do(m.w, m.w.store.RedeemSignup, core.RedeemSignup{Guess: guess, SignIn: signIn, User: made})
	} else {
		got = do(m.w, m.w.store.RedeemLogin, core.RedeemLogin{Guess: guess, SignIn: signIn})
	}
	m.w.outcome(got.Outcome, want)
	equal(m.w, "retry at", got.RetryAt, retryAt)
	switch want {
	case core.Wrong:
		equal(m.w, "guesses left", got.GuessesLeft, c.GuessesLeft)
	case core.Done:
		equal(m.w, "the account was made", got.Created, m.user.ID == "")
		if got.Created {
			m.user = made
		}
		m.opened(signIn, got.Session)
	}
}

// judge says how a guess must end, and changes the model accordingly.
func (m *model) judge(c *core.Challenge, code string) (want core.Outcome, retryAt time.Time) {
	now, limits := m.w.now, modelCodes()
	recent := slices.DeleteFunc(slices.Clone(m.failedAt), func(t time.Time) bool { return !now.Before(t.Add(limits.StrangersWindow)) })
	switch {
	case !c.RedeemedAt.IsZero(), !c.VoidedAt.IsZero(), c.GuessesLeft == 0:
		return core.Spent, retryAt
	case !now.Before(c.ExpiresAt):
		return core.Expired, retryAt
	case len(recent) >= limits.Strangers:
		return core.Locked, recent[len(recent)-limits.Strangers].Add(limits.StrangersWindow)
	case c.Decoy, code == wrong:
		c.GuessesLeft--
		m.failedAt, m.since = append(m.failedAt, now), m.since+1
		return core.Wrong, retryAt
	}
	c.RedeemedAt = now
	m.since = 0
	if m.inRow >= modelPasswords().Close {
		m.inRow, m.until = 0, time.Time{}
	}
	if c.Purpose == core.PurposeSignup {
		m.void(func(other core.Challenge) bool { return other.Purpose == core.PurposeSignup })
	}
	return core.Done, retryAt
}

// void voids the open challenges that match, and forgets those whose answer is
// open: is an expired one voided?
func (m *model) void(match func(core.Challenge) bool) {
	m.challenges = slices.DeleteFunc(m.challenges, func(c *core.Challenge) bool {
		return c.RedeemedAt.IsZero() && match(*c) && !m.w.now.Before(c.ExpiresAt)
	})
	for _, c := range m.challenges {
		if c.RedeemedAt.IsZero() && match(*c) {
			c.VoidedAt = m.w.now
		}
	}
}

func (m *model) try(rt *rapid.T) {
	limits := modelPasswords()
	in := core.TryPassword{PhoneKey: m.phone.Key, Limits: limits, Now: m.w.now}
	got := do(m.w, m.w.store.TryPassword, in)
	closed := m.inRow >= limits.Close
	if closed || m.w.now.Before(m.until) {
		m.w.outcome(got.Outcome, core.Locked)
		retryAt := m.until
		if closed {
			retryAt = m.w.now.Add(limits.MaxDelay)
		}
		equal(m.w, "retry at", got.RetryAt, retryAt)
		return
	}
	m.w.outcome(got.Outcome, core.Done)
	m.inRow, m.until = m.inRow+1, time.Time{}
	if m.inRow >= limits.Free {
		m.until = m.w.now.Add(min(limits.MaxDelay, limits.FirstDelay<<(m.inRow-limits.Free)))
	}
	equal(m.w, "failures in a row", got.Failures, m.inRow)
	equal(m.w, "locked until", got.LockedUntil, m.until)
	equal(m.w, "whom it found", got.User, m.user)
	if m.user.ID != "" && rapid.Bool().Draw(rt, "right") {
		m.login()
	}
}

func (m *model) login() {
	in := core.OpenSession{
		SignIn: m.signIn(), UserID: m.user.ID, Generation: m.user.Generation,
		Tried: core.TriedPassword{PhoneKey: m.phone.Key}, Now: m.w.now,
	}
	got := do(m.w, m.w.store.OpenSession, in)
	m.w.outcome(got.Outcome, core.Done)
	m.inRow, m.until = 0, time.Time{}
	m.opened(in.SignIn, got.Session)
}

func (m *model) signIn() core.SignIn {
	in := m.w.signIn()
	in.OnSignedIn, in.OnSurplus = event.Event{}, event.Event{}
	in.MaxSessions = 1000
	in.Session.IdleExpiresAt, in.Session.ExpiresAt = m.w.now.Add(modelIdle), m.w.now.Add(modelLifetime)
	return in
}

func (m *model) opened(in core.SignIn, got core.Session) {
	session := in.Session
	session.UserID, session.DeviceID = m.user.ID, in.Device.ID
	equal(m.w, "the session", got, session)
	m.sessions = append(m.sessions, &session)
}

func (m *model) rotate(rt *rapid.T) {
	s := pick(rt, "session", m.sessions)
	counter := s.Counter - rapid.SampledFrom([]int64{0, 0, 1, 1, 2, -1}).Draw(rt, "behind")
	alive := s.Alive(m.w.now)
	if counter < 0 || (!alive && counter > s.Counter) {
		return
	}
	in := m.w.rotate(*s)
	in.Counter, in.IdleTimeout = counter, modelIdle
	got := do(m.w, m.w.store.RotateSession, unnoticed(in))
	want := core.Reused
	switch {
	case !alive:
		want = core.SessionEnded
	case counter > s.Counter:
		want = core.NotFound
	case counter == s.Counter:
		want = core.Done
		m.refresh(s, in)
	case counter == s.Counter-1 && m.w.now.Before(s.RotatedAt.Add(grace)):
		want = core.Repeated
	default:
		s.EndedAt, s.EndReason = m.w.now, got.Session.EndReason
	}
	m.w.outcome(got.Outcome, want)
	if want != core.NotFound {
		equal(m.w, "the session", m.w.session(s.ID), *s)
	}
	if want == core.Done || want == core.Repeated {
		equal(m.w, "the session told", got.Session, *s)
	}
}

func (m *model) refresh(s *core.Session, in core.RotateSession) {
	s.Counter++
	s.RotatedAt, s.LastSeenAt, s.TokenKeyID = m.w.now, m.w.now, in.TokenKeyID
	s.IdleExpiresAt = m.w.now.Add(modelIdle)
	if s.IdleExpiresAt.After(s.ExpiresAt) {
		s.IdleExpiresAt = s.ExpiresAt
	}
}

func (m *model) endOne(rt *rapid.T) {
	actor := pick(rt, "actor", m.sessions)
	target := pick(rt, "target", m.sessions)
	want := core.Done
	switch {
	case !actor.Alive(m.w.now):
		want = core.SessionEnded
	case !target.Alive(m.w.now):
		want = core.NotFound
	default:
		target.EndedAt, target.EndReason = m.w.now, "logout"
	}
	in := core.EndSessions{SessionID: actor.ID, Scope: core.ScopeOne, TargetID: target.ID, Reason: "logout", Now: m.w.now}
	m.w.outcome(do(m.w, m.w.store.EndSessions, in), want)
}

func (m *model) endAll(rt *rapid.T) {
	actor := pick(rt, "actor", m.sessions)
	in := core.EndSessions{SessionID: actor.ID, Scope: core.ScopeAll, Reason: "logout", Now: m.w.now}
	want := core.SessionEnded
	if actor.Alive(m.w.now) {
		want = core.Done
		for _, s := range m.end("") {
			s.EndReason = in.Reason
		}
	}
	m.w.outcome(do(m.w, m.w.store.EndSessions, in), want)
}

func (m *model) replacePassword(rt *rapid.T) {
	actor := pick(rt, "actor", m.sessions)
	in := core.SetPassword{
		SessionID: actor.ID, Generation: m.user.Generation, Hash: "another hash", HistoryKeep: historyKeep, Now: m.w.now,
	}
	if !actor.Alive(m.w.now) {
		m.w.outcome(do(m.w, m.w.store.SetPassword, in), core.SessionEnded)
		return
	}
	m.w.outcome(do(m.w, m.w.store.SetPassword, in), core.Done)
	m.user.PasswordHash = in.Hash
	m.user.UpdatedAt = m.w.user(m.user.ID).UpdatedAt // the definition leaves it open,
	for _, s := range m.end(actor.ID) {
		s.EndReason = m.w.session(s.ID).EndReason // and this
	}
}

// end is what ends a user's sessions, all but one, the lapsed ones too, and
// gives them. A decoy belongs to nobody: whether it is voided is open.
func (m *model) end(but string) []*core.Session {
	var ended []*core.Session
	for _, s := range m.sessions {
		if s.ID != but && s.EndedAt.IsZero() {
			s.EndedAt = m.w.now
			ended = append(ended, s)
		}
	}
	m.user.Generation++
	m.challenges = slices.DeleteFunc(m.challenges, func(c *core.Challenge) bool { return c.Decoy })
	m.void(func(core.Challenge) bool { return true })
	return ended
}
