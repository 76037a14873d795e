package core

import (
	"context"
	"errors"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/password"
)

// ChangePasswordIn is a signed-in user's new password.
type ChangePasswordIn struct {
	Current *keyring.Secret // needed where there is one
	New     keyring.Secret
}

// ChangePassword sets the caller's password and ends the caller's other
// sessions. It needs the current one, whose guesses count like any other
// (C-19); where there is none, fresh authentication.
func (c *Core) ChangePassword(ctx context.Context, caller Caller, in ChangePasswordIn) error {
	session, user, err := signedIn(caller)
	if err != nil {
		return err
	}
	number, err := c.open(user.Phone, user.ID)
	if err != nil {
		return err
	}
	if err := c.checkPassword(in.New, password.Own{Phone: number.E164()}, "new_password"); err != nil {
		return err
	}
	if user.PasswordHash != "" && in.Current == nil {
		return invalid("current_password", "is required")
	}
	g := c.guessAt(caller, number, session.DeviceID)
	if user.PasswordHash != "" {
		if err := c.admitPassword(ctx, g); err != nil {
			return err
		}
	}
	slot, err := c.acquire(ctx)
	if err != nil {
		return err
	}
	defer slot.Release()
	defer c.settlePassword(ctx, g)

	now := c.now()
	op := SetPassword{SessionID: session.ID, Generation: user.Generation, HistoryKeep: HashHistory, Now: now}
	if user.PasswordHash == "" {
		if err := c.fresh(session, now); err != nil {
			return err
		}
	} else {
		tried, err := c.tryPassword(ctx, g, now)
		if err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx) // as at a login
		right, _, err := slot.Verify(*in.Current, tried.User.PasswordHash)
		if err != nil {
			return unavailable("judging a password", err)
		}
		if !right {
			return c.failPassword(ctx, tried)
		}
		c.settlePassword(ctx, g)
		op.Tried, op.Generation = tried.counter(), tried.User.Generation
	}
	if err := c.checkAfterProof(ctx, slot, user, in.New); err != nil {
		if op.Tried.PhoneKey != "" {
			if passErr := c.store.PassPassword(ctx, op.Tried); passErr != nil {
				return unavailable("clearing a try", passErr)
			}
		}
		return err
	}
	if op.Hash, err = slot.Hash(in.New); err != nil {
		return unavailable("hashing a password", err)
	}
	op.OnChanged = c.event(caller, now, event.PasswordChanged, event.Success)
	op.OnChanged.Method = MethodPassword
	return c.setPassword(ctx, op)
}

func (c *Core) setPassword(ctx context.Context, op SetPassword) error {
	outcome, err := c.store.SetPassword(ctx, op)
	switch {
	case err != nil:
		return unavailable("setting a password", err)
	case outcome == SessionEnded:
		return &Error{Code: CodeInvalidToken}
	case outcome == Stale:
		return &Error{Code: CodeInvalidCredentials}
	}
	return nil
}

// verifyReset sets a new password by a reset's code. Only static checks come
// before the code is touched; those that depend on the account come after it
// has matched, and then consume nothing (C-15).
func (c *Core) verifyReset(ctx context.Context, p *proof, fresh *keyring.Secret) (TokenSet, error) {
	number, err := c.open(p.challenge.Phone, p.challenge.ID)
	if err != nil {
		return TokenSet{}, err
	}
	if err := c.checkPassword(*fresh, password.Own{Phone: number.E164()}, "new_password"); err != nil {
		return TokenSet{}, err
	}
	slot, err := c.acquire(ctx)
	if err != nil {
		return TokenSet{}, err
	}
	defer slot.Release()

	match, err := c.store.MatchReset(ctx, MatchReset{Guess: p.guess})
	if err := c.refused(p, match.RedeemResult, err); err != nil {
		return TokenSet{}, err
	}
	if match.Outcome == Repeated {
		return c.signedInSet(match.Session, match.User, p.now)
	}
	if err := c.judgeNew(slot, match.User, match.History, *fresh); err != nil {
		return TokenSet{}, err
	}
	hash, err := slot.Hash(*fresh)
	if err != nil {
		return TokenSet{}, unavailable("hashing a password", err)
	}
	slot.Release()
	return c.redeemReset(ctx, p, match.User, hash)
}

func (c *Core) redeemReset(ctx context.Context, p *proof, user User, hash password.Hash) (TokenSet, error) {
	signIn, err := c.signInByCode(p)
	if err != nil {
		return TokenSet{}, err
	}
	notice, err := c.notice(p.caller, p.now, user, noticePasswordReset)
	if err != nil {
		return TokenSet{}, err
	}
	result, err := c.store.RedeemReset(ctx, RedeemReset{
		Guess: p.guess, SignIn: signIn, Hash: hash, HistoryKeep: HashHistory, Notice: notice,
		OnReset: c.codeEvent(p, event.PasswordReset, event.Success, ""),
	})
	if err := c.refused(p, result, err); err != nil {
		return TokenSet{}, err
	}
	return c.signedInSet(result.Session, result.User, p.now)
}

// checkPassword is the static part of the policy (C-13, C-14).
func (c *Core) checkPassword(pw keyring.Secret, own password.Own, name string) error {
	return weak(name, c.policy.Check(pw, own))
}

// checkAfterProof is the part that would tell a stranger of the account.
func (c *Core) checkAfterProof(ctx context.Context, slot *password.Slot, user User, fresh keyring.Secret) error {
	history, err := c.store.PasswordHistory(ctx, user.ID)
	if err != nil {
		return unavailable("reading earlier passwords", err)
	}
	return c.judgeNew(slot, user, history, fresh)
}

// judgeNew refuses the user's own data and earlier passwords (C-18).
func (c *Core) judgeNew(slot *password.Slot, user User, history []password.Hash, fresh keyring.Secret) error {
	own := password.Own{Name: user.Name, Email: user.Email}
	if err := c.checkPassword(fresh, own, "new_password"); err != nil {
		return err
	}
	for _, old := range history {
		same, _, err := slot.Verify(fresh, old)
		if err != nil {
			return unavailable("comparing with an earlier password", err)
		}
		if same {
			return weak("new_password", []string{"used before"})
		}
	}
	return nil
}

// acquire takes a hashing slot, or answers an honest 503 (C-17).
func (c *Core) acquire(ctx context.Context) (*password.Slot, error) {
	slot, err := c.hasher.Acquire(ctx)
	if errors.Is(err, password.ErrBusy) {
		return nil, unavailable("waiting for a hashing slot", err)
	}
	if err != nil {
		return nil, unavailable("taking a hashing slot", err)
	}
	return slot, nil
}

func weak(name string, messages []string) error {
	if len(messages) == 0 {
		return nil
	}
	e := &Error{Code: CodeWeakPassword}
	for _, m := range messages {
		e.Fields = append(e.Fields, Field{Name: name, Message: m})
	}
	return e
}
