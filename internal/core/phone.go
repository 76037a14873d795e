package core

import (
	"context"

	"github.com/countersign/countersign/internal/event"
)

// ChangePhone begins to move the caller's account to another number: the code
// goes to the new one. Whether somebody has that number is told only to who
// proves to receive messages there (C-63).
func (c *Core) ChangePhone(ctx context.Context, caller Caller, in BeginIn) (Challenge, error) {
	session, user, err := signedIn(caller)
	if err != nil {
		return Challenge{}, err
	}
	number, err := c.number(in.PhoneNumber)
	if err != nil {
		return Challenge{}, err
	}
	if c.ring.Pseudonym(number.E164()) == user.Phone.Key {
		return Challenge{}, invalid("phone_number", "is the account's number already")
	}
	if err := c.fresh(session, c.now()); err != nil {
		return Challenge{}, err
	}
	begun, err := c.look(ctx, caller, PurposePhoneChange, number, in)
	if err != nil {
		return Challenge{}, err
	}
	defer begun.leave()
	return c.begin(ctx, begun, Pending{}, false, event.PhoneChangeStarted)
}

// verifyPhoneChange moves the account and tells the old number (C-52).
func (c *Core) verifyPhoneChange(ctx context.Context, p *proof) (UserView, error) {
	user := p.caller.Signed.User
	number, err := c.open(p.challenge.Phone, p.challenge.ID)
	if err != nil {
		return UserView{}, err
	}
	sealed, err := c.seal(number, user.ID)
	if err != nil {
		return UserView{}, err
	}
	notice, err := c.notice(p.caller, p.now, user, noticePhoneChanged)
	if err != nil {
		return UserView{}, err
	}
	changed := p.challenge.inCountry(c.codeEvent(p, event.PhoneNumberChanged, event.Success, "")).
		With("previous_phone_number", user.Phone.Masked)
	result, err := c.store.RedeemPhoneChange(ctx, RedeemPhoneChange{
		Guess: p.guess, Phone: sealed, Notice: notice, OnChanged: changed,
	})
	if err := c.refused(p, result, err); err != nil {
		return UserView{}, err
	}
	return c.userView(result.User)
}
