package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// DisableUser ends a user's sessions and challenges and lets nobody sign in,
// all at once. The caller and why go into the log.
func (c *Core) DisableUser(ctx context.Context, caller Caller, userID, why string) error {
	return c.changeUser(ctx, caller, userID, why, event.AccountDisabled, c.store.DisableUser)
}

// EnableUser lets a disabled user sign in again. Ended sessions stay ended.
func (c *Core) EnableUser(ctx context.Context, caller Caller, userID, why string) error {
	return c.changeUser(ctx, caller, userID, why, event.AccountEnabled, c.store.EnableUser)
}

func (c *Core) changeUser(
	ctx context.Context, caller Caller, userID, why string, name event.Name,
	change func(context.Context, ChangeUser) (Outcome, error),
) error {
	if !keyring.ValidID(userID) {
		return &Error{Code: CodeNotFound}
	}
	now := c.now()
	e := c.event(caller, now, name, event.Success)
	e.UserID, e.Reason = userID, why
	outcome, err := change(ctx, ChangeUser{UserID: userID, Now: now, Event: e})
	switch {
	case err != nil:
		return unavailable("changing a user", err)
	case outcome == NotFound:
		return &Error{Code: CodeNotFound}
	}
	return nil
}

// UnlockNumber clears every failure count of a number, typed as people do.
func (c *Core) UnlockNumber(ctx context.Context, caller Caller, typed string) error {
	number, err := c.number(typed)
	if err != nil {
		return err
	}
	now := c.now()
	p := SealedPhone{Key: c.ring.Pseudonym(number.E164()), Masked: number.Masked()}
	e := c.about(c.event(caller, now, event.AccountUnlocked, event.Success), p)
	e.Reason = "operator"
	if err := c.store.UnlockNumber(ctx, UnlockNumber{PhoneKey: p.Key, Now: now, Event: e}); err != nil {
		return unavailable("unlocking a number", err)
	}
	return nil
}

// EndAllSessions ends every session and challenge of everybody that was made up to
// now (C-35), and gives that time, or the later one that was set before. Accounts,
// passwords, devices and API keys stay. Why goes into the log.
func (c *Core) EndAllSessions(ctx context.Context, caller Caller, why string) (time.Time, error) {
	now := c.now()
	e := c.event(caller, now, event.AllSessionsEnded, event.Success)
	e.Reason = why
	until, err := c.store.EndAllSessions(ctx, EndAllSessions{Now: now, Event: e})
	if err != nil {
		return time.Time{}, unavailable("ending all sessions", err)
	}
	return until, nil
}

// FindUser tells the account of a number, typed as people do.
func (c *Core) FindUser(ctx context.Context, typed string) (UserView, error) {
	number, err := c.number(typed)
	if err != nil {
		return UserView{}, err
	}
	state, err := c.store.Number(ctx, c.ring.Pseudonym(number.E164()), "")
	if err != nil {
		return UserView{}, unavailable("reading a number", err)
	}
	if state.User.ID == "" {
		return UserView{}, &Error{Code: CodeNotFound}
	}
	return c.userView(state.User)
}

// Withheld lists the newest messages to a number that were made and not sent
// because nobody has it. It serves the development inbox alone.
func (c *Core) Withheld(ctx context.Context, typed string) ([]Message, error) {
	number, err := c.number(typed)
	if err != nil {
		return nil, err
	}
	if c.isTest(number) {
		return nil, nil
	}
	messages, err := c.store.Messages(ctx, c.ring.Pseudonym(number.E164()), withheldShown)
	if err != nil {
		return nil, unavailable("reading messages", err)
	}
	withheld := messages[:0]
	for _, m := range messages {
		if m.State == MessageWithheld {
			withheld = append(withheld, m)
		}
	}
	return withheld, nil
}

const withheldShown = 20
