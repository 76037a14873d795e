package core

import (
	"slices"
	"time"

	"github.com/countersign/countersign/internal/limit"
)

// HashHistory is how many passwords of a user are refused again (C-18).
const HashHistory = 5

// idempotencyLife is how long an Idempotency-Key is remembered (API.md).
const idempotencyLife = 10 * time.Minute

// unavailableRetry is what a 503 of ours tells the client to wait.
const unavailableRetry = time.Second

// CloseAt is how many failed passwords in a row close a number to strangers (C-41).
const CloseAt = 100

// What a solved captcha opens of a number's messages once strangers have
// exhausted them (C-42): so many an hour, and a day.
const (
	spareHour = 3
	spareDay  = 5
)

const (
	codeDigits     = 6 // C-01
	longCodeDigits = 8 // C-11, C-45
)

// The limits by name. A refusal's event names the one that was full.
const (
	limitBeginAddress    = "begin_address"
	limitBeginNetwork    = "begin_network"
	limitBeginDevice     = "begin_device"
	limitBeginDevices    = "begin_devices"
	limitCodesAddress    = "code_failures_address"
	limitCodesNetwork    = "code_failures_network"
	limitPasswordAddress = "password_failures_address"
	limitPasswordNetwork = "password_failures_network"
	limitSendWait        = string(SendWait)
	limitSendHour        = string(SendHour)
	limitSendDay         = string(SendDay)
	limitSendPrefix      = "send_prefix"
	limitSendPrefixKnown = "send_prefix_devices"
	limitSendCountry     = "send_country"
	limitSendTotal       = "send_total"
	limitCodesNumber     = "code_failures_number"
	limitCodesDevice     = "code_failures_device"
	limitPasswordDevice  = "password_failures_device"
	limitRefreshSession  = "refresh_session"
	limitTestNumber      = "test_number"
	limitDeliveryAddress = "delivery_address"
)

// LimitRow is one line of the table of limits: any window of length Window holds
// at most N of what Doc says, of each that Who says.
type LimitRow struct {
	limit.Rule
	Who, Doc string
	Store    bool // counted in the store, in the statement that judges (C-43); else by the limiter
}

// LimitTable gives the limits that hold where no setting says otherwise.
func LimitTable() []LimitRow {
	const day = 24 * time.Hour
	row := func(name string, n int, window time.Duration, who, doc string) LimitRow {
		return LimitRow{Rule: limit.Rule{Name: name, N: n, Window: window}, Who: who, Doc: doc}
	}
	const number = "number; strangers together, each known device by itself"
	stored := func(r LimitRow) LimitRow { r.Store = true; return r }
	reserved := func(r LimitRow) LimitRow { r.Reserved = true; return r } // of what strangers cannot name
	const proved = "known device on which a code was redeemed"
	return []LimitRow{
		row(limitBeginAddress, 60, time.Hour, "address (IPv4, IPv6 /64)", "challenges begun and resent by strangers"),
		row(limitBeginNetwork, 240, time.Hour, "network (IPv4 /24, IPv6 /48)", "challenges begun and resent by strangers"),
		reserved(row(limitBeginDevice, 30, time.Hour, proved, "messages")),
		reserved(row(limitBeginDevices, 20, day, "number, all its known devices together", "messages")),
		row(limitCodesAddress, 60, time.Hour, "address (IPv4, IPv6 /64)", "wrong codes of strangers"),
		row(limitCodesNetwork, 240, time.Hour, "network (IPv4 /24, IPv6 /48)", "wrong codes of strangers"),
		row(limitPasswordAddress, 30, time.Hour, "address (IPv4, IPv6 /64)", "wrong passwords of strangers"),
		row(limitPasswordNetwork, 120, time.Hour, "network (IPv4 /24, IPv6 /48)", "wrong passwords of strangers"),
		stored(row(limitSendWait, 1, 30*time.Second, number,
			"messages without a wait; the next waits as long as the window, those after it 2, 4 and 10 times that; redeemed ones do not count")),
		stored(row(limitSendHour, 5, time.Hour, number, "messages; the window is fixed")),
		stored(row(limitSendDay, 10, day, number, "messages; the window is fixed")),
		row(limitSendPrefix, 20, time.Hour, "number less its last four digits", "messages to strangers"),
		reserved(row(limitSendPrefixKnown, 100, time.Hour, "number less its last four digits, known devices", "messages")),
		row(limitSendCountry, 20_000, day, "country", "messages to strangers"),
		row(limitSendTotal, 50_000, day, "everybody", "messages to strangers"),
		stored(row(limitCodesNumber, 30, day, "number", "wrong codes of strangers")),
		stored(row(limitCodesDevice, 10, time.Hour, "known device", "wrong codes")),
		stored(row(limitPasswordDevice, 10, time.Hour, "known device", "wrong passwords")),
		reserved(row(limitRefreshSession, 60_000, time.Minute, "session", "refreshes; no honest client comes near it")),
		reserved(row(limitTestNumber, 60, time.Hour, "test number", "challenges begun and resent")),
		row(limitDeliveryAddress, 60, time.Minute, "address (IPv4, IPv6 /64)", "looks at where a code is"),
	}
}

// EffectiveLimits gives the limits that hold here, in the table's order; none
// where limits are switched off.
func (c *Core) EffectiveLimits() []LimitRow {
	if c.settings.LimitsDisabled {
		return nil
	}
	return effective(c.settings.Limits)
}

// effective is the table with the operator's numbers in it. The windows of sends
// to a number are the store's and stay.
func effective(overrides map[string]limit.Rule) []LimitRow {
	rows := LimitTable()
	for i := range rows {
		override, ok := overrides[rows[i].Name]
		if !ok {
			continue
		}
		rows[i].N = override.N
		if !slices.Contains([]string{limitSendHour, limitSendDay}, rows[i].Name) {
			rows[i].Window = override.Window
		}
	}
	return rows
}

// limits are the numbers that flows go by.
type limits struct {
	rules        map[string]limit.Rule // what the limiter counts; nil: it counts nothing
	codes        CodeLimits
	passwords    PasswordLimits
	sends        SendLimits
	resendWaits  []time.Duration // before the first resend, the second, …
	longCodesAt  int             // strangers' failures since a success: from here on, 8 digits
	longCodesFor time.Duration   // quiet time after which 6 digits suffice again
}

func limitsOf(s Settings) limits {
	if s.LimitsDisabled {
		return limits{resendWaits: make([]time.Duration, 4)}
	}
	rules := map[string]limit.Rule{}
	for _, row := range effective(s.Limits) {
		rules[row.Name] = row.Rule
	}
	number, codes, passwords := rules[limitCodesNumber], rules[limitCodesDevice], rules[limitPasswordDevice]
	// C-39's steps: after the last message to a number, and within one challenge.
	first := rules[limitSendWait]
	waits := []time.Duration{first.Window, 2 * first.Window, 4 * first.Window, 10 * first.Window}
	return limits{
		rules: rules,
		codes: CodeLimits{
			Strangers: number.N, StrangersWindow: number.Window, Device: codes.N, DeviceWindow: codes.Window,
		},
		// C-41: 3 free, then 1, 2, 4 … 900 s, closed to strangers at 100.
		passwords: PasswordLimits{
			Free: 3, FirstDelay: time.Second, MaxDelay: 900 * time.Second, Close: CloseAt,
			Device: passwords.N, DeviceWindow: passwords.Window,
		},
		sends:        SendLimits{Waits: slices.Concat(make([]time.Duration, max(0, first.N-1)), waits), Hour: rules[limitSendHour].N, Day: rules[limitSendDay].N},
		resendWaits:  waits,
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
