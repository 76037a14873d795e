package core

import (
	"context"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// ReauthenticatePassword renews the caller's proof of identity by password.
func (c *Core) ReauthenticatePassword(ctx context.Context, caller Caller, typed keyring.Secret) (TokenSet, error) {
	session, user, err := signedIn(caller)
	if err != nil {
		return TokenSet{}, err
	}
	number, err := c.open(user.Phone, user.ID)
	if err != nil {
		return TokenSet{}, err
	}
	g := c.guessAt(caller, number, session.DeviceID)
	if err := c.admitPassword(ctx, g); err != nil {
		return TokenSet{}, err
	}
	slot, err := c.acquire(ctx)
	if err != nil {
		return TokenSet{}, err
	}
	defer slot.Release()
	defer c.settlePassword(ctx, g)

	now := c.now()
	tried, err := c.tryPassword(ctx, g, now)
	if err != nil {
		return TokenSet{}, err
	}
	ctx = context.WithoutCancel(ctx) // as at a login
	right, outdated, err := slot.Verify(typed, tried.User.PasswordHash)
	if err != nil {
		return TokenSet{}, unavailable("judging a password", err)
	}
	if !right {
		return TokenSet{}, c.failPassword(ctx, tried)
	}
	op := ConfirmSession{
		SessionID: session.ID, Generation: tried.User.Generation, TokenKeyID: c.ring.KeyID(), Tried: tried.counter(),
		Now: now, OnConfirmed: tried.event(c, event.Reauthenticated, event.Success),
	}
	if outdated {
		if op.Upgraded, err = slot.Hash(typed); err != nil {
			return TokenSet{}, unavailable("hashing a password", err)
		}
	}
	c.settlePassword(ctx, g)
	slot.Release()
	return c.confirmSession(ctx, op)
}

func (c *Core) confirmSession(ctx context.Context, op ConfirmSession) (TokenSet, error) {
	result, err := c.store.ConfirmSession(ctx, op)
	switch {
	case err != nil:
		return TokenSet{}, unavailable("confirming a session", err)
	case result.Outcome == SessionEnded:
		return TokenSet{}, &Error{Code: CodeInvalidToken}
	case result.Outcome == Stale:
		return TokenSet{}, &Error{Code: CodeInvalidCredentials}
	}
	return c.toldAgain(result.Session, result.User, op.Now)
}

// ReauthenticateSMS begins to renew the caller's proof of identity by a code to
// the caller's own number; in.PhoneNumber is not read.
func (c *Core) ReauthenticateSMS(ctx context.Context, caller Caller, in BeginIn) (Challenge, error) {
	_, user, err := signedIn(caller)
	if err != nil {
		return Challenge{}, err
	}
	number, err := c.open(user.Phone, user.ID)
	if err != nil {
		return Challenge{}, err
	}
	begun, err := c.look(ctx, caller, PurposeReauthentication, number, in)
	if err != nil {
		return Challenge{}, err
	}
	defer begun.leave()
	return c.begin(ctx, begun, Pending{}, false, event.ReauthenticationStarted)
}

func (c *Core) verifyReauthentication(ctx context.Context, p *proof) (TokenSet, error) {
	result, err := c.store.RedeemReauthentication(ctx, RedeemReauthentication{
		Guess: p.guess, TokenKeyID: c.ring.KeyID(),
		OnConfirmed: p.challenge.inCountry(c.codeEvent(p, event.Reauthenticated, event.Success, "")),
	})
	if err := c.refused(p, result, err); err != nil {
		return TokenSet{}, err
	}
	return c.toldAgain(result.Session, result.User, p.now)
}
