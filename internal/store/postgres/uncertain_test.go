package postgres

import (
	"errors"
	"testing"

	"github.com/countersign/countersign/internal/core"
)

func TestLostAnswerIsUncertain(t *testing.T) {
	w := &wire{}
	s := tappedStore(t, w)
	m := &maker{prefix: "lost"}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	account(t, s, m, m.id()) // what comes is prepared now
	c := m.challenge(core.PurposeSignup, "number")
	w.cut.Store(true)
	_, err := s.OpenChallenge(t.Context(), m.opening(c))
	w.cut.Store(false)
	if !errors.Is(err, core.ErrUncertain) {
		t.Fatalf("got %v, want ErrUncertain", err)
	}
	if _, err := s.Challenge(t.Context(), c.ID); err != nil {
		t.Fatalf("it was committed, yet: %v", err)
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("writing: %v", err)
	}
	if _, err := s.Keys(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("reading: %v", err)
	}
}
