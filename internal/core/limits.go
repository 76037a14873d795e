package core

import "time"

// HashHistory is how many passwords of a user are refused again (C-18).
const HashHistory = 5

// idempotencyLife is how long an Idempotency-Key is remembered (API.md).
const idempotencyLife = 10 * time.Minute

// unavailableRetry is what a 503 of ours tells the client to wait.
const unavailableRetry = time.Second

// limits is the table of numbers that guard a phone number. They are counted
// in the store, in the statement that judges (C-43).
type limits struct {
	codes        CodeLimits
	passwords    PasswordLimits
	resendWaits  []time.Duration // before the first resend, the second, …
	longCodesAt  int             // strangers' failures since a success: from here on, 8 digits
	longCodesFor time.Duration   // quiet time after which 6 digits suffice again
}

// CloseAt is how many failed passwords in a row close a number to strangers (C-41).
const CloseAt = 100

const (
	codeDigits     = 6 // C-01
	longCodeDigits = 8 // C-11
)

func limitsOf(s Settings) limits {
	if s.LimitsDisabled {
		return limits{resendWaits: make([]time.Duration, 4)}
	}
	return limits{
		// C-40 strangers 30/24 h; C-42 a known device has its own 10/h.
		codes: CodeLimits{Strangers: 30, StrangersWindow: 24 * time.Hour, Device: 10, DeviceWindow: time.Hour},
		// C-41: 3 free, then 1, 2, 4 … 900 s, closed to strangers at 100.
		passwords: PasswordLimits{
			Free: 3, FirstDelay: time.Second, MaxDelay: 900 * time.Second, Close: CloseAt,
			Device: 10, DeviceWindow: time.Hour,
		},
		// C-39's steps, within one challenge.
		resendWaits:  []time.Duration{30 * time.Second, 60 * time.Second, 120 * time.Second, 300 * time.Second},
		longCodesAt:  10, // C-11
		longCodesFor: 30 * 24 * time.Hour,
	}
}

// codeLength is how many digits a new code for this number has (C-11).
func (l limits) codeLength(n NumberState, now time.Time) int {
	if l.longCodesAt > 0 && n.CodeFailures >= l.longCodesAt && now.Sub(n.LastFailedAt) < l.longCodesFor {
		return longCodeDigits
	}
	return codeDigits
}

// resendAt is when a challenge that was resent so often may be resent again;
// zero when it may not, or would have expired by then.
func (l limits) resendAt(resends int, now, expires time.Time) time.Time {
	if resends >= len(l.resendWaits) {
		return time.Time{}
	}
	at := now.Add(l.resendWaits[resends])
	if !at.Before(expires) {
		return time.Time{}
	}
	return at
}
