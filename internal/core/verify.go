package core

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// VerifyIn is a code for a challenge.
type VerifyIn struct {
	ChallengeID string
	Code        keyring.Secret
	NewPassword *keyring.Secret // a password reset's; nil: none
	Idempotency Idempotency
}

// VerifyOut is what a redeemed code gives: tokens, or for a phone change the
// changed user.
type VerifyOut struct {
	Tokens *TokenSet
	User   *UserView
}

// proof is a code on its way to be judged.
type proof struct {
	caller    Caller
	now       time.Time
	challenge Challenge
	guess     Guess
	taken     []limit.Count // counted ahead (guess.go)
	outcome   Outcome       // of the last operation; "" before one
}

// Verify redeems a code. It opens only its own challenge and purpose (C-05).
func (c *Core) Verify(ctx context.Context, caller Caller, in VerifyIn) (VerifyOut, error) {
	p, err := c.proofOf(ctx, caller, in)
	if err != nil {
		return VerifyOut{}, err
	}
	if err := c.admitCode(ctx, p); err != nil {
		return VerifyOut{}, err
	}
	out, err := c.redeem(ctx, p, in)
	c.settleCode(ctx, p, err)
	return out, err
}

func (c *Core) redeem(ctx context.Context, p *proof, in VerifyIn) (VerifyOut, error) {
	switch p.challenge.Purpose {
	case PurposePhoneChange:
		user, err := c.verifyPhoneChange(ctx, p)
		return VerifyOut{User: &user}, err
	case PurposePasswordReset:
		set, err := c.verifyReset(ctx, p, in.NewPassword)
		return VerifyOut{Tokens: &set}, err
	case PurposeReauthentication:
		set, err := c.verifyReauthentication(ctx, p)
		return VerifyOut{Tokens: &set}, err
	case PurposeLogin:
		set, err := c.verifyLogin(ctx, p)
		return VerifyOut{Tokens: &set}, err
	default:
		set, err := c.verifySignup(ctx, p)
		return VerifyOut{Tokens: &set}, err
	}
}

// proofOf looks at the challenge and refuses, before a guess is touched, what
// cannot be one.
func (c *Core) proofOf(ctx context.Context, caller Caller, in VerifyIn) (*proof, error) {
	ch, err := c.challenge(ctx, caller, in.ChallengeID)
	if err != nil {
		return nil, err
	}
	code, err := readCode(in.Code, ch.CodeLength)
	if err != nil {
		return nil, err
	}
	if ch.Purpose == PurposePasswordReset && in.NewPassword == nil {
		return nil, invalid("new_password", "is required")
	}
	if ch.Purpose != PurposePasswordReset && in.NewPassword != nil {
		return nil, invalid("new_password", "belongs to a password reset alone")
	}
	if !bound(ch.Purpose) {
		caller.Signed = nil
	}
	p := &proof{caller: caller, now: c.now(), challenge: ch}
	p.guess = Guess{
		ChallengeID: ch.ID, Limits: c.limits.codes, CloseAt: c.limits.passwords.Close, Now: p.now,
		CodeMACs:   c.ring.CodeMACs(ch.ID, string(ch.Purpose), ch.Phone.Key, code),
		OnWrong:    c.codeEvent(p, event.CodeFailed, event.Failure, "wrong_code"),
		OnLocked:   c.codeEvent(p, event.AccountLocked, event.Failure, "failed_codes"),
		OnUnlocked: c.codeEvent(p, event.AccountUnlocked, event.Success, "signed_in_by_code"),
	}
	p.guess.OnUnlocked.Method = MethodPassword
	if bound(ch.Purpose) {
		p.guess.SessionID = ch.SessionID
	}
	if in.Idempotency.Key != "" {
		p.guess.VerifyKey, p.guess.VerifyBody = c.idempotency("verify "+ch.ID, in.Idempotency)
		p.guess.KeyLife = idempotencyLife
	}
	return p, nil
}

// challenge reads a challenge that the caller may act on: foreign, unknown and
// malformed ids are one answer (C-64).
func (c *Core) challenge(ctx context.Context, caller Caller, id string) (Challenge, error) {
	if !keyring.ValidID(id) {
		return Challenge{}, &Error{Code: CodeNotFound}
	}
	ch, err := c.store.Challenge(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Challenge{}, &Error{Code: CodeNotFound}
	}
	if err != nil {
		return Challenge{}, unavailable("reading a challenge", err)
	}
	if bound(ch.Purpose) {
		session, _, err := signedIn(caller)
		if err != nil {
			return Challenge{}, err
		}
		if session.ID != ch.SessionID {
			return Challenge{}, &Error{Code: CodeNotFound}
		}
	}
	return ch, nil
}

// bound tells whether a purpose needs the session that began the challenge.
func bound(p Purpose) bool { return p == PurposePhoneChange || p == PurposeReauthentication }

func (c *Core) codeEvent(p *proof, name event.Name, outcome event.Outcome, reason string) event.Event {
	e := c.about(c.event(p.caller, p.now, name, outcome), p.challenge.Phone)
	e.Method, e.Reason, e.UserID = MethodSMS, reason, p.challenge.UserID
	return e
}

// refused turns an outcome of judging a code into what the caller is told;
// nil for those that are none.
func (c *Core) refused(p *proof, r RedeemResult, err error) error {
	if err != nil {
		return unavailable("redeeming a code", err)
	}
	p.outcome = r.Outcome
	switch r.Outcome {
	case Done, Repeated:
		return nil
	case Wrong:
		left := r.GuessesLeft
		if most := p.guess.Most; most > 0 {
			left = max(0, left-(MaxGuesses-most))
		}
		return &Error{Code: CodeInvalidCode, AttemptsLeft: &left}
	case KeyConflict:
		return &Error{Code: CodeIdempotencyConflict}
	case NotFound:
		return &Error{Code: CodeNotFound}
	case SessionEnded:
		return &Error{Code: CodeInvalidToken}
	case Locked:
		c.traffic(c.codeEvent(p, event.RateLimited, event.Failure, p.lock()))
		return rateLimited(p.now, r.RetryAt)
	}
	c.traffic(c.codeEvent(p, event.CodeRefused, event.Failure, string(r.Outcome)))
	switch r.Outcome {
	case Disabled:
		return &Error{Code: CodeAccountDisabled}
	case Taken:
		return &Error{Code: CodeConflict}
	case Expired:
		return &Error{Code: CodeChallengeExpired}
	default:
		return &Error{Code: CodeChallengeSpent}
	}
}

// lock names the limit that a locked number's codes have reached.
func (p *proof) lock() string {
	if p.challenge.byStranger() {
		return limitCodesNumber
	}
	return limitCodesDevice
}

func (c *Core) verifySignup(ctx context.Context, p *proof) (TokenSet, error) {
	signIn, err := c.signInByCode(p)
	if err != nil {
		return TokenSet{}, err
	}
	user, err := c.newUser(p)
	if err != nil {
		return TokenSet{}, err
	}
	created := c.codeEvent(p, event.AccountCreated, event.Success, "")
	created.UserID, created.SessionID = user.ID, signIn.Session.ID
	result, err := c.store.RedeemSignup(ctx, RedeemSignup{Guess: p.guess, SignIn: signIn, User: user, OnCreated: created})
	if err := c.refused(p, result, err); err != nil {
		return TokenSet{}, err
	}
	set, err := c.signedInSet(result.Session, result.User, p.now)
	set.Created = result.Created
	return set, err
}

// newUser prepares the account that a signup makes if the number has none.
func (c *Core) newUser(p *proof) (User, error) {
	id, err := c.newID(p.now)
	if err != nil {
		return User{}, err
	}
	number, err := c.open(p.challenge.Phone, p.challenge.ID)
	if err != nil {
		return User{}, err
	}
	sealed, err := c.seal(number, id)
	if err != nil {
		return User{}, err
	}
	pending := p.challenge.Pending
	return User{
		ID: id, Phone: sealed, PhoneVerifiedAt: p.now,
		Name: pending.Name, Email: pending.Email, Locale: pending.Locale, PasswordHash: pending.PasswordHash,
		Generation: 1, CreatedAt: p.now, UpdatedAt: p.now,
	}, nil
}

func (c *Core) verifyLogin(ctx context.Context, p *proof) (TokenSet, error) {
	signIn, err := c.signInByCode(p)
	if err != nil {
		return TokenSet{}, err
	}
	result, err := c.store.RedeemLogin(ctx, RedeemLogin{Guess: p.guess, SignIn: signIn})
	if err := c.refused(p, result, err); err != nil {
		return TokenSet{}, err
	}
	return c.signedInSet(result.Session, result.User, p.now)
}

func (c *Core) signInByCode(p *proof) (SignIn, error) {
	ch := p.challenge
	signIn, err := c.signIn(p.caller, p.now, ch.Device, ch.DeviceID, MethodSMS)
	if err != nil {
		return SignIn{}, err
	}
	signIn.Session.Dialect, signIn.Session.Thumbprint = ch.Dialect, ch.Thumbprint
	signIn.OnSignedIn = ch.inCountry(c.about(signIn.OnSignedIn, ch.Phone))
	return signIn, nil
}
