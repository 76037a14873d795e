package dialect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/core"
)

// The codes of what a dialect refuses before it asks the core.
const (
	CodeMalformedRequest     core.Code = "malformed_request"
	CodeInvalidRequest                 = core.CodeInvalidRequest
	CodeUnsupportedMediaType core.Code = "unsupported_media_type"
	CodeContentTooLarge      core.Code = "content_too_large"
	CodeMethodNotAllowed     core.Code = "method_not_allowed"
	CodeInternal             core.Code = "internal_error"
)

// Located is one ill-formed part of a request and what is wrong with it; it
// never repeats the value.
type Located struct {
	Location string `json:"location" jsonschema:"which part of the request, such as body.phone_number, query.limit or header.Idempotency-Key"`
	Message  string `json:"message" jsonschema:"what is wrong with it"`
}

// Refusal is an error that a dialect finds itself, with parts named in full.
type Refusal struct {
	Code   core.Code
	Errors []Located
}

// Error gives the code.
func (r *Refusal) Error() string { return string(r.Code) }

// Problem is the answer to a request that failed: RFC 9457, and members of our own.
type Problem struct {
	Type         string    `json:"type" jsonschema:"the code as a URI"`
	Title        string    `json:"title" jsonschema:"the code in words"`
	Status       int       `json:"status" jsonschema:"the HTTP status"`
	Detail       string    `json:"detail" jsonschema:"what it means and what to do, for people"`
	Code         core.Code `json:"code" jsonschema:"the stable word to program against"`
	RetryAfter   *int64    `json:"retry_after,omitzero" jsonschema:"whole seconds to wait, as the Retry-After header says"`
	AttemptsLeft *int      `json:"attempts_left,omitzero" jsonschema:"how many guesses the challenge still allows"`
	Errors       []Located `json:"errors,omitempty" jsonschema:"which parts of the request are wrong, and why"`
	Captcha      Captcha   `json:"captcha,omitzero" jsonschema:"what to solve before the request is repeated with its answer (captcha_required)"`
}

// Captcha is what captcha_required asks a client to solve.
type Captcha struct {
	Type      string         `json:"type" jsonschema:"altcha: a proof of work of our own; hcaptcha, turnstile or recaptcha: the service whose widget to show"`
	Challenge jsontext.Value `json:"challenge,omitzero" jsonschema:"altcha: the work, in the format of ALTCHA v2 (parameters and signature)"`
	SiteKey   string         `json:"site_key,omitzero" jsonschema:"what to show the service's widget with"`
}

// problemType precedes the code in a problem's type.
const problemType = "urn:countersign:error:"

// challenge is what every 401 says in WWW-Authenticate (RFC 6750 3); the
// error is added only where a bad token was shown (3.1).
const (
	challenge         = `Bearer realm="countersign"`
	challengeBadToken = challenge + `, error="invalid_token"`
)

// kind is what a code means over HTTP.
type kind struct {
	status        int
	title, detail string
}

// kinds gives each code its status, as API.md lists them.
var kinds = map[core.Code]kind{
	CodeMalformedRequest:              {400, "Malformed request", "The body has to be exactly one JSON value in UTF-8, with no name twice."},
	CodeInvalidRequest:                {422, "Invalid request", "A part of the request is missing, unknown or ill-formed."},
	core.CodeInvalidPhoneNumber:       {422, "Invalid phone number", "This is no phone number that can receive messages."},
	core.CodeWeakPassword:             {422, "Weak password", "Choose another password."},
	core.CodeInvalidCredentials:       {401, "Invalid credentials", "The phone number and the password do not go together."},
	core.CodeInvalidCode:              {401, "Invalid code", "The code is wrong."},
	core.CodeChallengeExpired:         {410, "Challenge expired", "The code came too late. Ask for a new one."},
	core.CodeChallengeSpent:           {410, "Challenge spent", "This challenge is used up. Ask for a new code."},
	core.CodeInvalidToken:             {401, "Invalid token", "The token is missing, unknown, expired or revoked. Sign in again."},
	core.CodeReauthenticationRequired: {403, "Reauthentication required", "Prove who you are again before you do this."},
	core.CodeInsufficientScope:        {403, "Insufficient scope", "The API key lacks the scope that this call needs."},
	core.CodeAccountDisabled:          {403, "Account disabled", "This account is disabled."},
	core.CodeCountryNotAllowed:        {403, "Country not allowed", "Messages to this destination are switched off."},
	core.CodeCaptchaRequired:          {403, "Captcha required", "Solve the challenge and send its answer along."},
	core.CodeRateLimited:              {429, "Rate limited", "Too many attempts. Wait, then try again."},
	core.CodeNotFound:                 {404, "Not found", "There is no such thing, or it is not yours."},
	CodeMethodNotAllowed:              {405, "Method not allowed", "The Allow header names the methods of this address."},
	CodeContentTooLarge:               {413, "Content too large", "A body has at most 16384 bytes."},
	CodeUnsupportedMediaType:          {415, "Unsupported media type", "Send the body in the documented media type, in UTF-8, not encoded."},
	core.CodeIdempotencyConflict:      {422, "Idempotency conflict", "This Idempotency-Key was used with another body."},
	core.CodeConflict:                 {409, "Conflict", "This phone number belongs to another account."},
	core.CodeDeliveryUnavailable:      {503, "Delivery unavailable", "No provider takes messages now. Try again."},
	core.CodeUnavailable:              {503, "Unavailable", "The service cannot answer now. It is safe to try again."},
	CodeInternal:                      {500, "Internal server error", "Something went wrong here. It was logged under this request's id."},
}

// StatusOf gives a code its HTTP status; a code that nobody listed is a fault of ours.
func StatusOf(code core.Code) int {
	if k, ok := kinds[code]; ok {
		return k.status
	}
	return http.StatusInternalServerError
}

// Fail answers with the problem that an error is, and logs what is our own
// fault. It is the only writer of problems.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	p, badToken := problemOf(err)
	logFault(r, p, err)
	h := w.Header()
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", challenge)
		if badToken {
			h.Set("WWW-Authenticate", challengeBadToken)
		}
	}
	if p.RetryAfter != nil {
		h.Set("Retry-After", strconv.FormatInt(*p.RetryAfter, 10))
	}
	h.Set("Cache-Control", "no-store")
	WriteJSON(w, p.Status, "application/problem+json", p)
}

// problemOf judges an error, and tells whether a bad token was shown.
func problemOf(err error) (p Problem, badToken bool) {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		p = newProblem(refusal.Code, 0)
		p.Errors = refusal.Errors
		return p, false
	}
	var known *core.Error
	if !errors.As(err, &known) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return newProblem(core.CodeUnavailable, 0), false
		}
		return newProblem(CodeInternal, 0), false
	}
	p = newProblem(known.Code, known.RetryAfter)
	p.AttemptsLeft = known.AttemptsLeft
	for _, f := range known.Fields {
		p.Errors = append(p.Errors, Located{"body." + f.Name, f.Message})
	}
	if ask := known.Captcha; ask != nil {
		p.Captcha = Captcha{ask.Type, jsontext.Value(ask.Challenge), ask.SiteKey}
	}
	return p, known.Code == core.CodeInvalidToken && !known.NoToken
}

func newProblem(code core.Code, wait time.Duration) Problem {
	k, ok := kinds[code]
	if !ok {
		code, k = CodeInternal, kinds[CodeInternal]
	}
	p := Problem{
		Type: problemType + string(code), Title: k.title, Status: k.status, Detail: k.detail, Code: code,
	}
	if k.status == http.StatusTooManyRequests || k.status == http.StatusServiceUnavailable {
		seconds := max(1, int64((wait+time.Second-1)/time.Second))
		p.RetryAfter = &seconds
	}
	return p
}

// logFault tells the operator of an answer that is our own fault.
func logFault(r *http.Request, p Problem, err error) {
	if p.Status < http.StatusInternalServerError {
		return
	}
	level := slog.LevelError
	if errors.Is(err, context.Canceled) {
		level = slog.LevelDebug // the client hung up
	}
	v := visitOf(r)
	v.log.Log(r.Context(), level, "request failed",
		"code", string(p.Code), "request_id", v.caller.RequestID, "error", err)
}

// times writes every time as RFC 3339 in UTC with three decimals, as events have
// it: the length of an answer must not tell one from another (C-59).
var times = json.WithMarshalers(json.MarshalToFunc(func(to *jsontext.Encoder, t time.Time) error {
	text := make([]byte, 0, len(`"2026-11-24T07:20:31.123Z"`))
	return to.WriteValue(t.UTC().AppendFormat(text, `"2006-01-02T15:04:05.000Z"`))
}))

// WriteJSON answers with a value as JSON. The value is one of our own answer
// types, so that encoding it cannot fail but by a fault of the program.
func WriteJSON(w http.ResponseWriter, status int, mediaType string, value any) {
	body, err := json.Marshal(value, times)
	if err != nil {
		panic("encoding an answer: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody to tell
}
