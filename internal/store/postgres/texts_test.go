package postgres

import (
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// sealedText tells whether a challenge still has its text.
func sealedText(t *testing.T, s *Store, id string) bool {
	t.Helper()
	c, err := s.Challenge(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return len(c.Sealed) > 0
}

// A text goes with the last time that it can be sent.
func TestC08TextGoesWithTheLastSend(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "text"}
	for _, resends := range []bool{true, false} {
		c := m.challenge(core.PurposeLogin, m.id())
		if !resends {
			c.ResendAt = time.Time{}
		}
		in := m.opening(c)
		if _, err := s.OpenChallenge(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ClaimMessages(t.Context(), core.ClaimMessages{Claim: core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: noon}}); err != nil {
			t.Fatal(err)
		}
		got, err := s.SettleMessage(t.Context(), core.SettleMessage{ID: in.Message.ID, Holder: "a", State: core.MessageSent, Now: noon})
		if err != nil || got != core.Done {
			t.Fatalf("settling: %q, %v", got, err)
		}
		if has := sealedText(t, s, c.ID); has != resends {
			t.Errorf("after the send, resends left %t: has a text %t", resends, has)
		}
	}
}

// A text that was never fetched goes when the challenge expires, long before
// the challenge's row does.
func TestC08TextGoesAtExpiry(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "expired"}
	c := m.challenge(core.PurposeLogin, "number")
	if _, err := s.OpenChallenge(t.Context(), m.opening(c)); err != nil {
		t.Fatal(err)
	}
	sweep := core.Sweep{
		Now: c.ExpiresAt.Add(-time.Millisecond), Limit: 10, KeepChallenges: 24 * time.Hour,
		KeepEnded: time.Hour, KeepAddresses: time.Hour, KeepEvents: time.Hour,
	}
	for _, want := range []bool{true, false} {
		if _, err := s.Sweep(t.Context(), sweep); err != nil {
			t.Fatal(err)
		}
		if has := sealedText(t, s, c.ID); has != want {
			t.Errorf("swept at %s: has a text %t, want %t", sweep.Now, has, want)
		}
		sweep.Now = c.ExpiresAt
	}
}
