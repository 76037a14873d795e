package core

import (
	"context"

	"github.com/countersign/countersign/internal/event"
)

// The most events that one page of a user's history has, and how many it has
// when the caller does not say.
const (
	MaxEventsPage     = 100
	DefaultEventsPage = 20
)

// Me tells the caller's own account.
func (c *Core) Me(_ context.Context, caller Caller) (UserView, error) {
	_, user, err := signedIn(caller)
	if err != nil {
		return UserView{}, err
	}
	return c.userView(user)
}

// EditIn is a change of the profile. A nil member stays, "" clears.
type EditIn struct {
	Name, Email, Locale *string
}

// EditMe changes the caller's profile. An e-mail address is never an
// identifier or a factor (C-58).
func (c *Core) EditMe(ctx context.Context, caller Caller, in EditIn) (UserView, error) {
	session, _, err := signedIn(caller)
	if err != nil {
		return UserView{}, err
	}
	if err := refusal(checkProfile(value(in.Name), value(in.Email), value(in.Locale))); err != nil {
		return UserView{}, err
	}
	now := c.now()
	result, err := c.store.EditUser(ctx, EditUser{
		SessionID: session.ID, Name: in.Name, Email: in.Email, Locale: in.Locale, Now: now,
		Event: c.event(caller, now, event.ProfileChanged, event.Success),
	})
	switch {
	case err != nil:
		return UserView{}, unavailable("changing a profile", err)
	case result.Outcome == SessionEnded:
		return UserView{}, &Error{Code: CodeInvalidToken}
	}
	return c.userView(result.User)
}

// DeleteMe erases the caller's account. It needs fresh authentication.
func (c *Core) DeleteMe(ctx context.Context, caller Caller) error {
	session, _, err := signedIn(caller)
	if err != nil {
		return err
	}
	now := c.now()
	if err := c.fresh(session, now); err != nil {
		return err
	}
	outcome, err := c.store.DeleteUser(ctx, DeleteUser{
		SessionID: session.ID, Now: now, Event: c.event(caller, now, event.AccountDeleted, event.Success),
	})
	switch {
	case err != nil:
		return unavailable("erasing an account", err)
	case outcome == SessionEnded:
		return &Error{Code: CodeInvalidToken}
	}
	return nil
}

// MyEvents pages through the caller's own security history, newest first. limit
// 0 is DefaultEventsPage; next is "" on the last page.
func (c *Core) MyEvents(ctx context.Context, caller Caller, limit int, cursor string) (events []event.Event, next string, err error) {
	_, user, err := signedIn(caller)
	if err != nil {
		return nil, "", err
	}
	if limit == 0 {
		limit = DefaultEventsPage
	}
	if limit < 1 || limit > MaxEventsPage {
		return nil, "", invalid("limit", "has to be between 1 and 100")
	}
	kind := "events " + user.ID
	page := Page{Limit: limit + 1}
	if cursor != "" {
		if page.Before, err = c.tokens.ParseCursor(kind, cursor); err != nil {
			return nil, "", invalid("cursor", "is not one that this list gave")
		}
	}
	events, err = c.store.UserEvents(ctx, user.ID, page)
	if err != nil {
		return nil, "", unavailable("reading events", err)
	}
	if len(events) > limit {
		events = events[:limit]
		next = c.tokens.Cursor(kind, events[limit-1].ID)
	}
	return events, next, nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
