package native

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/event"
)

func (a api) me(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	return user(a.core.Me(ctx, call.Caller))
}

func (a api) editMe(ctx context.Context, call dialect.Call[editMe]) (dialect.Reply, error) {
	return user(a.core.EditMe(ctx, call.Caller, core.EditIn{Name: call.In.Name, Email: call.In.Email, Locale: call.In.Locale}))
}

func (a api) deleteMe(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	return done(a.core.DeleteMe(ctx, call.Caller))
}

func (a api) changePassword(ctx context.Context, call dialect.Call[changePassword]) (dialect.Reply, error) {
	return done(a.core.ChangePassword(ctx, call.Caller, core.ChangePasswordIn{Current: call.In.Current, New: *call.In.New}))
}

func (a api) changePhone(ctx context.Context, call dialect.Call[changePhone]) (dialect.Reply, error) {
	in, err := call.In.in(*call.In.PhoneNumber, device{}, call.Idempotency)
	if err != nil {
		return dialect.Reply{}, err
	}
	return accepted(a.core.ChangePhone(ctx, call.Caller, in))
}

func (a api) reauthenticate(ctx context.Context, call dialect.Call[reauthenticate]) (dialect.Reply, error) {
	if call.In.Password != nil {
		return tokens(a.core.ReauthenticatePassword(ctx, call.Caller, *call.In.Password))
	}
	in, err := call.In.in("", device{}, call.Idempotency)
	if err != nil {
		return dialect.Reply{}, err
	}
	return accepted(a.core.ReauthenticateSMS(ctx, call.Caller, in))
}

func (a api) events(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	limit, err := readLimit(call.Query)
	if err != nil {
		return dialect.Reply{}, err
	}
	page, next, err := a.core.MyEvents(ctx, call.Caller, limit, call.Query.Get("cursor"))
	if err != nil {
		return dialect.Reply{}, err
	}
	list := EventList{Events: make([]Event, len(page)), NextCursor: orNull(next)}
	for i, e := range page {
		list.Events[i] = Event{event.Encode(e)}
	}
	return dialect.Reply{Status: http.StatusOK, Body: list}, nil
}

// readLimit reads ?limit; an absent one is 0, which the core takes for its default.
func readLimit(query url.Values) (int, error) {
	if !query.Has("limit") {
		return 0, nil
	}
	limit, err := strconv.ParseUint(query.Get("limit"), 10, 16)
	if err != nil || limit < 1 || limit > core.MaxEventsPage {
		return 0, &dialect.Refusal{Code: core.CodeInvalidRequest, Errors: []dialect.Located{{
			Location: "query.limit", Message: "has to be between 1 and " + strconv.Itoa(core.MaxEventsPage),
		}}}
	}
	return int(limit), nil
}
