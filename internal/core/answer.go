package core

import (
	"io"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
	"github.com/countersign/countersign/internal/token"
)

// TokenSet is what a sign-in, a refresh or a reauthentication answers.
type TokenSet struct {
	AccessToken      keyring.Secret
	TokenType        string // "Bearer"
	ExpiresIn        time.Duration
	RefreshToken     keyring.Secret
	RefreshExpiresAt time.Time // unless it is refreshed before
	SessionID        string
	DeviceToken      keyring.Secret // a sign-in's alone; else ""
	Created          bool           // this call made the account
	User             UserView
}

// UserView is a user as the user may see it.
type UserView struct {
	ID                    string
	PhoneNumber           phone.Number
	PhoneNumberVerifiedAt time.Time
	Name, Email, Locale   string
	EmailVerified         bool
	HasPassword           bool
	CreatedAt, UpdatedAt  time.Time
}

// SessionView is a session as its user may see it.
type SessionView struct {
	Session
	Current bool // the one that asks
}

func (c *Core) userView(u User) (UserView, error) {
	number, err := c.open(u.Phone, u.ID)
	if err != nil {
		return UserView{}, err
	}
	return UserView{
		ID: u.ID, PhoneNumber: number, PhoneNumberVerifiedAt: u.PhoneVerifiedAt,
		Name: u.Name, Email: u.Email, Locale: u.Locale, HasPassword: u.PasswordHash != "",
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}, nil
}

// tokenSet makes the tokens of a session as it stands, by its secret.
func (c *Core) tokenSet(s Session, u User, secret [16]byte, now time.Time) (TokenSet, error) {
	access, err := c.tokens.Access(token.Access{
		Subject: u.ID, SessionID: s.ID, AuthTime: s.AuthTime,
		ACR: s.AAL(), AMR: amr(s.Methods), Thumbprint: s.Thumbprint,
	}, now)
	if err != nil {
		return TokenSet{}, unavailable("signing an access token", err)
	}
	refresh, err := c.tokens.Refresh(token.Refresh{KeyID: s.TokenKeyID, SessionID: s.ID, Counter: s.Counter, Secret: secret})
	if err != nil {
		return TokenSet{}, unavailable("making a refresh token", err)
	}
	view, err := c.userView(u)
	if err != nil {
		return TokenSet{}, err
	}
	return TokenSet{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: c.tokens.TTL(),
		RefreshToken: refresh, RefreshExpiresAt: s.IdleExpiresAt, SessionID: s.ID, User: view,
	}, nil
}

// signedInSet is tokenSet with the token that makes the device known.
func (c *Core) signedInSet(s Session, u User, now time.Time) (TokenSet, error) {
	set, err := c.toldAgain(s, u, now)
	if err != nil {
		return TokenSet{}, err
	}
	set.DeviceToken = c.tokens.Device(token.Device{DeviceID: s.DeviceID, UserID: u.ID})
	return set, nil
}

// toldAgain is tokenSet for a caller who did not show the session's secret.
func (c *Core) toldAgain(s Session, u User, now time.Time) (TokenSet, error) {
	plain, err := c.ring.Open(keyring.LabelSecret, s.ID, s.SecretSealed)
	if err != nil {
		return TokenSet{}, unavailable("opening a session's secret", err)
	}
	return c.tokenSet(s, u, [16]byte(plain), now)
}

// amr names what was proved in the words of RFC 8176.
func amr(methods []string) []string {
	words := make([]string, 0, 3)
	for _, m := range methods {
		switch m {
		case MethodSMS:
			words = append(words, "sms")
		case MethodPassword:
			words = append(words, "pwd")
		}
	}
	if len(words) > 1 {
		words = append(words, "mfa")
	}
	return words
}

// newSession prepares a session; the store sets its user and device.
func (c *Core) newSession(caller Caller, now time.Time, label DeviceLabel, method string) (Session, error) {
	id, err := c.newID(now)
	if err != nil {
		return Session{}, err
	}
	var secret [16]byte
	if _, err := io.ReadFull(c.rand, secret[:]); err != nil {
		return Session{}, unavailable("making a session's secret", err)
	}
	sealed, err := c.ring.Seal(c.rand, keyring.LabelSecret, id, secret[:])
	if err != nil {
		return Session{}, unavailable("sealing a session's secret", err)
	}
	expires := now.Add(c.settings.Lifetime)
	return Session{
		ID: id, SecretHash: token.HashSecret(secret), SecretSealed: sealed, TokenKeyID: c.ring.KeyID(),
		CreatedAt: now, AuthTime: now, LastSeenAt: now,
		IdleExpiresAt: earlier(now.Add(c.settings.IdleTimeout), expires), ExpiresAt: expires,
		Device: label, IPAddress: address(caller.Address), Network: network(caller.Address), UserAgent: caller.UserAgent,
		Methods: []string{method}, Dialect: DialectNative, Reissue: ReissueDevice,
	}, nil
}

// signIn prepares what every operation that opens a session needs.
func (c *Core) signIn(caller Caller, now time.Time, label DeviceLabel, known, method string) (SignIn, error) {
	session, err := c.newSession(caller, now, label, method)
	if err != nil {
		return SignIn{}, err
	}
	device, err := c.newID(now)
	if err != nil {
		return SignIn{}, err
	}
	signedIn := c.event(caller, now, event.SuccessfulLogin, event.Success)
	signedIn.Method, signedIn.SessionID = method, session.ID
	surplus := c.event(caller, now, event.SessionRevoked, event.Success)
	surplus.Reason, surplus.SessionID = "surplus", ""
	return SignIn{
		Session: session, KnownDevice: known, MaxSessions: MaxSessions,
		Device:     Device{ID: device, Label: label, CreatedAt: now, LastSeenAt: now},
		OnSignedIn: signedIn, OnSurplus: surplus,
	}, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
