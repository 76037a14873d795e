package core

import (
	"context"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// Sessions lists the caller's living sessions, the last seen first.
func (c *Core) Sessions(ctx context.Context, caller Caller) ([]SessionView, error) {
	current, user, err := signedIn(caller)
	if err != nil {
		return nil, err
	}
	sessions, err := c.store.Sessions(ctx, user.ID, c.now())
	if err != nil {
		return nil, unavailable("listing sessions", err)
	}
	views := make([]SessionView, len(sessions))
	for i, s := range sessions {
		views[i] = SessionView{Session: s, Current: s.ID == current.ID}
	}
	return views, nil
}

// EndSession ends one of the caller's sessions. Another's is not found (C-30).
func (c *Core) EndSession(ctx context.Context, caller Caller, id string) error {
	session, _, err := signedIn(caller)
	if err != nil {
		return err
	}
	if !keyring.ValidID(id) {
		return &Error{Code: CodeNotFound}
	}
	now := c.now()
	op := EndSessions{
		SessionID: session.ID, Scope: ScopeOne, TargetID: id, Reason: "revoked", Now: now,
		Event: c.event(caller, now, event.SessionRevoked, event.Success),
	}
	op.Event.SessionID = id
	return c.endSessions(ctx, op)
}
