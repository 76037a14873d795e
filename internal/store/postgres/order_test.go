package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// An event whose transaction takes longer than those behind it is passed over by
// nobody, though they are claimed and settled meanwhile.
func TestC74SlowTransactionsEventIsNotSkipped(t *testing.T) {
	url := database(t)
	s := open(t, Options{URL: url})
	m := &maker{prefix: "order"}
	claim := func() (ids []string) {
		t.Helper()
		c := core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: noon}
		events, err := s.ClaimEvents(t.Context(), "file", c)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		if len(ids) > 0 {
			in := core.SettleEvents{Sink: "file", Holder: "a", Through: ids[len(ids)-1], Now: noon}
			if got, err := s.SettleEvents(t.Context(), in); err != nil || got != core.Done {
				t.Fatalf("settling: %q, %v", got, err)
			}
		}
		return ids
	}
	slow := connect(t, url)
	held, err := slow.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := m.event(event.FailedLogin)
	writing := &tx{ctx: t.Context(), conn: slow}
	writing.tell(late, core.User{}, "")
	if writing.alone(); writing.err != nil {
		t.Fatal(writing.err)
	}
	for range 3 {
		quick := m.event(event.FailedLogin)
		if err := s.FailPassword(t.Context(), core.FailPassword{Now: noon, OnFailed: quick}); err != nil {
			t.Fatal(err)
		}
		if got := claim(); len(got) != 1 || got[0] != quick.ID {
			t.Fatalf("claimed %v, want %s", got, quick.ID)
		}
	}
	if err := held.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := claim(); len(got) != 1 || got[0] != late.ID {
		t.Errorf("claimed %v, want the late %s", got, late.ID)
	}
	if err := slow.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A sink that begins with what is to come does not miss what is being written.
func TestSinkFromNowMissesNothing(t *testing.T) {
	url := database(t)
	s := open(t, Options{URL: url})
	m := &maker{prefix: "now"}
	slow := connect(t, url)
	held, err := slow.BeginTx(t.Context(), pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	writing := &tx{ctx: t.Context(), conn: slow}
	writing.tell(m.event(event.FailedLogin), core.User{}, "")
	if writing.alone(); writing.err != nil {
		t.Fatal(writing.err)
	}
	in := core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: noon, FromNow: true}
	before, err := s.ClaimEvents(t.Context(), "metrics", in)
	if err != nil || len(before) > 0 {
		t.Fatalf("claimed %v, %v", before, err)
	}
	if err := held.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := s.ClaimEvents(t.Context(), "metrics", in)
	if err != nil || len(after) != 1 {
		t.Errorf("claimed %v, %v", after, err)
	}
	if err := slow.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
