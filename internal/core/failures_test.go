package core_test

import (
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// failed is when failures of the tests happen: so long before delivering.
func failed(before ...time.Duration) (times []time.Time) {
	for _, d := range before {
		times = append(times, delivering.Add(-d))
	}
	return times
}

func TestWhatFailedPasswordsEarn(t *testing.T) {
	limits := core.PasswordLimits{Free: 3, FirstDelay: 10 * time.Second, MaxDelay: time.Minute}
	want := map[int]time.Duration{0: 0, 2: 0, 3: 10 * time.Second, 4: 20 * time.Second, 5: 40 * time.Second, 6: time.Minute, 1 << 40: time.Minute}
	for n, want := range want {
		if got := limits.Wait(n); got != want {
			t.Errorf("the %d-th earns %v, want %v", n, got, want)
		}
	}
	if got := (core.PasswordLimits{MaxDelay: time.Minute}).Wait(9); got != 0 {
		t.Errorf("without a first delay it earns %v", got)
	}
}

func TestLocksOfCodes(t *testing.T) {
	limits := core.CodeLimits{Strangers: 3, StrangersWindow: time.Hour, Device: 2, DeviceWindow: time.Minute}
	for name, c := range map[string]struct {
		failures core.Failures
		limits   core.CodeLimits
		count    int
		locked   time.Duration // from delivering; 0: not
	}{
		"none":                       {limits: limits},
		"one less":                   {core.Failures{Recent: failed(2*time.Minute, time.Minute)}, limits, 2, 0},
		"full":                       {core.Failures{Recent: failed(30*time.Minute, 2*time.Minute, 0)}, limits, 3, 30 * time.Minute},
		"more than full":             {core.Failures{Recent: failed(30*time.Minute, 20*time.Minute, 10*time.Minute, 0)}, limits, 4, 40 * time.Minute},
		"the oldest leaves just now": {core.Failures{Recent: failed(time.Hour, time.Minute, 0)}, limits, 2, 0},
		"a device, full":             {core.Failures{DeviceID: "device", Recent: failed(50*time.Second, 0)}, limits, 2, 10 * time.Second},
		"a device, one left":         {core.Failures{DeviceID: "device", Recent: failed(time.Minute, 0)}, limits, 1, 0},
		"no limit":                   {core.Failures{Recent: failed(2, 1, 0)}, core.CodeLimits{StrangersWindow: time.Hour}, 3, 0},
	} {
		count, until := c.failures.CodeLock(c.limits, delivering)
		if count != c.count || lockedFor(until) != c.locked {
			t.Errorf("%s: %d failures, locked for %v; want %d, %v", name, count, lockedFor(until), c.count, c.locked)
		}
	}
}

func TestLocksOfPasswords(t *testing.T) {
	limits := core.PasswordLimits{Free: 1, FirstDelay: time.Second, MaxDelay: time.Minute, Close: 5, Device: 2, DeviceWindow: time.Hour}
	for name, c := range map[string]struct {
		failures core.Failures
		locked   time.Duration
	}{
		"none":                         {},
		"waits":                        {core.Failures{InRow: 4, WaitsUntil: delivering.Add(3 * time.Second)}, 3 * time.Second},
		"has waited":                   {core.Failures{InRow: 4, WaitsUntil: delivering}, 0},
		"closed":                       {core.Failures{InRow: 5}, time.Minute},
		"a device is never closed":     {core.Failures{DeviceID: "device", InRow: 5}, 0},
		"strangers have no window":     {core.Failures{Recent: failed(2, 1, 0)}, 0},
		"a device, full":               {core.Failures{DeviceID: "device", Recent: failed(20*time.Minute, 0)}, 40 * time.Minute},
		"a device, full, waits less":   {core.Failures{DeviceID: "device", WaitsUntil: delivering.Add(time.Second), Recent: failed(20*time.Minute, 0)}, 40 * time.Minute},
		"a device, full, waits longer": {core.Failures{DeviceID: "device", WaitsUntil: delivering.Add(time.Hour), Recent: failed(20*time.Minute, 0)}, time.Hour},
	} {
		if got := lockedFor(c.failures.PasswordLock(limits, delivering)); got != c.locked {
			t.Errorf("%s: locked for %v, want %v", name, got, c.locked)
		}
	}
}

func TestFailuresAreCounted(t *testing.T) {
	limits := core.PasswordLimits{Free: 2, FirstDelay: time.Second, MaxDelay: time.Minute, Device: 70}
	var f core.Failures
	for n := 1; n <= 80; n++ {
		now := delivering.Add(time.Duration(n) * time.Hour)
		f.AddPassword(limits, now)
		if f.InRow != n || !f.LastFailedAt.Equal(now) || len(f.Recent) != min(n, 70) || !f.Recent[len(f.Recent)-1].Equal(now) {
			t.Fatalf("after %d: %+v", n, f)
		}
		if n == 1 != f.WaitsUntil.IsZero() {
			t.Errorf("after %d it waits until %v", n, f.WaitsUntil)
		}
	}
	f.AddPassword(core.PasswordLimits{}, delivering)
	if !f.WaitsUntil.IsZero() {
		t.Errorf("where nothing is earned it waits until %v", f.WaitsUntil)
	}
	f = core.Failures{WaitsUntil: delivering}
	for range 80 {
		f.AddCode(core.CodeLimits{Strangers: 1, Device: 2}, delivering)
	}
	if f.InRow != 80 || len(f.Recent) != 64 || !f.WaitsUntil.Equal(delivering) {
		t.Errorf("80 codes: %d in a row, %d kept, waits until %v", f.InRow, len(f.Recent), f.WaitsUntil)
	}
}

func lockedFor(until time.Time) time.Duration {
	if until.IsZero() {
		return 0
	}
	return until.Sub(delivering)
}
