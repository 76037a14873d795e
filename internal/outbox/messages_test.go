package outbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
)

func TestSendsAtOnceAndTellsWithTheMessage(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks, b.poll = []event.Sink{sink}, time.Hour
		b.run()
		b.begin(10*time.Minute, "")
		if n := b.sender.count(); n != 1 {
			t.Fatalf("sent %d messages", n)
		}
		m := b.sender.sent[0]
		if m.To.E164() != number || m.Body.Reveal() != text || m.Purpose != "signup" || m.ChallengeID == "" {
			t.Errorf("sent %+v", m)
		}
		if got := b.states(); got != "sent" {
			t.Errorf("states: %s", got)
		}
		if got := sink.seen(); got != "signup_started sms_sent" {
			t.Errorf("told: %s", got)
		}
		e := sink.got[1]
		if e.Method != "sms" || e.RequestID != "request-1" || e.PhonePseudonym != b.ring.Pseudonym(number) ||
			e.Attributes["provider"] != "fake" || e.Attributes["country"] != "DE" || e.Attributes["try"] != int64(1) {
			t.Errorf("told: %s", event.Encode(e))
		}
		if err := b.box.Health(); err != nil {
			t.Error(err)
		}
	})
}

// C-60: what a decoy costs must not tell it from a real one. All is done with
// its message that is done with any other, but it goes to nobody.
func TestC60AWithheldMessageCostsTheSameAndGoesToNobody(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks, b.poll = []event.Sink{sink}, time.Hour
		b.run()
		b.beginIn(core.MessageWithheld, 10*time.Minute, "")
		if n := b.sender.count(); n != 0 {
			t.Errorf("sent %d messages", n)
		}
		if got := b.states(); got != "withheld" {
			t.Errorf("states: %s", got)
		}
		if got := sink.seen(); got != "signup_started sms_withheld" {
			t.Errorf("told: %s", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := sink.seen(); got != "signup_started sms_withheld" {
			t.Errorf("told in the end: %s", got)
		}
	})
}

func TestC51ThreeTriesAMessage(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.sender.answers(func(gateway.Message) error {
			return &gateway.SendError{Class: gateway.Retry, Cause: errors.New("busy")}
		})
		b.run()
		start := time.Now()
		b.begin(10*time.Minute, "")
		if err := b.box.Health(); err == nil || !strings.Contains(err.Error(), "message provider") {
			t.Errorf("health: %v", err)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		var after []time.Duration
		for _, at := range b.sender.at {
			after = append(after, at.Sub(start).Round(time.Second))
		}
		if got, want := fmt.Sprint(after), "[0s 2s 10s]"; got != want {
			t.Errorf("tried after %s, want %s", got, want)
		}
		if got := b.states(); got != "failed" {
			t.Errorf("states: %s", got)
		}
		if got := sink.seen(event.SMSSendFailed); got != "provider_unavailable provider_unavailable provider_unavailable" {
			t.Errorf("told: %s", got)
		}
		if last := sink.got[len(sink.got)-1]; last.Attributes["will_retry"] != false {
			t.Errorf("told last: %s", event.Encode(last))
		}
	})
}

func TestC51NoTryAfterExpiry(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.sender.answers(func(gateway.Message) error { return errors.New("who knows") })
		b.run()
		b.begin(8*time.Second, "")
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if n := b.sender.count(); n != 2 {
			t.Errorf("tried %d times", n)
		}
		if got := b.states(); got != "failed" {
			t.Errorf("states: %s", got)
		}
	})
}

func TestRefusedMessageIsNotTriedAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.sender.answers(func(gateway.Message) error {
			return &gateway.SendError{Class: gateway.Final, Cause: errors.New("no such number")}
		})
		b.run()
		b.begin(10*time.Minute, "")
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if n := b.sender.count(); n != 1 || b.states() != "failed" || sink.seen(event.SMSSendFailed) != "refused" {
			t.Errorf("tried %d times; %s; told %s", n, b.states(), sink.seen())
		}
		if err := b.box.Health(); err != nil {
			t.Errorf("one bad number is the provider's failure: %v", err)
		}
	})
}

func TestUnreadableMessageFails(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.begin(10*time.Minute, "")
		b.ring = newRing(t) // the stored keys are others
		b.run()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if n := b.sender.count(); n != 0 || sink.seen(event.SMSSendFailed) != "unreadable" {
			t.Errorf("tried %d times; told %s", n, sink.seen())
		}
	})
}

func TestCrashBetweenSendingAndSettlingSendsAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.store.set(nil, true)
		b.run()
		b.begin(10*time.Minute, "")
		b.end()
		if n := b.sender.count(); n != 1 || b.states() != "queued" {
			t.Fatalf("sent %d; %s", n, b.states())
		}
		b.store.set(nil, false)
		b.run()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if n := b.sender.count(); n != 2 || b.states() != "sent" {
			t.Errorf("sent %d; %s", n, b.states())
		}
		if b.sender.sent[0].ID != b.sender.sent[1].ID {
			t.Error("the repeat has another id")
		}
	})
}

// However long the store was away, nobody waits for a code once it is back.
func TestSendsAtOnceWhenTheStoreIsBack(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.run()
		b.store.set(errors.New("away"), false)
		time.Sleep(10 * time.Minute)
		b.store.set(nil, false)
		b.begin(10*time.Minute, "")
		if n := b.sender.count(); n != 1 {
			t.Errorf("sent %d messages", n)
		}
	})
}

func TestEndFinishesTheSendInHand(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.sender.answers(func(gateway.Message) error { time.Sleep(5 * time.Second); return nil })
		b.run()
		b.begin(10*time.Minute, "")
		b.end()
		if got := b.states(); got != "sent" {
			t.Errorf("states: %s", got)
		}
	})
}

func TestSlowMessagesHoldUpNoOthers(t *testing.T) {
	inBubble(t, func(b *bench) {
		slow := true
		b.sender.answers(func(gateway.Message) error {
			if slow {
				slow = false
				time.Sleep(9 * time.Second)
			}
			return nil
		})
		b.run()
		for range 40 {
			b.begin(10*time.Minute, "")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := strings.Count(b.states(), "sent"); got != 39 {
			t.Errorf("%d of 40 sent within a second", got)
		}
		if n := b.sender.count(); n != 40 {
			t.Errorf("offered %d times", n)
		}
	})
}

// Neither events nor logs nor Health show a text, a code or a whole number,
// whatever the provider answers.
func TestC75NothingSecretIsTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.sender.answers(func(m gateway.Message) error {
			class := gateway.Retry
			if b.sender.count() >= 3 {
				class = gateway.Final
			}
			return &gateway.SendError{Class: class, Cause: fmt.Errorf("cannot send %q to %s (0049 151 12345678, tel:49-151-1234-5678): 731942 %s",
				m.Body.Reveal(), m.To.E164(), m.Body.Reveal()[:30])}
		})
		b.run()
		b.begin(10*time.Minute, "")
		health := fmt.Sprint(b.box.Health())
		time.Sleep(40 * time.Second)
		synctest.Wait()
		told := health + b.log.String()
		for _, e := range sink.got {
			told += string(event.Encode(e)) + "\n"
		}
		if n := b.sender.count(); n != 3 || !strings.Contains(told, "cannot send") {
			t.Fatalf("tried %d times; told %s", n, told)
		}
		digits := strings.NewReplacer(" ", "", "-", "").Replace(told)
		for _, secret := range []string{"731942", "15112345678", "12345678"} {
			if strings.Contains(digits, secret) {
				t.Errorf("%s is told in\n%s", secret, told)
			}
		}
		for _, m := range b.sender.sent {
			if strings.Contains(told, m.ChallengeID) {
				t.Errorf("the challenge's id is told in\n%s", told)
			}
		}
	})
}
