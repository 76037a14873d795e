package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// An answer lost costs nothing: repeats spend none of what an address may begin,
// and are told again where it has begun all of it.
func TestRepeatsSpendNothingOfTheAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	begin := func(number, key, body string) (core.Challenge, error) {
		return h.Signup(ctx, stranger(), core.SignupIn{BeginIn: core.BeginIn{
			PhoneNumber: number, Idempotency: core.Idempotency{Key: key, Body: []byte(body)},
		}})
	}
	first, err := begin(alice, "key", "body")
	want(t, err, "")
	again := func() {
		t.Helper()
		ch, err := begin(alice, "key", "body")
		want(t, err, "")
		if ch.ID != first.ID {
			t.Error("another challenge")
		}
	}
	for range 64 {
		again()
	}
	for i := range 59 { // what others begin behind the address, up to its limit
		_, err := begin(spread(i), fmt.Sprint(i), "body")
		want(t, err, "")
	}
	_, err = begin(spread(59), "", "body")
	want(t, err, core.CodeRateLimited)
	_, err = begin(spread(59), "unknown", "body")
	want(t, err, core.CodeRateLimited)
	again()
	_, err = begin(alice, "key", "another body")
	want(t, err, core.CodeIdempotencyConflict)
	h.pass(10 * time.Minute) // the key is remembered no longer
	_, err = begin(alice, "key", "body")
	want(t, err, core.CodeRateLimited)
}
