package native

import (
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/event"
)

// api serves the routes by one core.
type api struct{ core *core.Core }

// New serves /v1 by a core. A dialect.Edge has to stand around it.
func New(c *core.Core) http.Handler { return dialect.NewTable(Routes(c)) }

// Types describes the values of answers for the OpenAPI document.
func Types() (dialect.TypeSchemas, error) {
	types := dialect.TypeSchemas{
		reflect.TypeFor[core.Purpose](): dialect.Enum(core.PurposeSignup, core.PurposeLogin,
			core.PurposePasswordReset, core.PurposePhoneChange, core.PurposeReauthentication),
		reflect.TypeFor[core.Channel](): dialect.Enum(core.ChannelSMS, core.ChannelWhatsApp, core.ChannelVoice),
		reflect.TypeFor[core.DeliveryWord](): dialect.Enum(core.CodeRequested, core.CodeQueued, core.CodeSent,
			core.CodeDelivered, core.CodeUndelivered, core.CodeExpired),
		reflect.TypeFor[event.Outcome](): dialect.Enum(event.Success, event.Failure),
		reflect.TypeFor[time.Time]():     {Type: "string", Format: "date-time"},
	}
	events, err := jsonschema.For[eventMembers](&jsonschema.ForOptions{TypeSchemas: types})
	if err != nil {
		return nil, err
	}
	types[reflect.TypeFor[Event]()] = events
	return types, nil
}

// Routes lists every call of the native API. For the document alone the core
// may be nil.
func Routes(c *core.Core) []dialect.Route {
	a := api{c}
	routes := a.signInRoutes()
	routes = append(routes, a.sessionRoutes()...)
	return append(routes, a.meRoutes()...)
}

// What several routes answer and refuse.
var (
	challengeAnswer = []dialect.Answer{{Status: http.StatusAccepted, Body: Challenge{}, Description: "The challenge; its code is on the way."}}
	tokenAnswer     = []dialect.Answer{{Status: http.StatusOK, Body: TokenSet{}, Description: "Signed in."}}
	userAnswer      = []dialect.Answer{{Status: http.StatusOK, Body: User{}, Description: "The account."}}
	doneAnswer      = []dialect.Answer{{Status: http.StatusNoContent, Description: "Done."}}

	sendRefuses  = []core.Code{core.CodeRateLimited, core.CodeCaptchaRequired, core.CodeCountryNotAllowed, core.CodeDeliveryUnavailable}
	beginRefuses = with(sendRefuses, core.CodeInvalidPhoneNumber)
)

// verifyRefuses lists what a redeemed code may meet.
var verifyRefuses = []core.Code{
	core.CodeInvalidCode, core.CodeChallengeExpired, core.CodeChallengeSpent, core.CodeWeakPassword,
	core.CodeAccountDisabled, core.CodeConflict, core.CodeNotFound, core.CodeRateLimited,
}

func (a api) signInRoutes() []dialect.Route {
	const tag = "Sign in"
	return []dialect.Route{
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/signup", Name: "signup", Tag: tag, Idempotent: true,
			Summary:     "Begin to sign up, or to sign in if the phone has an account",
			Description: "Profile and password wait in the challenge. There is no account until its code is redeemed.",
			Answers:     challengeAnswer, Refuses: with(beginRefuses, core.CodeWeakPassword),
		}, a.door(), a.signup),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/login/sms", Name: "loginSMS", Tag: tag, Idempotent: true,
			Summary:     "Begin to sign in by a code",
			Description: "A number without an account gets the same answer, and no message.",
			Answers:     challengeAnswer, Refuses: beginRefuses,
		}, a.door(), a.loginSMS),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/login/password", Name: "loginPassword", Tag: tag,
			Summary: "Sign in by a password", Answers: tokenAnswer,
			Refuses: []core.Code{core.CodeInvalidPhoneNumber, core.CodeInvalidCredentials, core.CodeAccountDisabled, core.CodeRateLimited, core.CodeCaptchaRequired},
		}, a.door(), a.loginPassword),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/password/reset", Name: "resetPassword", Tag: tag, Idempotent: true,
			Summary:     "Begin to reset a password",
			Description: "A number without an account gets the same answer, and no message.",
			Answers:     challengeAnswer, Refuses: beginRefuses,
		}, a.door(), a.resetPassword),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/challenges/{id}/verify", Name: "verify", Tag: tag, Auth: dialect.AuthOptional, Idempotent: true,
			Summary:     "Redeem a code",
			Description: "Answers a TokenSet, and a User for phone_change. phone_change and reauthentication need the bearer token of the session that began them.",
			Answers: []dialect.Answer{{
				Status: http.StatusOK, Body: TokenSet{}, Or: User{}, Description: "Signed in; for phone_change the changed account.",
			}},
			Refuses: verifyRefuses,
		}, a.door(), a.verify),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/challenges/{id}/resend", Name: "resend", Tag: tag, Auth: dialect.AuthOptional, BodyOptional: true,
			Summary:     "Send the same code again",
			Description: "Expiry and guesses stay as they are.",
			Answers:     challengeAnswer,
			Refuses:     with(sendRefuses, core.CodeNotFound, core.CodeChallengeExpired, core.CodeChallengeSpent),
		}, a.door(), a.resend),
		dialect.JSON(dialect.Route{
			Method: http.MethodGet, Path: "/v1/challenges/{id}/delivery", Name: "delivery", Tag: tag, Auth: dialect.AuthOptional,
			Summary: "Where is my code?",
			Description: "How far the code has come, as its provider tells. For `login` and `password_reset` no more is told than " +
				"that it was asked for: else a stranger would learn whether the number has an account. `phone_change` and " +
				"`reauthentication` need the bearer token of the session that began them.",
			Answers: []dialect.Answer{{Status: http.StatusOK, Body: Delivery{}, Description: "How far it has come."}},
			Refuses: []core.Code{core.CodeNotFound, core.CodeInvalidToken, core.CodeRateLimited},
		}, a.door(), a.delivery),
	}
}

func (a api) sessionRoutes() []dialect.Route {
	const tag = "Sessions"
	return []dialect.Route{
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/token/refresh", Name: "refresh", Tag: tag,
			Summary:     "Get the next tokens",
			Description: "An answer that was lost is told again: the token last used gets the same successor.",
			Answers:     tokenAnswer, Refuses: []core.Code{core.CodeInvalidToken},
		}, a.door(), a.refresh),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/logout", Name: "logout", Tag: tag, Auth: dialect.AuthRequired, BodyOptional: true,
			Summary: "End this session, the others, or all", Answers: doneAnswer, Refuses: []core.Code{core.CodeInvalidToken},
		}, a.door(), a.logout),
		dialect.JSON(dialect.Route{
			Method: http.MethodGet, Path: "/v1/sessions", Name: "sessions", Tag: tag, Auth: dialect.AuthRequired,
			Summary: "List the user's sessions", Refuses: []core.Code{core.CodeInvalidToken},
			Answers: []dialect.Answer{{Status: http.StatusOK, Body: SessionList{}, Description: "The last seen first."}},
		}, a.door(), a.sessions),
		dialect.JSON(dialect.Route{
			Method: http.MethodDelete, Path: "/v1/sessions/{id}", Name: "endSession", Tag: tag, Auth: dialect.AuthRequired,
			Summary: "End one session", Answers: doneAnswer, Refuses: []core.Code{core.CodeInvalidToken, core.CodeNotFound},
		}, a.door(), a.endSession),
	}
}

func (a api) meRoutes() []dialect.Route {
	const tag = "Me"
	return []dialect.Route{
		dialect.JSON(dialect.Route{
			Method: http.MethodGet, Path: "/v1/me", Name: "me", Tag: tag, Auth: dialect.AuthRequired,
			Summary: "The account", Answers: userAnswer, Refuses: []core.Code{core.CodeInvalidToken},
		}, a.door(), a.me),
		dialect.JSON(dialect.Route{
			Method: http.MethodPatch, Path: "/v1/me", Name: "editMe", Tag: tag, Auth: dialect.AuthRequired,
			Summary: "Change the profile", Answers: userAnswer, Refuses: []core.Code{core.CodeInvalidToken},
		}, a.door(), a.editMe),
		dialect.JSON(dialect.Route{
			Method: http.MethodDelete, Path: "/v1/me", Name: "deleteMe", Tag: tag, Auth: dialect.AuthRequired,
			Summary: "Erase the account", Description: "Needs fresh authentication.",
			Answers: doneAnswer, Refuses: []core.Code{core.CodeReauthenticationRequired},
		}, a.door(), a.deleteMe),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/me/password", Name: "changePassword", Tag: tag, Auth: dialect.AuthRequired,
			Summary:     "Set the password",
			Description: "Needs the current one, or where there is none fresh authentication. Every other session ends.",
			Answers:     doneAnswer,
			Refuses:     []core.Code{core.CodeInvalidCredentials, core.CodeWeakPassword, core.CodeReauthenticationRequired, core.CodeRateLimited},
		}, a.door(), a.changePassword),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/me/phone-number", Name: "changePhone", Tag: tag, Auth: dialect.AuthRequired, Idempotent: true,
			Summary:     "Begin to move the account to another number",
			Description: "Needs fresh authentication. The code goes to the new number; the old one is told.",
			Answers:     challengeAnswer, Refuses: with(beginRefuses, core.CodeReauthenticationRequired),
		}, a.door(), a.changePhone),
		dialect.JSON(dialect.Route{
			Method: http.MethodPost, Path: "/v1/me/reauthenticate", Name: "reauthenticate", Tag: tag,
			Auth: dialect.AuthRequired, Idempotent: true, BodyOptional: true,
			Summary:     "Prove again who you are",
			Description: "With a password the answer is a TokenSet; without one a code is sent.",
			Answers:     append(tokenAnswer[:1:1], challengeAnswer...),
			Refuses:     with(sendRefuses, core.CodeInvalidCredentials),
		}, a.door(), a.reauthenticate),
		dialect.JSON(dialect.Route{
			Method: http.MethodGet, Path: "/v1/me/events", Name: "events", Tag: tag, Auth: dialect.AuthRequired,
			Summary: "The user's own security history",
			Query: []dialect.Param{
				{Name: "limit", Integer: true, Description: "1 to 100; 20 when absent"},
				{Name: "cursor", Description: "next_cursor of the page before"},
			},
			Answers: []dialect.Answer{{Status: http.StatusOK, Body: EventList{}, Description: "A page of events."}},
			Refuses: []core.Code{core.CodeInvalidToken},
		}, a.door(), a.events),
	}
}

// with lists more codes, and leaves the list as it was.
func with(codes []core.Code, more ...core.Code) []core.Code { return slices.Concat(codes, more) }

// door is the core's; a document needs none.
func (a api) door() dialect.Door {
	if a.core == nil {
		return nil
	}
	return a.core.Authenticate
}
