package server

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// Of two instances one's machine is minutes ahead, the other's behind. A message
// that the one leases is not the other's to send, and a wait after wrong passwords
// ends for neither before it is over.
func TestTheDatabasesTimeDecidesBetweenInstances(t *testing.T) {
	const skew, long = 2 * time.Minute, 3 * time.Minute
	var log bytes.Buffer
	database, master := pgtest.Database(t), newMaster()
	instance := func(by time.Duration) *parts {
		c := settings(t, t.TempDir(), "DATABASE_URL="+database, "MASTER_KEY="+master)
		o := Options{Now: func() time.Time { return time.Now().Add(by) }, Log: NewLog(&log, "text")}
		p, err := openParts(t.Context(), c, o.whole())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.close(); err != nil {
				t.Error(err)
			}
		})
		return p
	}
	behind, ahead := instance(-skew), instance(skew)

	caller := core.Caller{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "test/1", RequestID: "req-1"}
	if _, err := behind.core.Signup(t.Context(), caller, core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number}}); err != nil {
		t.Fatal(err)
	}
	claimed := func(p *parts) int {
		batch, err := p.store.ClaimMessages(context.Background(), core.ClaimMessages{
			Claim: core.Claim{Holder: p.instance, Limit: 10, Lease: long, Now: p.now()},
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(batch.Messages)
	}
	if first, second := claimed(behind), claimed(ahead); first != 1 || second != 0 {
		t.Errorf("the message was claimed by %d, and then by %d", first, second)
	}

	tried := func(p *parts) core.Outcome {
		got, err := p.store.TryPassword(context.Background(), core.TryPassword{
			PhoneKey: "number", Limits: core.PasswordLimits{Free: 1, FirstDelay: long, MaxDelay: long}, Now: p.now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return got.Outcome
	}
	if first, second := tried(behind), tried(ahead); first != core.Done || second != core.Locked {
		t.Errorf("the first password is %s, and the one in its wait %s", first, second)
	}
	if told := strings.Count(log.String(), "run NTP"); told != 2 {
		t.Errorf("two wrong clocks were told of %d times:\n%s", told, &log)
	}
	if warning := ahead.options.clock.warning(); !strings.Contains(warning, "2m0s") {
		t.Errorf("operators are told %q", warning)
	}
}

// A clock is put right by what it lacks, both ways, and not by what the way to the
// database explains.
func TestTheClockIsPutRight(t *testing.T) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	machine := noon
	c := (Options{Now: func() time.Time { return machine }}).whole().clock
	for _, step := range []struct {
		what            string
		before, after   time.Duration // of the machine's clock
		database, lacks time.Duration // of noon
	}{
		{"a database without a clock of its own", 0, 0, -1, 0},
		{"jitter", 0, 10 * time.Millisecond, 55 * time.Millisecond, 0},
		{"behind", 0, 10 * time.Millisecond, 30*time.Second + 5*time.Millisecond, 30 * time.Second},
		{"a slow answer", 0, 10 * time.Second, 30 * time.Second, 30 * time.Second},
		{"the machine's clock was set", 31 * time.Second, 31 * time.Second, 31 * time.Second, 0},
		{"ahead", 40 * time.Second, 40 * time.Second, 35 * time.Second, -5 * time.Second},
	} {
		database := noon.Add(step.database)
		if step.database < 0 {
			database = time.Time{}
		}
		was := c.now()
		changed := c.learn(noon.Add(step.before), noon.Add(step.after), database)
		if got := c.now().Sub(machine); got != step.lacks {
			t.Errorf("%s: it adds %v, want %v", step.what, got, step.lacks)
		}
		if changed != !c.now().Equal(was) {
			t.Errorf("%s: it says %v of a change from %v to %v", step.what, changed, was, c.now())
		}
	}
	given := (Options{Now: func() time.Time { return machine }, NowIsRight: true}).whole().clock
	if given.learn(noon, noon, noon.Add(time.Hour)) || !given.now().Equal(noon) {
		t.Error("a clock that is right was put right")
	}
}
