package event

// The closed sets of what labels and series are made of. A value that is not in
// its set is counted as OtherReason, so that nothing a client or a provider
// says can make another series, or show in one.

// set makes a closed set.
func set[T comparable](members ...T) map[T]bool {
	s := make(map[T]bool, len(members))
	for _, m := range members {
		s[m] = true
	}
	return s
}

// names are all of types.go.
var names = set(
	SignupStarted, LoginStarted, PasswordResetStarted, PhoneChangeStarted, ReauthenticationStarted, CodeResent,
	CodeFailed, AccountCreated, SuccessfulLogin, FailedLogin, Reauthenticated, AccountLocked, AccountUnlocked,
	RefreshTokenReused, RefreshFromNewNetwork, Logout, SessionRevoked, AllSessionsEnded, PasswordChanged, PasswordReset,
	PhoneNumberChanged, ProfileChanged, AccountDisabled, AccountEnabled, AccountDeleted, SMSSent, SMSSendFailed,
	SMSDelivered, SMSWithheld, APIKeyCreated, APIKeyRevoked,
	TokenRefreshed, TokenRefreshFailed, InvalidToken, CodeRefused, ReceiptRefused, RateLimited, SendingPaused, AdminAction,
	KeyCreated, KeyRotated, ServerStarted, ServerStopped, DependencyLost, DependencyRestored, Alert, LogOpened,
	LogRecovered,
)

// limitWords are the reasons of rate_limited: the names of core's table of
// limits, and of what waits beside it.
var limitWords = set(
	"begin_address", "begin_network", "begin_device", "begin_devices",
	"code_failures_address", "code_failures_network", "code_failures_number", "code_failures_device",
	"password_failures_address", "password_failures_network", "password_failures_device",
	"send_wait", "send_number_hour", "send_number_day", "send_prefix", "send_prefix_devices", "send_country", "send_total",
	"refresh_session", "test_number", "delivery_address",
	"failed_passwords", "resend", "captcha_required", "sms_budget", "guard_prefix", "guard_country", "guard_address",
	"country_not_allowed",
)

// alertWords are the reasons of alert: those of AlertTable, the log's own, and
// those of what carries events and watches the budgets.
var alertWords = set(
	"failures_per_address", "account_lock", "lock_wave", "send_failures", "success_drop", "reuse_wave",
	"admin_denials", "log_broken", "limiter_fallback", "sending_paused", "code_failures",
	reasonDamaged, reasonCut, reasonReplaced, reasonKept, "events_dropped", "budget", "limiter_full",
)

// reasonWords are the reasons of all other events. What an operator writes, as
// account_disabled has it, is none of them.
var reasonWords = set(
	"wrong_code", "wrong_password", "unknown_number", "no_password", "account_disabled", "password_replaced_meanwhile",
	"expired", "spent", "locked", "disabled", "taken", "limited", "too_early", "stale",
	"failed_passwords", "failed_codes", "password_reset", "wait_over", "signed_in_by_code", "operator",
	"repeated", "reused", "reuse", "malformed", "unknown_session", "ended_session", "session_ended",
	"logout", "revoked", "all_ended", "surplus", "deleted", "password_change", "phone_change",
	"unreadable", "refused", "provider_unavailable", "ambiguous", "lost", "no_provider", "busy", "too_many_tries", "budget",
	"undelivered", "forged",
	"insufficient_scope", "unknown_key", "revoked_key", "expired_key",
	reasonTorn,
)

var outcomes = set(Success, Failure)

// methodWords are how people and programs prove who they are.
var methodWords = set("sms", "whatsapp", "voice", "password", "refresh_token", "access_token", "api_key")

// stateWords are the ends that receipts tell of a message.
var stateWords = set("delivered", "undelivered", "failed", "expired")

// Providers are the names of those who take messages, as the settings have them:
// a closed set as all the others, and other in every installation.
type Providers map[string]bool

// NewProviders makes the set.
func NewProviders(names ...string) Providers { return set(names...) }

// oneOf gives a word of a set, "" as itself, and OtherReason for all else.
func oneOf[T ~string](s map[T]bool, word T) T {
	if word == "" || s[word] {
		return word
	}
	return T(OtherReason)
}

// pauseScopes are what the conversion guard pauses.
var pauseScopes = set("prefix", "country", "address")
