package core

import (
	"context"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/password"
)

// SignupIn is a signup, and the one-step "sign in or sign up". The profile and
// the password wait in the challenge; there is no account until its code is
// redeemed.
type SignupIn struct {
	BeginIn
	Password    *keyring.Secret // nil: none
	Name, Email string
}

// Signup begins a signup. It answers the same whether or not the number has an
// account (C-55, C-59).
func (c *Core) Signup(ctx context.Context, caller Caller, in SignupIn) (Challenge, error) {
	caller.Signed = nil
	if err := refusal(checkProfile(in.Name, in.Email, in.Locale)); err != nil {
		return Challenge{}, err
	}
	number, err := c.number(in.PhoneNumber)
	if err != nil {
		return Challenge{}, err
	}
	if in.Password != nil {
		own := password.Own{Phone: number.E164(), Name: in.Name, Email: in.Email}
		if err := c.checkPassword(*in.Password, own, "password"); err != nil {
			return Challenge{}, err
		}
	}
	begun, err := c.look(ctx, caller, PurposeSignup, number, in.BeginIn)
	if err != nil {
		return Challenge{}, err
	}
	defer begun.leave()
	pending := Pending{Name: in.Name, Email: in.Email, Locale: in.Locale}
	if begun.again == nil {
		if pending.PasswordHash, err = c.pendingHash(ctx, in); err != nil {
			return Challenge{}, c.unsent(ctx, begun.sending, err)
		}
	}
	return c.begin(ctx, begun, pending, false, event.SignupStarted)
}

// pendingHash hashes a signup's password, which is slow, once all is admitted:
// the same work for known and unknown numbers.
func (c *Core) pendingHash(ctx context.Context, in SignupIn) (password.Hash, error) {
	if in.Password == nil {
		return "", nil
	}
	slot, err := c.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer slot.Release()
	hash, err := slot.Hash(*in.Password)
	if err != nil {
		return "", unavailable("hashing a password", err)
	}
	return hash, nil
}
