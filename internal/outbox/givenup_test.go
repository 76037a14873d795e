package outbox_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
)

// later lets a time pass.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// C-49, C-73: a message that no budget had room for until it was too late does
// not vanish: its end is told, and that messages wait is logged once.
func TestC73AMessageThatNoBudgetHasRoomForIsTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks, b.price, b.hourly = []event.Sink{sink}, 2, 1
		b.run()
		b.begin(10*time.Minute, "")
		b.begin(11*time.Minute, "")
		later(2 * time.Minute)
		if err := b.box.Health(); err == nil || !strings.Contains(err.Error(), "message budget: 2 messages") {
			t.Errorf("health: %v", err)
		}
		later(10 * time.Minute)
		if got := sink.seen(event.SMSSendFailed); got != "budget budget" {
			t.Errorf("told: %s", got)
		}
		e := sink.got[len(sink.got)-1]
		if e.Outcome != event.Failure || e.PhonePseudonym != b.ring.Pseudonym(number) || e.RequestID != "request-1" ||
			e.Attributes["will_retry"] != false || e.Attributes["country"] != "DE" || e.Attributes["try"] != int64(0) {
			t.Errorf("told: %s", event.Encode(e))
		}
		if err := b.box.Health(); err != nil || b.sender.count() != 0 || b.states() != "expired expired" {
			t.Errorf("in the end %v; %d sent; %s", err, b.sender.count(), b.states())
		}
		if logged := b.log.String(); strings.Count(logged, "message budget") != 2 || !strings.Contains(logged, "works again") {
			t.Errorf("logged:\n%s", logged)
		}
	})
}

// What expires while nothing runs, and what a killed run has tried too often, is
// told by the next one.
func TestC73GivenUpMessagesAreTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.begin(10*time.Second, "")
		later(10 * time.Second)
		b.sender.answers(func(gateway.Message) error { return errors.New("who knows") })
		b.store.set(nil, true) // each try is a run that is killed
		b.begin(10*time.Minute, "")
		for range core.MaxSendTries {
			b.run()
			later(time.Minute)
			b.end()
		}
		b.store.set(nil, false)
		b.run()
		later(time.Minute)
		if got := sink.seen(event.SMSSendFailed); got != "expired lost lost lost too_many_tries" {
			t.Errorf("told: %s", got)
		}
	})
}

// C-61: withheld ones look alike to nobody but operators; still, what nobody was
// to get is no failure.
func TestWithheldMessagesExpireUntold(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.beginIn(core.MessageWithheld, 10*time.Second, "")
		later(10 * time.Second)
		b.run()
		later(time.Minute)
		if got := sink.seen(); got != "signup_started" || b.states() != "expired" {
			t.Errorf("told: %s; %s", got, b.states())
		}
	})
}

// A crash while a withheld one was in hand has lost nothing that anybody was to get.
func TestAWithheldMessageIsNeverLost(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.store.set(nil, true)
		b.run()
		b.beginIn(core.MessageWithheld, 10*time.Minute, "")
		b.end()
		b.store.set(nil, false)
		b.run()
		later(time.Minute)
		if got := sink.seen(event.SMSSendFailed) + sink.seen(event.SMSWithheld); got != "sms_withheld" || b.went() != "fake lost, fake taken" {
			t.Errorf("told: %s; went by %s", got, b.went())
		}
	})
}
