package outbox_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/outbox"
)

func TestEverySinkGetsEveryEventInOrder(t *testing.T) {
	inBubble(t, func(b *bench) {
		one, two := &memory{name: "one"}, &memory{name: "two"}
		b.sinks, b.poll = []event.Sink{one, two}, time.Hour
		b.run()
		for i := range 5 {
			b.begin(10*time.Minute, fmt.Sprint(i))
		}
		b.box.Traffic(traffic("t"))
		synctest.Wait()
		for _, s := range []*memory{one, two} {
			if got := s.seen(event.SignupStarted); got != "0 1 2 3 4" {
				t.Errorf("%s got %s", s.name, got)
			}
			if got := s.seen(event.TokenRefreshed); got != "t" {
				t.Errorf("%s got %s", s.name, got)
			}
		}
		b.run() // what was settled does not come again
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := one.seen(event.SignupStarted); got != "0 1 2 3 4" {
			t.Errorf("after a restart: %s", got)
		}
	})
}

func TestC78DeadSinkAlarmsAndBlocksNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		good, bad := &memory{name: "good"}, &memory{name: "bad"}
		b.sinks = []event.Sink{bad, good}
		b.run()
		bad.set(errors.New("disk is full"), nil)
		for i := range 3 {
			b.begin(10*time.Minute, fmt.Sprint(i))
			b.box.Traffic(traffic(fmt.Sprint("t", i)))
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if got := good.seen(event.SignupStarted) + " " + good.seen(event.TokenRefreshed); got != "0 1 2 t0 t1 t2" {
			t.Errorf("the good sink got %s", got)
		}
		if n := b.sender.count(); n != 3 {
			t.Errorf("%d messages sent", n)
		}
		if err := b.box.Health(); err == nil || err.Error() != "event sink bad: writing events: disk is full" {
			t.Errorf("health: %v", err)
		}
		if n := strings.Count(b.log.String(), "disk is full"); n != 1 {
			t.Errorf("%d alarms in the log:\n%s", n, b.log.String())
		}
		bad.set(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := bad.seen(event.SignupStarted) + " " + bad.seen(event.TokenRefreshed); got != "0 1 2 t0 t1 t2" {
			t.Errorf("the bad sink got, later, %s", got)
		}
		if err := b.box.Health(); err != nil {
			t.Errorf("health: %v", err)
		}
	})
}

func TestTrafficNeverBlocksAndTellsWhatWasLost(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink, hold := &memory{name: "memory"}, make(chan struct{})
		b.sinks = []event.Sink{sink}
		b.run()
		sink.set(nil, hold)
		b.box.Traffic(traffic("first")) // the sink hangs on this
		synctest.Wait()
		for i := range 2000 {
			b.box.Traffic(traffic(i))
		}
		sink.set(nil, nil)
		close(hold)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(strings.Fields(sink.seen(event.TokenRefreshed))); n != 1025 {
			t.Errorf("%d traffic events arrived", n)
		}
		var alerts []event.Event
		for _, e := range sink.got {
			if e.Name == event.Alert {
				alerts = append(alerts, e)
			}
		}
		if len(alerts) != 1 || alerts[0].Reason != "events_dropped" || alerts[0].Attributes["dropped"] != int64(2000-1024) {
			t.Errorf("alerts: %+v", alerts)
		}
	})
}

// A write costs the log an fsync.
func TestWhatComesTogetherSharesAWrite(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.run()
		for i := range 100 {
			b.box.Traffic(traffic(i))
			time.Sleep(time.Millisecond)
		}
		if n := len(strings.Fields(sink.seen())); n != 100 || sink.writes > 11 {
			t.Errorf("%d events in %d writes", n, sink.writes)
		}
	})
}

// Refreshes are traffic, and come all day: each claim costs the store trips.
func TestTrafficAloneAsksTheStoreNoMoreThanPollingDoes(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.run()
		before := b.store.asked()
		for i := range 5000 { // five seconds, each with a poll
			b.box.Traffic(traffic(i))
			time.Sleep(time.Millisecond)
		}
		if n := b.store.asked() - before; n < 4 || n > 5 {
			t.Errorf("the store was asked %d times", n)
		}
		b.begin(10*time.Minute, "a")
		for i := range 30 { // far from the next poll
			b.box.Traffic(traffic(i))
			time.Sleep(time.Millisecond)
		}
		if got := sink.seen(event.SignupStarted); got != "a" {
			t.Errorf("an account event amid traffic: %q", got)
		}
	})
}

func TestCrashBetweenWritingAndSettlingRepeats(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.run()
		b.store.set(nil, true)
		b.begin(10*time.Minute, "a")
		b.end()
		b.store.set(nil, false)
		b.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := sink.seen(event.SignupStarted); got != "a a" {
			t.Errorf("got %s", got)
		}
	})
}

func TestTrafficGoesOnWhileTheStoreFails(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.run()
		b.store.set(errors.New("store is gone"), false)
		b.begin(10*time.Minute, "a")
		time.Sleep(time.Minute)
		b.box.Traffic(traffic("t"))
		synctest.Wait()
		if got := sink.seen(); got != "t" {
			t.Errorf("got %s", got)
		}
		health := fmt.Sprint(b.box.Health())
		for _, part := range []string{"message queue: claiming messages: store is gone", "event queue of memory: claiming events: store is gone"} {
			if !strings.Contains(health, part) {
				t.Errorf("health: %s", health)
			}
		}
		b.store.set(nil, false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := sink.seen(); got != "t a sms_sent" {
			t.Errorf("got %s", got)
		}
		if err := b.box.Health(); err != nil {
			t.Errorf("health: %v", err)
		}
	})
}

// The chained file: what is written is settled with its head, also where only
// traffic was written, and at the end.
func TestC77HeadIsKeptInTheStore(t *testing.T) {
	inBubble(t, func(b *bench) {
		path := filepath.Join(b.dir, "security.log")
		open := func() *event.File {
			head, err := b.store.LogHead(b.t.Context(), "file")
			if err != nil && !errors.Is(err, core.ErrNotFound) {
				t.Fatal(err)
			}
			f, err := event.OpenFile(event.FileOptions{Path: path, Ring: b.ring, Head: head, Now: now, Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		verify := func(lines int64) {
			t.Helper()
			carried()
			head, err := b.store.LogHead(b.t.Context(), "file")
			if err != nil {
				t.Fatal(err)
			}
			report, err := event.Verify([]string{path}, b.ring, head)
			if err != nil || report.Problem != nil || report.Lines != lines || head.Count != lines {
				t.Errorf("%+v, %v, head %+v; want %d lines", report, err, head, lines)
			}
		}
		file := open()
		b.sinks = []event.Sink{file}
		b.run()
		b.begin(10*time.Minute, "a") // and its sms_sent
		verify(3)
		for i := range 10 {
			b.box.Traffic(traffic(i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		verify(13)
		if n := b.store.headsAlone; n > 2 {
			t.Errorf("the head was kept %d times in two seconds", n)
		}
		for i := range 600 {
			b.box.Traffic(traffic(i))
		}
		b.end()
		verify(613)
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		file = open()
		b.sinks = []event.Sink{file}
		b.run()
		b.box.Traffic(traffic("again"))
		b.end()
		verify(614)
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestEndDoesNotWaitForeverForASink(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink, hold := &memory{name: "stuck"}, make(chan struct{})
		b.sinks = []event.Sink{sink}
		b.run()
		sink.set(nil, hold)
		b.box.Traffic(traffic("t"))
		synctest.Wait()
		start := time.Now()
		err := b.stop()
		b.stop = nil
		if err == nil || !strings.Contains(err.Error(), "events to stuck") || time.Since(start) > 30*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		close(hold)
		synctest.Wait()
	})
}

func TestRunWithoutChanceDoesNotStart(t *testing.T) {
	box := outbox.New(outbox.Options{Now: now, Rand: strings.NewReader("")})
	if err := box.Run(t.Context()); err == nil {
		t.Error("it ran")
	}
}
