package core

import "time"

// This file is how failures wait and lock. Every engine asks it: it knows no
// database. A statement that judges by itself names the rule that it repeats.

// keptFailures is how many failure times are kept at least: more than any
// window's limit, so that a limit raised later still sees them.
const keptFailures = 64

// Failures are one number's failures by one method: strangers' together, or one
// known device's. The zero value is that of strangers who have not failed yet.
type Failures struct {
	DeviceID     string // "" for strangers
	InRow        int    // since a success
	WaitsUntil   time.Time
	LastFailedAt time.Time
	Recent       []time.Time // oldest first
}

// AddCode counts a wrong code.
func (f *Failures) AddCode(l CodeLimits, now time.Time) { f.add(l.Keep(), now) }

// AddPassword counts a password that is about to be judged, and takes up the wait
// that it earns.
func (f *Failures) AddPassword(l PasswordLimits, now time.Time) {
	f.add(l.Keep(), now)
	f.WaitsUntil = time.Time{}
	if wait := l.Wait(f.InRow); wait > 0 {
		f.WaitsUntil = now.Add(wait)
	}
}

// CodeLock tells how many failures lie within the window of codes, and until when
// no code is judged for them; zero: it may be.
func (f *Failures) CodeLock(l CodeLimits, now time.Time) (count int, until time.Time) {
	if f.DeviceID != "" {
		return f.window(l.Device, l.DeviceWindow, now)
	}
	return f.window(l.Strangers, l.StrangersWindow, now)
}

// PasswordLock tells until when no password is judged; zero: it may be.
func (f *Failures) PasswordLock(l PasswordLimits, now time.Time) time.Time {
	if f.DeviceID == "" && l.Close > 0 && f.InRow >= l.Close {
		return now.Add(l.MaxDelay)
	}
	var until time.Time
	if now.Before(f.WaitsUntil) {
		until = f.WaitsUntil
	}
	if f.DeviceID != "" {
		if _, full := f.window(l.Device, l.DeviceWindow, now); full.After(until) {
			until = full
		}
	}
	return until
}

// Keep is how many times of failed codes are kept.
func (l CodeLimits) Keep() int { return max(l.Strangers, l.Device, keptFailures) }

// Keep is how many times of failed passwords are kept.
func (l PasswordLimits) Keep() int { return max(l.Device, keptFailures) }

// Wait is what the n-th failure in a row earns: FirstDelay from Free on,
// doubling, MaxDelay at most.
func (l PasswordLimits) Wait(n int) time.Duration {
	if n < l.Free || l.FirstDelay <= 0 {
		return 0
	}
	delay := l.FirstDelay
	for range n - l.Free {
		if delay >= l.MaxDelay {
			break
		}
		delay *= 2
	}
	return min(delay, l.MaxDelay)
}

// add counts a failure. The latest are remembered one by one, at most keep.
func (f *Failures) add(keep int, now time.Time) {
	f.InRow++
	f.LastFailedAt = now
	f.Recent = append(f.Recent, now)
	if surplus := len(f.Recent) - keep; surplus > 0 {
		f.Recent = f.Recent[surplus:]
	}
}

// window tells how many failures lie within a window, and until when they lock;
// zero where they do not. A limit of 0 never locks.
func (f *Failures) window(limit int, length time.Duration, now time.Time) (count int, until time.Time) {
	for i := len(f.Recent) - 1; i >= 0 && now.Before(f.Recent[i].Add(length)); i-- {
		count++
	}
	if limit > 0 && count >= limit {
		until = f.Recent[len(f.Recent)-limit].Add(length)
	}
	return count, until
}
