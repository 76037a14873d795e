package event

import "time"

// The alerts by name: the reasons of the events that tell them.
const (
	AlertAddress       = "failures_per_address"
	AlertLock          = "account_lock"
	AlertLockWave      = "lock_wave"
	AlertSends         = "send_failures"
	AlertSuccess       = "success_drop"
	AlertReuse         = "reuse_wave"
	AlertAdmin         = "admin_denials"
	AlertLog           = "log_broken"
	AlertLimiter       = "limiter_fallback"
	AlertSendingPaused = "sending_paused"
	AlertCodes         = "code_failures"
	AlertBudget        = "budget"
	AlertLimiterFull   = "limiter_full"
)

// AlertRule says how often something has to happen in any window of a length
// until an alert tells of it. With N of zero or less the alert is off.
type AlertRule struct {
	N      int
	Window time.Duration
}

// AlertRow is one alert that there is.
type AlertRow struct {
	Name string
	AlertRule
	Percent  bool   // N is one of a hundred
	Severity string // "info", "warning" or "critical"
	Doc      string // what N counts
	Advice   string // what to do, in a sentence
}

// What alerts go by that no setting changes (C-80, C-45).
const (
	sendFailurePercent = 10 // above it sending fails too often
	successTries       = 50 // fewer sign-ins in a window tell nothing of a rate
	baselineFactor     = 3  // so many times what is usual are unusual
)

// AlertTable gives the alerts with the thresholds that hold where no setting
// says otherwise (C-80, C-45).
func AlertTable() []AlertRow {
	row := func(name string, n int, window time.Duration, severity, doc, advice string) AlertRow {
		return AlertRow{Name: name, AlertRule: AlertRule{n, window}, Severity: severity, Doc: doc, Advice: advice}
	}
	percent := func(r AlertRow) AlertRow { r.Percent = true; return r }
	return []AlertRow{
		row(AlertAddress, 20, 5*time.Minute, "warning",
			"failed passwords and codes from one address (IPv6: one /64)",
			"Look at the events of this address: block it in front of the server if it guesses, and if many people share it, see that the proxies before the server are trusted."),
		row(AlertLock, 1, time.Minute, "info",
			"locks of one phone number",
			"Nothing at once: the lock ends by itself and known devices still sign in; if its owner complains, look at the number's events."),
		row(AlertLockWave, 10, 10*time.Minute, "critical",
			"locks of all phone numbers",
			"Somebody tries passwords or codes on many numbers: look where failed_login comes from, and block it in front of the server."),
		row(AlertSends, 50, time.Hour, "critical",
			"tries to send a message, of which more than 10 % failed; N is the fewest that tell",
			"See what the provider answers (sms_send_failed tells why) and its status page; switch to another provider if it does not pass."),
		percent(row(AlertSuccess, 20, time.Hour, "warning",
			"percentage points that the share of sign-ins that work is below its last week, of at least 50",
			"See which reason of failure has grown: a release of an app, messages that come late, and an attack look different there.")),
		row(AlertReuse, 5, 10*time.Minute, "critical",
			"old refresh tokens shown again",
			"Tokens are stolen, or an app keeps two copies of one: see which sessions, agents and addresses they came from."),
		row(AlertAdmin, 5, 5*time.Minute, "critical",
			"API keys refused",
			"See which key and address the admin_action events name; revoke the key if it is in wrong hands."),
		row(AlertLog, 1, time.Minute, "critical",
			"breaks of the security log's chain",
			"Run countersign log verify and keep the files: after a crash one torn line is expected, all else means that the file was changed."),
		row(AlertLimiter, 1, time.Minute, "critical",
			"losses of the shared limiter",
			"Bring Redis back: until then each instance limits to its share by itself."),
		row(AlertSendingPaused, 1, time.Minute, "critical",
			"pauses of a prefix, a country or an address by the conversion guard; where it only monitors, what it would pause",
			"Codes are sent and not redeemed: SMS pumping as a rule; the pause ends by itself, and a country without customers is better off the list."),
		row(AlertCodes, 300, 10*time.Minute, "critical",
			"failed codes, or 3 times the median of the last 7 days if that is more; told above it",
			"Somebody guesses codes on many numbers: strangers are asked for a captcha by now; see where code_failed comes from."),
		row(AlertLimiterFull, 1, time.Minute, "critical",
			"counts that share a counter because the memory of the limits is full",
			"So many addresses ask that new ones are counted together and refused sooner; known devices are not. Block the flood before the server, or raise limiter_memory."),
		percent(row(AlertBudget, 50, time.Hour, "warning",
			"per cent of a budget for messages that are spent (the window is the budget's own); told again when strangers get none any more, and when nobody does",
			"See in the stats where the messages go and whether their codes are redeemed; then raise sms_budget, or take the country off sms_countries.")),
	}
}
