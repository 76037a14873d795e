package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign/countersign/internal/core"
)

// editing prepares a write of more than one trip.
func editing(t *testing.T, s *Store, m *maker) func() error {
	t.Helper()
	of := account(t, s, m, m.id())
	name := "Grace"
	in := core.EditUser{SessionID: of.Session.ID, Name: &name, Now: noon}
	return func() error {
		got, err := s.EditUser(t.Context(), in)
		if err == nil && got.User.Name != name {
			t.Errorf("the user is %q", got.User.Name)
		}
		return err
	}
}

// What the server gives up in favour of others is tried anew, and in the end
// happens once.
func TestGivenUpIsTriedAgain(t *testing.T) {
	w := &wire{}
	s := tappedStore(t, w)
	m := &maker{prefix: "again"}
	for _, code := range []string{serializationFailure, deadlockDetected, readOnlyTransaction} {
		edit := editing(t, s, m)
		w.refuses(code, 3, "")
		if err := edit(); err != nil || w.refused.Load() != 3 {
			t.Errorf("editing, %s: %v after %d", code, err, w.refused.Load())
		}
		c := m.challenge(core.PurposeSignup, m.id())
		w.refuses(code, 2, "")
		if got, err := s.OpenChallenge(t.Context(), m.opening(c)); err != nil || got.Outcome != core.Done || w.refused.Load() != 2 {
			t.Errorf("opening, %s: %q, %v after %d", code, got.Outcome, err, w.refused.Load())
		}
		if sent, err := s.Messages(t.Context(), c.Phone.Key, 10); err != nil || len(sent) != 1 {
			t.Errorf("%s: messages %v, %v", code, sent, err)
		}
	}
}

// What the server never lets through fails, after a bounded number of tries, and
// nothing has happened.
func TestTriesAreBounded(t *testing.T) {
	w := &wire{}
	s := tappedStore(t, w)
	m := &maker{prefix: "bounded"}
	edit := editing(t, s, m)
	for _, code := range []string{serializationFailure, deadlockDetected, readOnlyTransaction} {
		w.refuses(code, 1_000_000, "for no key update")
		var told *pgconn.PgError
		if err := edit(); !errors.As(err, &told) || told.Code != code || errors.Is(err, core.ErrUncertain) {
			t.Errorf("%s: got %v", code, err)
		}
		if got := w.refused.Load(); got != maxTries {
			t.Errorf("%s: tried %d times", code, got)
		}
	}
	w.refuses("", 0, "")
	if err := edit(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Any other word of the server's is no reason to try again.
func TestOtherErrorsAreToldAtOnce(t *testing.T) {
	w := &wire{}
	s := tappedStore(t, w)
	edit := editing(t, s, &maker{prefix: "told"})
	w.refuses("53100", 1_000_000, "for no key update") // the disk is full
	if err := edit(); err == nil || errors.Is(err, core.ErrUncertain) || w.refused.Load() != 1 {
		t.Errorf("got %v after %d", err, w.refused.Load())
	}
}

// Connections to a server that has become a standby are given up, for those that
// find who is the primary now.
func TestDemotedServerIsLeft(t *testing.T) {
	w := &wire{}
	s := tappedStore(t, w)
	edit := editing(t, s, &maker{prefix: "demoted"})
	before := w.dials.Load()
	w.refuses(readOnlyTransaction, 1, "for no key update")
	if err := edit(); err != nil || w.dials.Load() == before {
		t.Errorf("got %v after %d new connections", err, w.dials.Load()-before)
	}
}

// A commit whose answer is lost is uncertain, also where more than one trip led to
// it; before the commit, what is lost is tried again.
func TestC72LostAnswerOfEachTrip(t *testing.T) {
	for lost, want := range map[int64]error{1: nil, 2: core.ErrUncertain} {
		w := &wire{}
		s := tappedStore(t, w)
		edit := editing(t, s, &maker{prefix: fmt.Sprint("trip", lost)})
		if err := edit(); err != nil { // its statements are prepared now
			t.Fatal(err)
		}
		w.loses.Store(lost)
		if err := edit(); !errors.Is(err, want) {
			t.Errorf("losing the answer of trip %d: got %v, want %v", lost, err, want)
		}
	}
}

// Of several servers in the URL, the one that answers is taken, if it takes
// writes.
func TestFallbackServers(t *testing.T) {
	here, err := url.Parse(database(t))
	if err != nil {
		t.Fatal(err)
	}
	there := *here
	there.Host = fmt.Sprintf("127.0.0.1:%d,%s", unusedPort(t), here.Host)
	query := there.Query()
	query.Set("target_session_attrs", "read-write")
	there.RawQuery = query.Encode()
	s := open(t, Options{URL: there.String()})
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	account(t, s, &maker{prefix: "fallback"}, "number")
}

// Without LISTEN and NOTIFY nothing is heard of other instances, and nothing is
// lost: whoever polls gets it.
func TestWithoutNotifications(t *testing.T) {
	w := &wire{}
	w.refuses("0A000", 1_000_000, "listen ")
	url := database(t)
	here, there := open(t, Options{URL: url, configure: w.tap}), open(t, Options{URL: url, configure: w.tap})
	deadline := time.Now().Add(30 * time.Second)
	for w.refused.Load() < 2 { // both have tried
		if time.Now().After(deadline) {
			t.Fatal("nobody listens")
		}
		<-time.After(10 * time.Millisecond)
	}
	w.refuses("0A000", 1_000_000, "pg_notify")
	m := &maker{prefix: "polled"}
	if _, err := here.OpenChallenge(t.Context(), m.opening(m.challenge(core.PurposeSignup, m.id()))); err != nil {
		t.Fatal(err)
	}
	claim := core.Claim{Holder: "there", Limit: 10, Lease: time.Minute, Now: noon}
	got, err := there.ClaimMessages(t.Context(), core.ClaimMessages{Claim: claim})
	if err != nil || len(got.Messages) != 1 {
		t.Errorf("claimed %v, %v", got.Messages, err)
	}
	events, err := there.ClaimEvents(t.Context(), "log", claim)
	if err != nil || len(events) != 1 {
		t.Errorf("claimed %v, %v", events, err)
	}
}
