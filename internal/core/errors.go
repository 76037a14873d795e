package core

import (
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/captcha"
)

// Code is the stable word of an error, as API.md lists them.
type Code string

// The error codes.
const (
	CodeInvalidRequest           Code = "invalid_request"
	CodeInvalidPhoneNumber       Code = "invalid_phone_number"
	CodeWeakPassword             Code = "weak_password"
	CodeInvalidCredentials       Code = "invalid_credentials"
	CodeInvalidCode              Code = "invalid_code"
	CodeChallengeExpired         Code = "challenge_expired"
	CodeChallengeSpent           Code = "challenge_spent"
	CodeInvalidToken             Code = "invalid_token"
	CodeReauthenticationRequired Code = "reauthentication_required"
	CodeInsufficientScope        Code = "insufficient_scope"
	CodeAccountDisabled          Code = "account_disabled"
	CodeCountryNotAllowed        Code = "country_not_allowed"
	CodeCaptchaRequired          Code = "captcha_required"
	CodeRateLimited              Code = "rate_limited"
	CodeNotFound                 Code = "not_found"
	CodeIdempotencyConflict      Code = "idempotency_conflict"
	CodeConflict                 Code = "conflict"
	CodeDeliveryUnavailable      Code = "delivery_unavailable"
	CodeUnavailable              Code = "unavailable"
)

// Error is a refusal that a caller may see. Everything else that a flow
// returns is logged and hidden.
type Error struct {
	Code         Code
	RetryAfter   time.Duration // rate_limited, unavailable, delivery_unavailable; rounded up to seconds
	AttemptsLeft *int          // invalid_code
	Fields       []Field       // invalid_request, weak_password, …: which and why
	NoToken      bool          // invalid_token: none was shown at all
	Captcha      *captcha.Ask  // captcha_required: what to solve
	Cause        error         // for the log, never for the caller
}

// Field is one ill-formed member of a request.
type Field struct {
	Name    string // as the request names it: "phone_number", "device.name"
	Message string
}

// Error gives the code and the cause, for logs.
func (e *Error) Error() string {
	if e.Cause != nil {
		return string(e.Code) + ": " + e.Cause.Error()
	}
	return string(e.Code)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrUncertain says that the answer to a commit was lost: it may have
// happened, or not. Every other error of the store means that nothing happened.
var ErrUncertain = errors.New("the outcome of the commit is not known")

// ErrNotFound is what reads of the store answer when there is no such row.
var ErrNotFound = errors.New("not found")

// unavailable hides a failure that is ours behind a 503 that is safe to retry.
func unavailable(doing string, err error) error {
	return &Error{Code: CodeUnavailable, RetryAfter: unavailableRetry, Cause: fmt.Errorf("%s: %w", doing, err)}
}

// isUncertain tells whether an operation may have happened although it failed.
func isUncertain(err error) bool { return errors.Is(err, ErrUncertain) }

// rateLimited refuses until a time.
func rateLimited(now, until time.Time) error {
	return &Error{Code: CodeRateLimited, RetryAfter: max(until.Sub(now), time.Second)}
}

// invalid refuses one member of the request.
func invalid(name, message string) error {
	return &Error{Code: CodeInvalidRequest, Fields: []Field{{Name: name, Message: message}}}
}
