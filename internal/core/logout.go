package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/token"
)

// Logout ends the caller's session ("current", also ""), the caller's others
// ("others"), or all, devices and pending changes with them ("all").
func (c *Core) Logout(ctx context.Context, caller Caller, scope string) error {
	session, _, err := signedIn(caller)
	if err != nil {
		return err
	}
	now := c.now()
	op := EndSessions{SessionID: session.ID, Reason: "logout", Now: now, Event: c.event(caller, now, event.Logout, event.Success)}
	switch scope {
	case "", "current":
		op.Scope, op.TargetID = ScopeOne, session.ID
	case "others":
		op.Scope = ScopeOthers
		op.Event = op.Event.With("scope", "others")
	case "all":
		op.Scope = ScopeAll
		op.Event = op.Event.With("scope", "all")
	default:
		return invalid("scope", "has to be current, others or all")
	}
	return c.endSessions(ctx, op)
}

func (c *Core) endSessions(ctx context.Context, op EndSessions) error {
	outcome, err := c.store.EndSessions(ctx, op)
	switch {
	case err != nil:
		return unavailable("ending sessions", err)
	case outcome == NotFound:
		return &Error{Code: CodeNotFound}
	case outcome == SessionEnded:
		return &Error{Code: CodeInvalidToken}
	}
	return nil
}

// Revoke ends the session of a refresh or access token (RFC 7009). Unknown
// tokens are no error (C-31); it goes by session, never by token bytes (C-23).
func (c *Core) Revoke(ctx context.Context, caller Caller, shown keyring.Secret) error {
	now := c.now()
	op, ok := c.revocation(shown, now)
	if !ok {
		_ = c.refuseToken(caller, now, "revoke", "malformed", Session{})
		return nil
	}
	caller.Signed = nil
	op.Scope, op.Reason, op.Now = ScopeOne, "revoked", now
	op.Event = c.event(caller, now, event.Logout, event.Success)
	op.Event.SessionID, op.Event.Reason = op.TargetID, "revoked"
	if _, err := c.store.EndSessions(ctx, op); err != nil {
		return unavailable("revoking a token", err)
	}
	return nil
}

func (c *Core) revocation(shown keyring.Secret, now time.Time) (EndSessions, bool) {
	if refresh, err := c.tokens.ParseRefresh(shown.Reveal()); err == nil {
		return EndSessions{TargetID: refresh.SessionID, SecretHash: token.HashSecret(refresh.Secret)}, true
	}
	if access, err := c.tokens.ParseAccess(shown.Reveal(), now); err == nil {
		return EndSessions{TargetID: access.SessionID}, true
	}
	return EndSessions{}, false
}
