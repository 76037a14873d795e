package dialect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// visit is what the Edge knows of a request.
type visit struct {
	caller core.Caller
	log    *slog.Logger
	route  string // the Name of the route that serves it, or OtherRoute
}

type visitKey struct{}

// visitOf gives a request's visit; one that came past no Edge has an empty one.
func visitOf(r *http.Request) *visit {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{log: slog.New(slog.DiscardHandler)}
}

// CallerFrom tells who asks, as the Edge found it: address, agent, request id,
// languages, the API key of a back end that forwards, and no session.
func CallerFrom(r *http.Request) core.Caller { return visitOf(r).caller }

// maxHeader is the most that is kept of a client's own header, in bytes (C-74).
const maxHeader = 256

// cut shortens a header to at most maxHeader bytes of valid UTF-8.
func cut(s string) string {
	if n := maxHeader; len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "")
}

// Door judges a token or an API key and adds to the caller what it opens.
// core.Core.Authenticate is one.
type Door func(context.Context, core.Caller, keyring.Secret) (core.Caller, error)

// Bearer gives the token of the one Authorization header (RFC 6750 2.1). No
// header, or another scheme, is no token; several headers are a bad one.
func Bearer(r *http.Request) (token keyring.Secret, shown bool, err error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", false, nil
	}
	if len(values) > 1 {
		return "", true, &core.Error{Code: core.CodeInvalidToken}
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false, nil
	}
	return keyring.Secret(strings.TrimLeft(rest, " ")), true, nil
}

// forwarded judges a back end's X-API-Key and puts the address in its
// Countersign-Client-IP in place of the back end's own. Both have to be there
// once: a back end that forgot one of them would have all its people counted as
// one. No refusal is invalid_token: that would tell clients that their user is
// signed out.
func forwarded(r *http.Request, caller core.Caller, door Door) (core.Caller, error) {
	keys := r.Header["X-Api-Key"]
	if len(keys) != 1 {
		return caller, refuse(CodeInvalidRequest, Located{"header.X-API-Key", "has to come once"})
	}
	admitted, err := door(r.Context(), caller, keyring.Secret(keys[0]))
	var refusal *core.Error
	if errors.As(err, &refusal) && refusal.Code == core.CodeInvalidToken {
		return caller, &core.Error{Code: core.CodeInsufficientScope}
	}
	if err != nil {
		return caller, err
	}
	named := r.Header["Countersign-Client-Ip"]
	if len(named) == 1 {
		if a, err := netip.ParseAddr(named[0]); err == nil && a.Zone() == "" {
			admitted.Address = fold(a)
			return admitted, nil
		}
	}
	return caller, refuse(CodeInvalidRequest, Located{"header.Countersign-Client-IP", "has to be one IP address"})
}

// admit opens the door as a route asks: not at all, to whom shows a token, or
// to nobody else. Where a token is optional a bad one is none: a client that
// sends its stale token along with everything may still sign in, and what needs
// a session refuses by itself.
func admit(r *http.Request, auth Auth, door Door) (core.Caller, error) {
	caller := CallerFrom(r)
	if auth == AuthNone {
		return caller, nil
	}
	token, shown, err := Bearer(r)
	if err == nil && !shown {
		err = &core.Error{Code: core.CodeInvalidToken, NoToken: true}
	}
	if err == nil {
		caller, err = door(r.Context(), caller, token)
	}
	var refusal *core.Error
	if auth == AuthOptional && errors.As(err, &refusal) && refusal.Code == core.CodeInvalidToken {
		return CallerFrom(r), nil
	}
	return caller, err
}

// idempotencyKey reads Idempotency-Key: 1 to 128 visible ASCII characters,
// bare or as a structured field's string (RFC 9651 3.3.3). "" is none.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header["Idempotency-Key"]
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	ok := len(values) == 1
	if strings.HasPrefix(key, `"`) {
		key, ok = unquote(key)
		ok = ok && len(values) == 1
	}
	if !ok || !visible(key) || len(key) > 128 {
		return "", refuse(CodeInvalidRequest, Located{
			"header.Idempotency-Key", "must be 1 to 128 visible ASCII characters",
		})
	}
	return key, nil
}

// unquote gives the content of a structured field's string.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return "", false
	}
	var b strings.Builder
	for rest := s[1 : len(s)-1]; rest != ""; rest = rest[1:] {
		switch rest[0] {
		case '"':
			return "", false
		case '\\':
			rest = rest[1:]
			if rest == "" || rest[0] != '"' && rest[0] != '\\' {
				return "", false
			}
		}
		b.WriteByte(rest[0])
	}
	return b.String(), true
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
