package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What TryPassword, FailPassword and PassPassword mean: a failure is counted
// before the password is judged, and earns a wait.
func passwordTries(f flow) {
	f.shows("tells the hash to judge by", tryTellsHash)
	f.shows("C61 counts for a number without an account", tryUnknown)
	f.shows("C41 waits 1, 2, 4 … 900 s after three in a row", tryWaits)
	f.shows("C41 closes the number to strangers after 100", tryCloses)
	f.shows("C42 a known device has a counter of its own", tryDevice)
	f.shows("C42 a known device is never closed", tryDeviceNotClosed)
	f.shows("C42 a known device has 10 failures in any hour", tryDeviceWindow)
	f.shows("C33 only the user's own device counts apart", tryOtherDevice)
	f.shows("C36 without limits tries count and never lock", tryZero)
	f.shows("is refused for an ended session", tryForEnded)
	f.shows("a failure is told with its lock", failTold)
	f.shows("C41 a right password clears only its own counter", passClears)
}

// tryInput is a try at a number, under the product's limits.
func (w *world) tryInput(phoneKey, deviceID string) core.TryPassword {
	return core.TryPassword{
		PhoneKey: phoneKey, DeviceID: deviceID, Limits: passwordLimits(), Now: w.now,
		OnUnlocked: w.newEvent(event.AccountUnlocked),
	}
}

func (w *world) tryPassword(phoneKey, deviceID string) core.TryPasswordResult {
	w.t.Helper()
	in := w.tryInput(phoneKey, deviceID)
	in.OnUnlocked = event.Event{}
	return do(w, w.store.TryPassword, in)
}

// closeNumber fails 100 passwords of strangers, each after its wait.
func (w *world) closeNumber(phoneKey string) {
	w.t.Helper()
	for range passwordLimits().Close {
		w.outcome(w.tryPassword(phoneKey, "").Outcome, core.Done)
		w.advance(passwordLimits().MaxDelay)
	}
}

func tryTellsHash(w *world) {
	owner := w.account()
	got := do(w, w.store.TryPassword, w.tryInput(owner.Phone.Key, ""))
	want := core.TryPasswordResult{Outcome: core.Done, Found: true, User: owner.User, Failures: 1}
	equal(w, "the result", got, want)
	got = do(w, w.store.TryPassword, w.tryInput(owner.Phone.Key, owner.session.DeviceID))
	want.KnownDevice = true
	equal(w, "the result on a device", got, want)
	w.wrote()
}

func tryUnknown(w *world) {
	phone := w.newNumber()
	for n := 1; n <= 3; n++ {
		got := do(w, w.store.TryPassword, w.tryInput(phone.Key, w.id()))
		w.outcome(got.Outcome, core.Done)
		w.holds("nobody is found", !got.Found && got.User.ID == "" && !got.KnownDevice)
		equal(w, "failures in a row", got.Failures, n)
	}
	w.outcome(do(w, w.store.TryPassword, w.tryInput(phone.Key, "")).Outcome, core.Locked)
	owner := w.accountAt(phone) // the count is the number's
	w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Locked)
}

func tryWaits(w *world) {
	owner := w.account()
	for n := 1; n <= 2; n++ {
		got := do(w, w.store.TryPassword, w.tryInput(owner.Phone.Key, ""))
		w.outcome(got.Outcome, core.Done)
		w.holds("it earns no wait", got.LockedUntil.IsZero())
	}
	waited := false
	for i, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
		got := do(w, w.store.TryPassword, w.tryInput(owner.Phone.Key, ""))
		w.outcome(got.Outcome, core.Done)
		until := w.now.Add(time.Duration(seconds) * time.Second)
		equal(w, "failures in a row", got.Failures, i+3)
		equal(w, "locked until", got.LockedUntil, until)
		if waited {
			w.wrote(event.AccountUnlocked) // the wait before has run out
		}
		w.lockedUntil(owner.Phone.Key, until)
		waited = true
	}
}

// lockedUntil fails the test unless a stranger's tries are refused, uncounted,
// to the last millisecond of a wait, and moves the clock to its end.
func (w *world) lockedUntil(phoneKey string, until time.Time) {
	w.t.Helper()
	for _, at := range []time.Time{w.now, until.Add(-time.Millisecond)} {
		w.setClock(at)
		got := do(w, w.store.TryPassword, w.tryInput(phoneKey, ""))
		w.outcome(got.Outcome, core.Locked)
		equal(w, "retry at", got.RetryAt, until)
		w.wrote()
	}
	w.setClock(until)
}

func tryCloses(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	for range passwordLimits().Close - 1 {
		w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Done)
		w.advance(passwordLimits().MaxDelay)
	}
	last := w.tryPassword(owner.Phone.Key, "")
	w.outcome(last.Outcome, core.Done)
	equal(w, "failures in a row", last.Failures, 100)
	for _, later := range []time.Duration{0, passwordLimits().MaxDelay, 20 * 24 * time.Hour} {
		w.advance(later)
		got := do(w, w.store.TryPassword, w.tryInput(owner.Phone.Key, ""))
		w.outcome(got.Outcome, core.Locked)
		equal(w, "retry at", got.RetryAt, w.now.Add(passwordLimits().MaxDelay))
	}
	w.wrote()
	w.outcome(w.tryPassword(owner.Phone.Key, device).Outcome, core.Done) // a known device is not closed
}

func tryDevice(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	for range 3 {
		w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Done)
	}
	w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Locked)
	got := w.tryPassword(owner.Phone.Key, device)
	w.outcome(got.Outcome, core.Done)
	w.holds("the device is known", got.KnownDevice)
	equal(w, "the device's failures in a row", got.Failures, 1)

	w.tryPassword(owner.Phone.Key, device)
	got = w.tryPassword(owner.Phone.Key, device)
	equal(w, "the device's wait", got.LockedUntil, w.now.Add(time.Second))
	got = w.tryPassword(owner.Phone.Key, device)
	w.outcome(got.Outcome, core.Locked)
	equal(w, "retry at", got.RetryAt, w.now.Add(time.Second))
	second := w.login(owner) // clears the strangers' counter
	w.outcome(w.tryPassword(owner.Phone.Key, second.DeviceID).Outcome, core.Done)
	w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Done)
	w.outcome(w.tryPassword(owner.Phone.Key, device).Outcome, core.Locked)
}

func tryDeviceNotClosed(w *world) {
	owner := w.account()
	for n := 1; n <= 5; n++ {
		in := w.tryInput(owner.Phone.Key, owner.session.DeviceID)
		in.Limits.Close = 3
		got := do(w, w.store.TryPassword, in)
		w.outcome(got.Outcome, core.Done)
		equal(w, "failures in a row", got.Failures, n)
		w.advance(passwordLimits().MaxDelay)
	}
}

func tryDeviceWindow(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	try := func() core.TryPasswordResult {
		in := w.tryInput(owner.Phone.Key, device)
		in.Limits.Free = 1000 // the window alone
		return do(w, w.store.TryPassword, in)
	}
	first := w.now
	for range 10 {
		w.outcome(try().Outcome, core.Done)
		w.advance(time.Second)
	}
	got := try()
	w.outcome(got.Outcome, core.Locked)
	equal(w, "retry at", got.RetryAt, first.Add(time.Hour))
	w.setClock(first.Add(time.Hour - time.Millisecond))
	w.outcome(try().Outcome, core.Locked)
	w.advance(time.Millisecond)
	got = try()
	w.outcome(got.Outcome, core.Done)
	equal(w, "failures in a row", got.Failures, 11)
	got = try()
	w.outcome(got.Outcome, core.Locked)
	equal(w, "retry at", got.RetryAt, first.Add(time.Hour+time.Second))
}

func tryOtherDevice(w *world) {
	owner, other := w.account(), w.account()
	got := w.tryPassword(owner.Phone.Key, other.session.DeviceID)
	w.holds("another's device is a stranger", !got.KnownDevice)
	got = w.tryPassword(owner.Phone.Key, w.id())
	w.holds("an unknown device is a stranger", !got.KnownDevice)
	equal(w, "strangers' failures in a row", got.Failures, 2)
	w.endAll(owner)
	got = w.tryPassword(owner.Phone.Key, owner.session.DeviceID)
	w.holds("a device that is gone is a stranger", !got.KnownDevice)
	equal(w, "strangers' failures in a row", got.Failures, 3)
}

func tryZero(w *world) {
	owner := w.account()
	for _, device := range []string{"", owner.session.DeviceID} {
		for n := 1; n <= 30; n++ {
			in := w.tryInput(owner.Phone.Key, device)
			in.Limits = core.PasswordLimits{}
			got := do(w, w.store.TryPassword, in)
			w.outcome(got.Outcome, core.Done)
			equal(w, "failures in a row", got.Failures, n)
			w.holds("it earns no wait", got.LockedUntil.IsZero())
		}
	}
	w.wrote()
}

func tryForEnded(w *world) {
	owner := w.account()
	for _, session := range []string{w.ended(owner).ID, w.id()} {
		in := w.tryInput(owner.Phone.Key, "")
		in.SessionID = session
		w.outcome(do(w, w.store.TryPassword, in).Outcome, core.SessionEnded)
	}
	in := w.tryInput(owner.Phone.Key, "")
	in.SessionID = owner.session.ID
	got := do(w, w.store.TryPassword, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "failures in a row: the refused were not counted", got.Failures, 1)

	w.setClock(owner.session.IdleExpiresAt) // lapsed is over, too
	in.Now = w.now
	w.outcome(do(w, w.store.TryPassword, in).Outcome, core.SessionEnded)
}

func failTold(w *world) {
	owner := w.account()
	w.tryPassword(owner.Phone.Key, "")
	fail := func(failed, locked event.Event) {
		w.t.Helper()
		if err := w.store.FailPassword(w.ctx, core.FailPassword{Now: w.now, OnFailed: failed, OnLocked: locked}); err != nil {
			w.t.Fatalf("FailPassword: %v", err)
		}
	}
	fail(w.newEvent(event.FailedLogin), event.Event{})
	w.wrote(event.FailedLogin)
	locked := w.newEvent(event.AccountLocked).With("failed_attempts", int64(3)).With("lock_seconds", int64(1))
	fail(w.newEvent(event.FailedLogin), locked)
	told := w.wrote(event.FailedLogin, event.AccountLocked)
	equal(w, "the lock as it was told", told[event.AccountLocked], locked)
	equal(w, "failures in a row: counted once, ahead", w.tryPassword(owner.Phone.Key, "").Failures, 2)
}

func passClears(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	pass := func(tried core.TriedPassword) {
		w.t.Helper()
		if err := w.store.PassPassword(w.ctx, tried); err != nil {
			w.t.Fatalf("PassPassword: %v", err)
		}
	}
	for range 10 { // the device's window is full, and strangers wait
		in := w.tryInput(owner.Phone.Key, device)
		in.Limits.Free = 1000
		do(w, w.store.TryPassword, in)
		w.tryPassword(owner.Phone.Key, "")
	}
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID}})
	pass(core.TriedPassword{PhoneKey: owner.Phone.Key, DeviceID: device, KnownDevice: true})
	got := w.tryPassword(owner.Phone.Key, device)
	w.outcome(got.Outcome, core.Done)
	equal(w, "the device's failures in a row", got.Failures, 1)
	w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Locked)

	pass(core.TriedPassword{PhoneKey: owner.Phone.Key})
	got = w.tryPassword(owner.Phone.Key, "")
	w.outcome(got.Outcome, core.Done)
	equal(w, "the strangers' failures in a row", got.Failures, 1)
	equal(w, "the device's failures in a row", w.tryPassword(owner.Phone.Key, device).Failures, 2)
	unchanged()
}
