package postgres

import (
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// A token may be presented in the moment in which it is being given: too early for
// the first look, and current at the next. It rotates its session, whether the
// refresh has an event to tell or not.
func TestATokenThatBecomesCurrentRotates(t *testing.T) {
	url := database(t)
	other := open(t, Options{URL: url})
	m := &maker{prefix: "current"}
	var session core.Session
	begun := -1
	late := open(t, Options{URL: url, Faults: func(step string) error {
		if step != StepBegin || begun < 0 {
			return nil
		}
		if begun++; begun == 2 {
			if _, err := other.RotateSession(t.Context(), rotation(session)); err != nil {
				t.Error(err)
			}
		}
		return nil
	}})
	for _, told := range []bool{false, true} {
		session = account(t, other, m, m.id()).Session
		in := rotation(session)
		in.Counter++
		if told {
			in.OnMoved = m.event(event.RefreshFromNewNetwork)
		}
		begun = 0
		got, err := late.RotateSession(t.Context(), in)
		begun = -1
		if err != nil || got.Outcome != core.Done || got.Session.Counter != session.Counter+2 {
			t.Errorf("told %v: %q, counter %d, %v", told, got.Outcome, got.Session.Counter, err)
		}
	}
}
