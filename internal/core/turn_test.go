package core_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/countersign/countersign/internal/core"
)

// C-49: a flood on one number, of which one message is sent, fills no limit of
// its prefix: whoever begins for a neighbour meanwhile is sent to.
func TestC49AFloodOnOneNumberShutsOutNoNeighbour(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var flood sync.WaitGroup
	for i := range 40 {
		flood.Go(func() {
			for j := range 10 {
				_, err := h.LoginSMS(ctx, at(everywhere(10*i+j)), core.BeginIn{PhoneNumber: alice})
				if err != nil && codeOf(err) != core.CodeRateLimited {
					t.Errorf("the flood: %v", err)
				}
			}
		})
	}
	for i := range 18 { // two less than the prefix has: one is sent to alice, one more is counted at a time
		flood.Go(func() {
			_, err := h.LoginSMS(ctx, at(everywhere(1000+i)), core.BeginIn{PhoneNumber: fmt.Sprintf("+1415555%04d", 200+i)})
			if err != nil {
				t.Errorf("neighbour %d: %v", i, err)
			}
		})
	}
	flood.Wait()
	if h.heardLimit() != "send_wait" {
		t.Errorf("refused by %s", h.heardLimit())
	}
	for i, code := range []core.Code{"", core.CodeRateLimited} {
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: fmt.Sprintf("+1415555%04d", 300+i)})
		want(t, err, code)
	}
}

// Parallel twins of one request find the challenge of the first, device or none.
func TestParallelTwinsAreOneChallenge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.signUp(alice, "").DeviceToken
	for _, in := range []core.BeginIn{
		{PhoneNumber: alice}, {PhoneNumber: bob}, {PhoneNumber: alice, Device: core.DeviceIn{Token: known}},
	} {
		in.Idempotency = core.Idempotency{Key: "key" + in.Device.Token.Reveal(), Body: []byte(in.PhoneNumber)}
		in.Idempotency.Key += in.PhoneNumber
		var twins sync.WaitGroup
		ids := make([]string, 40)
		for i := range ids {
			twins.Go(func() {
				ch, err := h.LoginSMS(ctx, at(everywhere(i)), in)
				if err != nil {
					t.Errorf("twin %d: %v", i, err)
				}
				ids[i] = ch.ID
			})
		}
		twins.Wait()
		for i, id := range ids {
			if id != ids[0] {
				t.Errorf("twin %d has a challenge of its own", i)
			}
		}
	}
}
