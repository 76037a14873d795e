package storetest

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// sessionAct is what a client asks of a session.
type sessionAct struct {
	what    string // rotate, end, others or read
	counter int64
	after   time.Duration // since the world's time
	device  bool          // the session's own is shown
}

// sessionTold is what it is told.
type sessionTold struct {
	outcome core.Outcome
	counter int64
	over    bool
}

func (t sessionTold) ended() core.Outcome { return t.outcome }

// oneSession is a session as the oracle has it.
type oneSession struct {
	counter   int64
	rotatedAt time.Duration
	ended     bool
}

func (s oneSession) told(outcome core.Outcome) sessionTold {
	return sessionTold{outcome: outcome, counter: s.counter, over: s.ended}
}

// sessionOracle is invariants 4 and 5 for one session.
func sessionOracle() oracle[oneSession, sessionAct, sessionTold] {
	return oracle[oneSession, sessionAct, sessionTold]{step: func(s oneSession, in sessionAct) (sessionTold, oneSession) {
		switch {
		case in.what == "read":
			return s.told(core.Done), s
		case in.what == "others", in.what == "end" && !s.ended:
			s.ended = true
			return sessionTold{outcome: core.Done}, s
		case in.what == "end":
			return sessionTold{outcome: core.NotFound}, s
		case in.counter > s.counter:
			return sessionTold{outcome: core.NotFound}, s
		case s.ended:
			return s.told(core.SessionEnded), s
		case in.counter == s.counter:
			s.counter, s.rotatedAt = s.counter+1, in.after
			return s.told(core.Done), s
		case in.counter == s.counter-1 && (in.device || in.after < s.rotatedAt+grace):
			return s.told(core.Repeated), s
		}
		s.ended = true
		return s.told(core.Reused), s
	}}
}

// sessionClients present tokens of one session, the newest that anybody was told
// and older ones, read it at the door, and end it.
func sessionClients(w *world, r *rand.Rand) [][]act[sessionAct, sessionTold] {
	owner := w.account()
	target := w.login(owner)
	newest := &atomic.Int64{}
	often := func() act[sessionAct, sessionTold] {
		if r.IntN(4) == 0 {
			return always(sessionAct{what: "read"}, func(s core.Store, _ sessionAct) (sessionTold, error) {
				got, _, err := s.Session(context.Background(), target.ID)
				return toldOf(core.Done, got), err
			})
		}
		return present(w, r, target, newest, []int64{0, 0, 0, 1, -1}[r.IntN(5)])
	}
	late := func() act[sessionAct, sessionTold] {
		in := w.endSessions(owner, core.ScopeOthers)
		what := "others"
		switch r.IntN(3) {
		case 0:
			return present(w, r, target, newest, 2)
		case 1:
			what, in.SessionID, in.Scope, in.TargetID = "end", "", core.ScopeOne, target.ID
		}
		return always(sessionAct{what: what}, func(s core.Store, _ sessionAct) (sessionTold, error) {
			outcome, err := s.EndSessions(context.Background(), in)
			return sessionTold{outcome: outcome}, err
		})
	}
	var programs [][]act[sessionAct, sessionTold]
	for range linearClients {
		programs = append(programs, shuffled(r, often, late))
	}
	return programs
}

// present shows the token that is so many older than the newest known; -1 is one
// that may be given just now.
func present(w *world, r *rand.Rand, target core.Session, newest *atomic.Int64, older int64) act[sessionAct, sessionTold] {
	in := w.rotate(target)
	shown := sessionAct{what: "rotate", device: r.IntN(3) > 0}
	if r.IntN(4) == 0 {
		shown.after = []time.Duration{grace - time.Millisecond, grace, time.Hour}[r.IntN(3)]
	}
	in.Now = in.Now.Add(shown.after)
	if shown.device {
		in.DeviceID = target.DeviceID
	}
	return act[sessionAct, sessionTold]{
		ask: func() sessionAct {
			shown := shown
			shown.counter = max(0, newest.Load()-older)
			return shown
		},
		do: func(s core.Store, shown sessionAct) (sessionTold, error) {
			in := in
			in.Counter = shown.counter
			got, err := s.RotateSession(context.Background(), in)
			if got.Outcome == core.Done {
				newest.Store(got.Session.Counter)
			}
			return toldOf(got.Outcome, got.Session), err
		},
	}
}

func toldOf(outcome core.Outcome, s core.Session) sessionTold {
	return sessionTold{outcome: outcome, counter: s.Counter, over: !s.EndedAt.IsZero()}
}
