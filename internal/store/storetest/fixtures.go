package storetest

import (
	"crypto/sha256"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/password"
)

// The codes that tests type. A challenge made here opens with right.
const (
	right = "right"
	wrong = "wrong"
)

const (
	challengeLife   = 10 * time.Minute
	idleTimeout     = 30 * 24 * time.Hour
	sessionLifetime = 365 * 24 * time.Hour
	grace           = 10 * time.Second
	keyLife         = 24 * time.Hour
	historyKeep     = 5
)

// codeLimits are the product's: C-40 and C-42.
func codeLimits() core.CodeLimits {
	return core.CodeLimits{Strangers: 30, StrangersWindow: 24 * time.Hour, Device: 10, DeviceWindow: time.Hour}
}

// passwordLimits are the product's: C-41 and C-42.
func passwordLimits() core.PasswordLimits {
	return core.PasswordLimits{
		Free: 3, FirstDelay: time.Second, MaxDelay: 900 * time.Second, Close: 100,
		Device: 10, DeviceWindow: time.Hour,
	}
}

// mac stands for any keyed hash.
func mac(of string) []byte {
	sum := sha256.Sum256([]byte(of))
	return sum[:]
}

// newNumber is a number that nobody has used in this world.
func (w *world) newNumber() core.SealedPhone {
	key := "pseudonym-" + w.id()
	return core.SealedPhone{Key: key, Sealed: []byte("sealed " + key), Masked: "+49*********12"}
}

// newEvent is an event as a flow would prepare it, which the operation
// completes.
func (w *world) newEvent(name event.Name) event.Event {
	return event.Event{
		ID: w.id(), Time: w.now, Name: name, Outcome: event.Success,
		IPAddress: "192.0.2.7", UserAgent: "suite/1", RequestID: "request-1",
	}
}

// newChallenge is a challenge that has just begun.
func (w *world) newChallenge(purpose core.Purpose, phone core.SealedPhone) core.Challenge {
	return core.Challenge{
		ID: w.id(), Purpose: purpose, Channel: core.ChannelSMS, Phone: phone,
		Device:  core.DeviceLabel{ID: "label", Name: "Pixel", Platform: "android"},
		CodeMAC: mac(right), CodeLength: 6, Sealed: []byte("sealed text"),
		GuessesLeft: core.MaxGuesses, ResendAt: w.now.Add(30 * time.Second),
		CreatedAt: w.now, ExpiresAt: w.now.Add(challengeLife), Dialect: "native", Country: "DE",
	}
}

// openChallenge is the input that begins a challenge.
func (w *world) openChallenge(c core.Challenge) core.OpenChallenge {
	return core.OpenChallenge{
		Challenge: c, Message: w.messageOf(c), KeyLife: keyLife, Now: w.now,
		Event: w.newEvent(event.LoginStarted),
	}
}

func (w *world) messageOf(c core.Challenge) core.Message {
	state := core.MessageQueued
	if c.Decoy {
		state = core.MessageWithheld
	}
	return core.Message{
		ID: w.id(), ChallengeID: c.ID, UserID: c.UserID, Purpose: string(c.Purpose), Channel: c.Channel,
		PhoneKey: c.Phone.Key, PhoneMasked: c.Phone.Masked, State: state,
		CreatedAt: w.now, ExpiresAt: c.ExpiresAt, RequestID: "request-1",
	}
}

// newNotice is a message of its own, for the owner of a number.
func (w *world) newNotice(phone core.SealedPhone, userID string) core.Message {
	id := w.id()
	return core.Message{
		ID: id, UserID: userID, Purpose: "password_reset_notice", Channel: core.ChannelSMS,
		PhoneKey: phone.Key, PhoneMasked: phone.Masked, Sealed: []byte("sealed notice"), SealedFor: id,
		State: core.MessageQueued, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour), RequestID: "request-1",
	}
}

// begin opens a challenge without an event.
func (w *world) begin(c core.Challenge) core.Challenge {
	w.t.Helper()
	in := w.openChallenge(c)
	in.Event = event.Event{}
	got := do(w, w.store.OpenChallenge, in)
	w.outcome(got.Outcome, core.Done)
	return got.Challenge
}

// beginSignup, beginFor and beginAs begin a challenge of a stranger, for an
// account, and on behalf of an account's session.

func (w *world) beginSignup(phone core.SealedPhone) core.Challenge {
	w.t.Helper()
	return w.begin(w.newChallenge(core.PurposeSignup, phone))
}

func (w *world) beginFor(a account, purpose core.Purpose) core.Challenge {
	w.t.Helper()
	return w.begin(w.challengeFor(a, purpose))
}

func (w *world) challengeFor(a account, purpose core.Purpose) core.Challenge {
	w.t.Helper()
	user := w.user(a.ID)
	c := w.newChallenge(purpose, user.Phone)
	c.UserID, c.Generation = user.ID, user.Generation
	return c
}

func (w *world) beginAs(a account, purpose core.Purpose, phone core.SealedPhone) core.Challenge {
	w.t.Helper()
	c := w.challengeFor(a, purpose)
	c.Phone, c.SessionID = phone, a.session.ID
	return w.begin(c)
}

// guess is the shared part of an operation that judges a code typed for c.
func (w *world) guess(c core.Challenge, code string) core.Guess {
	return core.Guess{
		ChallengeID: c.ID, CodeMACs: [][]byte{mac(code)}, SessionID: c.SessionID,
		Limits: codeLimits(), CloseAt: passwordLimits().Close, Now: w.now,
		OnWrong:    w.newEvent(event.CodeFailed),
		OnLocked:   w.newEvent(event.AccountLocked),
		OnUnlocked: w.newEvent(event.AccountUnlocked),
	}
}

// signIn is the shared part of an operation that opens a session.
func (w *world) signIn() core.SignIn {
	return core.SignIn{
		Session: w.newSession(),
		Device: core.Device{
			ID: w.id(), Label: core.DeviceLabel{ID: "label", Name: "Pixel", Platform: "android"},
			CreatedAt: w.now, LastSeenAt: w.now,
		},
		OnSignedIn:  w.newEvent(event.SuccessfulLogin),
		OnSurplus:   w.newEvent(event.SessionRevoked),
		MaxSessions: core.MaxSessions,
	}
}

// newSession is a session as a flow would prepare it, without user and device.
func (w *world) newSession() core.Session {
	id := w.id()
	return core.Session{
		ID: id, SecretHash: mac("secret of " + id), SecretSealed: []byte("sealed secret of " + id),
		TokenKeyID: "key-1", CreatedAt: w.now, AuthTime: w.now, LastSeenAt: w.now,
		IdleExpiresAt: w.now.Add(idleTimeout), ExpiresAt: w.now.Add(sessionLifetime),
		Device:    core.DeviceLabel{ID: "label", Name: "Pixel", Platform: "android"},
		IPAddress: "192.0.2.7", Network: "192.0.2.0/24", UserAgent: "suite/1",
		Methods: []string{core.MethodSMS}, Dialect: "native", Reissue: core.ReissueDevice,
	}
}

// newUser is the account that redeeming a signup would make.
func (w *world) newUser(phone core.SealedPhone) core.User {
	return core.User{
		ID: w.id(), Phone: phone, PhoneVerifiedAt: w.now, Name: "Ada", Email: "ada@example.org", Locale: "en",
		PasswordHash: password.Hash("hash of the first password"), Generation: 1, CreatedAt: w.now, UpdatedAt: w.now,
	}
}

// redeemSignup is the input that redeems a signup with the right code.
func (w *world) redeemSignup(c core.Challenge) core.RedeemSignup {
	return core.RedeemSignup{
		Guess: w.guess(c, right), SignIn: w.signIn(), User: w.newUser(c.Phone),
		OnCreated: w.newEvent(event.AccountCreated),
	}
}

// redeemLogin is the input that redeems a login with the right code.
func (w *world) redeemLogin(c core.Challenge) core.RedeemLogin {
	return core.RedeemLogin{Guess: w.guess(c, right), SignIn: w.signIn()}
}

// guessWrong types a wrong code for a login without events.
func (w *world) guessWrong(c core.Challenge) core.RedeemResult {
	w.t.Helper()
	in := w.redeemLogin(c)
	in.Guess = quiet(w.guess(c, wrong))
	return do(w, w.store.RedeemLogin, in)
}

// quiet takes the events from a guess.
func quiet(g core.Guess) core.Guess {
	g.OnWrong, g.OnLocked, g.OnUnlocked = event.Event{}, event.Event{}, event.Event{}
	return g
}

// account is a user with the session it signed up with, and the challenge that
// this redeemed.
type account struct {
	core.User
	session core.Session
	signup  string
}

// account makes a user with a number of its own, without events.
func (w *world) account() account {
	w.t.Helper()
	return w.accountAt(w.newNumber())
}

func (w *world) accountAt(phone core.SealedPhone) account {
	w.t.Helper()
	c := w.beginSignup(phone)
	in := w.redeemSignup(c)
	in.OnCreated, in.OnSignedIn = event.Event{}, event.Event{}
	got := do(w, w.store.RedeemSignup, in)
	w.outcome(got.Outcome, core.Done)
	return account{User: got.User, session: got.Session, signup: c.ID}
}

// openSession is the input of a login by the account's right password.
func (w *world) openSession(a account) core.OpenSession {
	w.t.Helper()
	in := core.OpenSession{
		SignIn: w.signIn(), UserID: a.ID, Generation: w.user(a.ID).Generation,
		Tried: core.TriedPassword{PhoneKey: a.Phone.Key}, Now: w.now, OnDisabled: w.newEvent(event.FailedLogin),
	}
	in.Session.Methods = []string{core.MethodPassword}
	return in
}

// login opens one more session, on a new device and without an event.
func (w *world) login(a account) core.Session {
	w.t.Helper()
	in := w.openSession(a)
	in.OnSignedIn = event.Event{}
	got := do(w, w.store.OpenSession, in)
	w.outcome(got.Outcome, core.Done)
	return got.Session
}

// rotate is the input that refreshes a session from where it was last seen.
func (w *world) rotate(s core.Session) core.RotateSession {
	return core.RotateSession{
		SessionID: s.ID, Counter: s.Counter, SecretHash: s.SecretHash, Thumbprint: s.Thumbprint,
		TokenKeyID: "key-2", Grace: grace, IdleTimeout: idleTimeout,
		IPAddress: s.IPAddress, Network: s.Network, UserAgent: s.UserAgent, Now: w.now,
		OnMoved:  w.newEvent(event.RefreshFromNewNetwork),
		OnReused: w.newEvent(event.RefreshTokenReused),
	}
}

// endSessions is the input that ends sessions on behalf of a's session.
func (w *world) endSessions(a account, scope core.Scope) core.EndSessions {
	return core.EndSessions{
		SessionID: a.session.ID, Scope: scope, Reason: "logout", Now: w.now, Event: w.newEvent(event.Logout),
	}
}

// endAll ends all sessions of an account, without an event.
func (w *world) endAll(a account) {
	w.t.Helper()
	in := w.endSessions(a, core.ScopeAll)
	in.Event = event.Event{}
	w.outcome(do(w, w.store.EndSessions, in), core.Done)
}

// disable disables an account, without an event.
func (w *world) disable(a account) {
	w.t.Helper()
	w.outcome(do(w, w.store.DisableUser, core.ChangeUser{UserID: a.ID, Now: w.now}), core.Done)
}

// ended gives a session of the account that has ended a moment ago.
func (w *world) ended(a account) core.Session {
	w.t.Helper()
	s := w.login(a)
	in := core.EndSessions{Scope: core.ScopeOne, TargetID: s.ID, Reason: "logout", Now: w.now}
	w.outcome(do(w, w.store.EndSessions, in), core.Done)
	return s
}

// completed fails the test unless the operation told whom its event is about.
func (w *world) completed(e event.Event, u core.User, sessionID string) {
	w.t.Helper()
	equal(w, string(e.Name)+" user_id", e.UserID, u.ID)
	equal(w, string(e.Name)+" session_id", e.SessionID, sessionID)
	equal(w, string(e.Name)+" phone_number", e.PhoneNumber, u.Phone.Masked)
	equal(w, string(e.Name)+" phone_pseudonym", e.PhonePseudonym, u.Phone.Key)
}
