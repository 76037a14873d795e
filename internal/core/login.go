package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// LoginSMS begins a sign-in by code. A number without an account gets a decoy.
func (c *Core) LoginSMS(ctx context.Context, caller Caller, in BeginIn) (Challenge, error) {
	return c.beginForAccount(ctx, caller, PurposeLogin, in, event.LoginStarted)
}

// ResetPassword begins a password reset. A number without an account gets a
// decoy. Nothing changes before the code is proved (C-57).
func (c *Core) ResetPassword(ctx context.Context, caller Caller, in BeginIn) (Challenge, error) {
	return c.beginForAccount(ctx, caller, PurposePasswordReset, in, event.PasswordResetStarted)
}

func (c *Core) beginForAccount(ctx context.Context, caller Caller, purpose Purpose, in BeginIn, name event.Name) (Challenge, error) {
	caller.Signed = nil
	number, err := c.number(in.PhoneNumber)
	if err != nil {
		return Challenge{}, err
	}
	begun, err := c.look(ctx, caller, purpose, number, in)
	if err != nil {
		return Challenge{}, err
	}
	defer begun.leave()
	decoy := begun.user.ID == ""
	return c.begin(ctx, begun, Pending{}, decoy, name)
}

// LoginPasswordIn is a sign-in by password.
type LoginPasswordIn struct {
	PhoneNumber string
	Password    keyring.Secret
	Device      DeviceIn
	Captcha     captcha.Solution
}

// LoginPassword signs in by password. An unknown number, a user without a
// password and a wrong password are one answer, after the same work (C-60).
func (c *Core) LoginPassword(ctx context.Context, caller Caller, in LoginPasswordIn) (TokenSet, error) {
	caller.Signed = nil
	if err := refusal(checkDevice(in.Device)); err != nil {
		return TokenSet{}, err
	}
	number, err := c.number(in.PhoneNumber)
	if err != nil {
		return TokenSet{}, err
	}
	g := c.guessAt(caller, number, c.shownDevice(in.Device))
	g.solution = in.Captcha
	if err := c.admitPassword(ctx, g); err != nil {
		return TokenSet{}, err
	}
	if err := c.admitCaptcha(ctx, g); err != nil {
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
	ctx = context.WithoutCancel(ctx) // a try that was taken runs to its end: hanging up hides nothing
	right, outdated, err := slot.Verify(in.Password, tried.User.PasswordHash)
	if err != nil {
		return TokenSet{}, unavailable("judging a password", err)
	}
	if !right {
		slot.Release()
		return TokenSet{}, c.failPassword(ctx, tried)
	}
	op := OpenSession{UserID: tried.User.ID, Generation: tried.User.Generation, Tried: tried.counter(), Now: now}
	if outdated {
		if op.Upgraded, err = slot.Hash(in.Password); err != nil {
			return TokenSet{}, unavailable("hashing a password", err)
		}
	}
	c.settlePassword(ctx, g) // before the next gets the slot: right ones never fill the address
	slot.Release()
	return c.openSession(ctx, tried, op, in.Device)
}

// openSession commits a sign-in whose password was right.
func (c *Core) openSession(ctx context.Context, tried triedPassword, op OpenSession, device DeviceIn) (TokenSet, error) {
	known := ""
	if tried.KnownDevice {
		known = tried.device
	}
	var err error
	if op.SignIn, err = c.signIn(tried.caller, op.Now, device.label(), known, MethodPassword); err != nil {
		return TokenSet{}, err
	}
	op.OnDisabled = tried.event(c, event.FailedLogin, event.Failure)
	op.OnDisabled.Reason = "account_disabled"
	result, err := c.store.OpenSession(ctx, op)
	switch {
	case err != nil:
		return TokenSet{}, unavailable("opening a session", err)
	case result.Outcome == Disabled:
		return TokenSet{}, &Error{Code: CodeAccountDisabled}
	case result.Outcome == Stale:
		e := tried.event(c, event.FailedLogin, event.Failure)
		e.Reason = "password_replaced_meanwhile"
		c.traffic(e)
		return TokenSet{}, &Error{Code: CodeInvalidCredentials}
	}
	return c.signedInSet(result.Session, result.User, op.Now)
}

// triedPassword is a try that the store has counted ahead and handed out for
// judgement.
type triedPassword struct {
	TryPasswordResult
	*guess
	now time.Time
}

// counter names what a right password clears.
func (t triedPassword) counter() TriedPassword {
	return TriedPassword{PhoneKey: t.phone.Key, DeviceID: t.device, KnownDevice: t.KnownDevice}
}

func (t triedPassword) event(c *Core, name event.Name, outcome event.Outcome) event.Event {
	e := c.about(c.event(t.caller, t.now, name, outcome), t.phone)
	e.Method, e.UserID = MethodPassword, t.User.ID
	return e
}

// tryPassword takes the try before its password is judged, or refuses it
// unevaluated (C-41, C-44, C-62). The caller holds a hashing slot by now, so that
// overload counts nothing, and settles it (settlePassword).
func (c *Core) tryPassword(ctx context.Context, g *guess, now time.Time) (triedPassword, error) {
	tried := triedPassword{guess: g, now: now}
	if err := c.takePassword(ctx, g); err != nil {
		return tried, err
	}
	unlocked := tried.event(c, event.AccountUnlocked, event.Success)
	unlocked.Reason = "wait_over"
	op := TryPassword{
		PhoneKey: g.phone.Key, DeviceID: g.device, Limits: c.limits.passwords, Now: now, OnUnlocked: unlocked,
	}
	if g.caller.Signed != nil {
		op.SessionID = g.caller.Signed.Session.ID
	}
	var err error
	tried.TryPasswordResult, err = c.store.TryPassword(ctx, op)
	switch {
	case err != nil:
		return tried, unavailable("taking a try", err)
	case tried.Outcome == SessionEnded:
		return tried, &Error{Code: CodeInvalidToken}
	case tried.Outcome == Locked:
		c.tellGuess(g, "failed_passwords")
		return tried, rateLimited(now, tried.RetryAt)
	}
	return tried, nil
}

// failPassword tells of a wrong password, and of the wait it earned.
func (c *Core) failPassword(ctx context.Context, tried triedPassword) error {
	tried.failed = !tried.KnownDevice
	op := FailPassword{Now: tried.now, OnFailed: tried.event(c, event.FailedLogin, event.Failure)}
	switch {
	case !tried.Found:
		op.OnFailed.Reason = "unknown_number"
	case tried.User.PasswordHash == "":
		op.OnFailed.Reason = "no_password"
	default:
		op.OnFailed.Reason = "wrong_password"
	}
	if !tried.LockedUntil.IsZero() {
		op.OnLocked = tried.event(c, event.AccountLocked, event.Failure).
			With("failed_attempts", int64(tried.Failures)).
			With("lock_seconds", int64(tried.LockedUntil.Sub(tried.now)/time.Second))
		op.OnLocked.Reason = "failed_passwords"
	}
	if err := c.store.FailPassword(ctx, op); err != nil {
		return unavailable("telling of a failed password", err)
	}
	return &Error{Code: CodeInvalidCredentials}
}
