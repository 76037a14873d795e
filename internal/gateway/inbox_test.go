package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

func number(t *testing.T, e164 string) phone.Number {
	t.Helper()
	n, err := phone.FromE164(e164)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func ids(messages []Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return strings.Join(all, " ")
}

func TestInboxKeepsTheNewest(t *testing.T) {
	anna, ben := number(t, "+4915112345678"), number(t, "+4915187654321")
	b := NewInbox(4)
	for i := range 6 {
		to := anna
		if i%2 == 1 {
			to = ben
		}
		sent, err := b.Send(t.Context(), Message{ID: fmt.Sprint(i), To: to, Body: keyring.Secret("text")})
		if err != nil || sent.ProviderRef != fmt.Sprint(i) {
			t.Fatalf("Send: %v, %v", sent, err)
		}
	}
	for _, c := range []struct {
		to    phone.Number
		limit int
		want  string
	}{
		{phone.Number{}, 0, "5 4 3 2"},
		{phone.Number{}, 3, "5 4 3"},
		{anna, 10, "4 2"},
		{ben, 1, "5"},
		{number(t, "+4915100000000"), 0, ""},
	} {
		if got := ids(b.List(c.to, c.limit)); got != c.want {
			t.Errorf("List(%v, %d) = %q, want %q", c.to, c.limit, got, c.want)
		}
	}
}

func TestInboxNotYetFull(t *testing.T) {
	b := NewInbox(10)
	if got := b.List(phone.Number{}, 0); len(got) != 0 {
		t.Errorf("an empty inbox lists %v", got)
	}
	for i := range 3 {
		if _, err := b.Send(t.Context(), Message{ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	got := b.List(phone.Number{}, 0)
	if ids(got) != "2 1 0" {
		t.Errorf("got %q", ids(got))
	}
	got[0].ID = "changed"
	if again := b.List(phone.Number{}, 1); again[0].ID != "2" {
		t.Error("what List gave was no copy")
	}
}

func TestInboxIsSafeConcurrently(t *testing.T) {
	b := NewInbox(8)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				if _, err := b.Send(t.Context(), Message{ID: fmt.Sprint(i, "/", j)}); err != nil {
					t.Error(err)
				}
				b.List(phone.Number{}, 3)
			}
		})
	}
	all.Wait()
	if got := len(b.List(phone.Number{}, 0)); got != 8 {
		t.Errorf("%d messages kept, want 8", got)
	}
}

func TestInboxAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := NewInbox(1).Send(ctx, Message{})
	var refused *SendError
	if !errors.As(err, &refused) || refused.Class != Retry || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestC75MessageDoesNotPrintItsText(t *testing.T) {
	m := Message{To: number(t, "+4915112345678"), Body: "canary-8812"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		shown := fmt.Sprintf(verb, m)
		if strings.Contains(shown, "canary") || strings.Contains(shown, "15112345678") {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
}
