package event

// Name is an event's name, one of the field's plain words.
type Name string

// Account events are durable: written in the transaction of the change that
// they tell of, and part of the user's own history.
const (
	SignupStarted           Name = "signup_started"
	LoginStarted            Name = "login_started"
	PasswordResetStarted    Name = "password_reset_started"
	PhoneChangeStarted      Name = "phone_change_started"
	ReauthenticationStarted Name = "reauthentication_started"
	CodeResent              Name = "code_resent"
	CodeFailed              Name = "code_failed"
	AccountCreated          Name = "account_created"
	SuccessfulLogin         Name = "successful_login"
	FailedLogin             Name = "failed_login"
	Reauthenticated         Name = "reauthenticated"
	AccountLocked           Name = "account_locked"
	AccountUnlocked         Name = "account_unlocked"
	RefreshTokenReused      Name = "refresh_token_reused"
	RefreshFromNewNetwork   Name = "refresh_from_new_network"
	Logout                  Name = "logout"
	SessionRevoked          Name = "session_revoked"
	AllSessionsEnded        Name = "all_sessions_ended"
	PasswordChanged         Name = "password_changed"
	PasswordReset           Name = "password_reset"
	PhoneNumberChanged      Name = "phone_number_changed"
	ProfileChanged          Name = "profile_changed"
	AccountDisabled         Name = "account_disabled"
	AccountEnabled          Name = "account_enabled"
	AccountDeleted          Name = "account_deleted"
	SMSSent                 Name = "sms_sent"
	SMSSendFailed           Name = "sms_send_failed"
	SMSDelivered            Name = "sms_delivered"
	SMSWithheld             Name = "sms_withheld"
	APIKeyCreated           Name = "api_key_created"
	APIKeyRevoked           Name = "api_key_revoked"
)

// Traffic events go to the sinks alone: they tell of attempts that changed
// nothing, of changes too frequent to keep, and of the server itself.
const (
	TokenRefreshed     Name = "token_refreshed"
	TokenRefreshFailed Name = "token_refresh_failed"
	InvalidToken       Name = "invalid_token"
	CodeRefused        Name = "code_refused"
	ReceiptRefused     Name = "receipt_refused"
	RateLimited        Name = "rate_limited"
	SendingPaused      Name = "sending_paused"
	AdminAction        Name = "admin_action"
	KeyCreated         Name = "key_created"
	KeyRotated         Name = "key_rotated"
	ServerStarted      Name = "server_started"
	ServerStopped      Name = "server_stopped"
	DependencyLost     Name = "dependency_lost"
	DependencyRestored Name = "dependency_restored"
	Alert              Name = "alert"
	LogOpened          Name = "log_opened"
	LogRecovered       Name = "log_recovered"
)
