package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/token"
)

const methodRefresh = "refresh_token"

// RefreshIn is a refresh token, and the device that shows it.
type RefreshIn struct {
	RefreshToken keyring.Secret
	Device       DeviceIn
}

// Refresh gives the successor of a refresh token (invariant 4, C-24). Only a
// dead session is invalid_token; a failing store is not (C-27).
func (c *Core) Refresh(ctx context.Context, caller Caller, in RefreshIn) (TokenSet, error) {
	caller.Signed = nil
	if err := refusal(checkDevice(in.Device)); err != nil {
		return TokenSet{}, err
	}
	now := c.now()
	shown, err := c.tokens.ParseRefresh(in.RefreshToken.Reveal())
	if err != nil {
		return TokenSet{}, c.refuseRefresh(caller, now, Session{ID: shown.SessionID}, "malformed")
	}
	if err := c.admitRefresh(ctx, caller, now, shown.SessionID); err != nil {
		return TokenSet{}, err
	}
	result, err := c.store.RotateSession(ctx, c.rotation(caller, now, shown, c.shownDevice(in.Device)))
	if err != nil {
		return TokenSet{}, unavailable("rotating a session", err)
	}
	switch result.Outcome {
	case Done, Repeated:
	case Reused:
		return TokenSet{}, c.refuseRefresh(caller, now, result.Session, "reused")
	case SessionEnded:
		return TokenSet{}, c.refuseRefresh(caller, now, result.Session, endedBy(result.Session))
	default:
		return TokenSet{}, c.refuseRefresh(caller, now, Session{ID: shown.SessionID}, "unknown_session")
	}
	e := c.about(c.event(caller, now, event.TokenRefreshed, event.Success), result.User.Phone)
	e.Method, e.UserID, e.SessionID = methodRefresh, result.User.ID, result.Session.ID
	if result.Outcome == Repeated {
		e.Reason = "repeated"
	}
	c.traffic(e)
	return c.tokenSet(result.Session, result.User, shown.Secret, now)
}

// admitRefresh bounds the refreshes of one session. Its refusal ends nothing.
func (c *Core) admitRefresh(ctx context.Context, caller Caller, now time.Time, session string) error {
	full, err := c.take(ctx, now, c.limits.counts(nil, limitRefreshSession, session)...)
	if err != nil || full.Refused == "" {
		return err
	}
	e := c.event(caller, now, event.RateLimited, event.Failure)
	e.Method, e.Reason, e.SessionID = methodRefresh, full.Refused, session
	c.traffic(e)
	return rateLimited(now, now.Add(full.RetryAfter))
}

func (c *Core) rotation(caller Caller, now time.Time, shown token.Refresh, device string) RotateSession {
	moved := c.event(caller, now, event.RefreshFromNewNetwork, event.Success)
	reused := c.event(caller, now, event.RefreshTokenReused, event.Failure)
	moved.Method, moved.SessionID = methodRefresh, shown.SessionID
	reused.Method, reused.SessionID = methodRefresh, shown.SessionID
	return RotateSession{
		SessionID: shown.SessionID, Counter: shown.Counter, SecretHash: token.HashSecret(shown.Secret),
		DeviceID: device, TokenKeyID: c.ring.KeyID(), Grace: c.settings.RefreshGrace, IdleTimeout: c.settings.IdleTimeout,
		IPAddress: address(caller.Address), Network: network(caller.Address), UserAgent: caller.UserAgent,
		Now: now, OnMoved: moved, OnReused: reused,
	}
}

// refuseRefresh tells the log why, so that no ended session is a riddle.
func (c *Core) refuseRefresh(caller Caller, now time.Time, s Session, reason string) error {
	e := c.event(caller, now, event.TokenRefreshFailed, event.Failure)
	e.Method, e.Reason, e.UserID, e.SessionID = methodRefresh, reason, s.UserID, s.ID
	c.traffic(e)
	return &Error{Code: CodeInvalidToken}
}

// endedBy says why a session is over.
func endedBy(s Session) string {
	if s.EndReason != "" {
		return s.EndReason
	}
	return "expired"
}
