package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/locale"
	"github.com/countersign/countersign/internal/phone"
)

// BeginIn is what every flow that begins a challenge takes.
type BeginIn struct {
	PhoneNumber string // as typed
	Locale      string // of the message; "" goes by Caller.Languages
	Channel     string // "" or "sms"
	Device      DeviceIn
	Captcha     captcha.Solution // Type and Token, where one was asked for
	Idempotency Idempotency
}

// DeviceIn is a device as its client describes it, with the token that an
// earlier sign-in gave it. Ill-formed tokens are no device, and no error.
type DeviceIn struct {
	ID, Name, Platform string
	Token              keyring.Secret
}

// Idempotency is a client's key for a request, and the request's body. Key ""
// is none.
type Idempotency struct {
	Key  string
	Body []byte
}

// beginning is what the flows that begin a challenge share: who is asked to
// prove which number, and what the look at it found.
type beginning struct {
	caller  Caller
	now     time.Time
	purpose Purpose
	number  phone.Number
	in      BeginIn
	state   NumberState
	user    User   // whom it is begun for; ID "" where nobody has the number
	device  string // a device known to be user's; "" for strangers
}

// look reads who has the number and how it was guessed: the one read of every
// begin, the same for known and unknown numbers (C-60).
func (c *Core) look(ctx context.Context, caller Caller, purpose Purpose, number phone.Number, in BeginIn) (beginning, error) {
	if err := checkBegin(in); err != nil {
		return beginning{}, err
	}
	shown := c.shownDevice(in.Device)
	state, err := c.store.Number(ctx, c.ring.Pseudonym(number.E164()), shown)
	if err != nil {
		return beginning{}, unavailable("reading a number", err)
	}
	b := beginning{caller: caller, now: c.now(), purpose: purpose, number: number, in: in, state: state, user: state.User}
	if state.KnownDevice {
		b.device = shown
	}
	if caller.Signed != nil {
		b.user, b.device = caller.Signed.User, caller.Signed.Session.DeviceID
	}
	return b, nil
}

// prepare makes the challenge: id, code, sealed message, MAC. A decoy is made
// with the same work.
func (c *Core) prepare(b beginning, pending Pending, decoy bool) (OpenChallenge, error) {
	id, err := c.newID(b.now)
	if err != nil {
		return OpenChallenge{}, err
	}
	sealed, err := c.seal(b.number, id)
	if err != nil {
		return OpenChallenge{}, err
	}
	expires := b.now.Add(c.settings.CodeTTL)
	ch := Challenge{
		ID: id, Purpose: b.purpose, Channel: ChannelSMS, Phone: sealed, Decoy: decoy,
		UserID: b.user.ID, Generation: b.user.Generation,
		DeviceID: b.device, Device: b.in.Device.label(), Pending: pending,
		GuessesLeft: MaxGuesses, CreatedAt: b.now, ExpiresAt: expires,
		ResendAt: c.limits.resendAt(0, b.now, expires), Dialect: DialectNative,
		CodeLength: c.limits.codeLength(b.state, b.now),
	}
	if b.caller.Signed != nil {
		ch.SessionID = b.caller.Signed.Session.ID
	}
	if b.in.Idempotency.Key != "" {
		ch.BeginKey, ch.BeginBody = c.idempotency(string(b.purpose)+" "+ch.SessionID, b.in.Idempotency)
	}
	if err := c.writeCode(b, &ch); err != nil {
		return OpenChallenge{}, err
	}
	message, err := c.challengeMessage(ch, b.caller, b.now)
	if err != nil {
		return OpenChallenge{}, err
	}
	if c.isTest(b.number) {
		message.State = MessageWithheld
	}
	return OpenChallenge{Challenge: ch, Message: message, KeyLife: idempotencyLife, Now: b.now}, nil
}

// writeCode makes the code, its MAC and its sealed message.
func (c *Core) writeCode(b beginning, ch *Challenge) error {
	code, err := keyring.NewCode(ch.CodeLength, c.rand)
	if err != nil {
		return unavailable("making a code", err)
	}
	if fixed, ok := c.settings.TestNumbers[b.number.E164()]; ok {
		code, ch.CodeLength = keyring.Secret(fixed), len(fixed)
	}
	lang := locale.Match(b.in.Locale, b.caller.Languages)
	text := locale.CodeMessage(lang, string(b.purpose), locale.Vars{
		App: c.settings.AppName, Code: code.Reveal(), Host: c.settings.Host,
		Minutes: int(c.settings.CodeTTL / time.Minute),
	})
	ch.Sealed, err = SealText(c.ring, c.rand, ch.ID, b.number, keyring.Secret(text))
	if err != nil {
		return unavailable("writing a message", err)
	}
	ch.CodeMAC = c.ring.CodeMACs(ch.ID, string(ch.Purpose), ch.Phone.Key, code)[0]
	return nil
}

// challengeMessage queues a challenge's own sealed text.
func (c *Core) challengeMessage(ch Challenge, caller Caller, now time.Time) (Message, error) {
	id, err := c.newID(now)
	if err != nil {
		return Message{}, err
	}
	state := MessageQueued
	if ch.Decoy {
		state = MessageWithheld
	}
	return Message{
		ID: id, ChallengeID: ch.ID, UserID: ch.UserID, Purpose: string(ch.Purpose), Channel: ch.Channel,
		PhoneKey: ch.Phone.Key, PhoneMasked: ch.Phone.Masked, State: state,
		CreatedAt: now, ExpiresAt: ch.ExpiresAt, RequestID: caller.RequestID,
	}, nil
}

// openChallenge commits a begun challenge and answers it.
func (c *Core) openChallenge(ctx context.Context, b beginning, op OpenChallenge, name event.Name) (Challenge, error) {
	op.Event = about(c.event(b.caller, b.now, name, event.Success), op.Challenge.Phone)
	op.Event.Method = string(op.Challenge.Channel)
	op.Event.UserID = b.user.ID
	result, err := c.store.OpenChallenge(ctx, op)
	switch {
	case err != nil:
		return Challenge{}, unavailable("opening a challenge", err)
	case result.Outcome == KeyConflict:
		return Challenge{}, &Error{Code: CodeIdempotencyConflict}
	case result.Outcome == SessionEnded:
		return Challenge{}, &Error{Code: CodeInvalidToken}
	}
	return result.Challenge, nil
}

// idempotency gives the keyed hashes by which a repeated request is known.
func (c *Core) idempotency(scope string, i Idempotency) (key, body []byte) {
	key = c.ring.Fingerprint(keyring.LabelIdempotency, []byte(scope), []byte(i.Key))
	body = c.ring.Fingerprint(keyring.LabelIdempotency, []byte(scope), []byte(i.Key), i.Body)
	return key, body
}

// shownDevice is the device of a token that we made; whose, the store judges.
func (c *Core) shownDevice(d DeviceIn) string {
	if d.Token == "" {
		return ""
	}
	shown, err := c.tokens.ParseDevice(d.Token.Reveal())
	if err != nil {
		return ""
	}
	return shown.DeviceID
}

func (c *Core) isTest(n phone.Number) bool {
	_, ok := c.settings.TestNumbers[n.E164()]
	return ok
}

func (d DeviceIn) label() DeviceLabel {
	return DeviceLabel{ID: d.ID, Name: d.Name, Platform: d.Platform}
}
