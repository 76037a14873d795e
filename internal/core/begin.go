package core

import (
	"context"
	"strings"
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
	Channel     string // one that is offered for the number; "" for the usual one
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
	*sending
	purpose Purpose
	channel Channel
	in      BeginIn
	state   NumberState
	user    User   // whom it is begun for; ID "" where nobody has the number
	known   string // the device shown, where it is this user's, proved or not

	beginKey, beginBody []byte // of an idempotent request
}

// look admits a begin and reads who has the number and how it was guessed: the
// one read of every begin, the same for known and unknown numbers (C-60).
func (c *Core) look(ctx context.Context, caller Caller, purpose Purpose, number phone.Number, in BeginIn) (beginning, error) {
	if err := checkBegin(in); err != nil {
		return beginning{}, err
	}
	b := beginning{sending: c.sendingTo(caller, c.now(), number, number.Region(), in.Captcha), purpose: purpose, in: in}
	var err error
	if b.channel, err = c.settings.channel(number, b.country, in.Channel, ChannelSMS); err != nil {
		return beginning{}, err
	}
	if in.Idempotency.Key != "" {
		b.beginKey, b.beginBody = c.idempotency(string(purpose)+" "+b.session().ID, in.Idempotency)
		b.key, b.request = b.beginKey, b.beginBody
	}
	shown := ""
	switch {
	case purpose == PurposePhoneChange: // a stranger to the new number, whatever is shown
	case caller.Signed != nil:
		shown = b.session().DeviceID
	default:
		shown = c.shownDevice(in.Device)
	}
	if err := c.admitDoor(ctx, b.sending, shown != ""); err != nil {
		return beginning{}, err
	}
	if b.again != nil {
		return b, nil
	}
	if b.state, err = c.store.Number(ctx, b.phone.Key, shown); err != nil {
		return beginning{}, unavailable("reading a number", err)
	}
	b.user = b.state.User
	if b.state.KnownDevice {
		b.known = shown
	}
	b.ofDevice = b.known != "" && purpose != PurposePhoneChange
	if b.state.KnownDevice && b.state.DeviceProved {
		b.device = shown
	}
	if caller.Signed != nil {
		b.user = caller.Signed.User
	}
	return b, c.admit(ctx, b.sending)
}

// session is the one that begins the challenge; zero where nobody is signed in.
func (b beginning) session() Session {
	if b.caller.Signed == nil {
		return Session{}
	}
	return b.caller.Signed.Session
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
		ID: id, Purpose: b.purpose, Channel: b.channel, Phone: sealed, Country: b.country, Decoy: decoy,
		UserID: b.user.ID, Generation: b.user.Generation, SessionID: b.session().ID,
		DeviceID: b.known, Device: b.in.Device.label(), Pending: pending,
		GuessesLeft: MaxGuesses, CreatedAt: b.now, ExpiresAt: expires,
		ResendAt: c.limits.resendAt(0, b.now, expires), Dialect: DialectNative,
		CodeLength: c.limits.codeLength(b.state, b.now), BeginKey: b.beginKey, BeginBody: b.beginBody,
	}
	if b.guard != nil && b.guard.alarm && b.device == "" {
		ch.CodeLength = longCodeDigits
	}
	if b.caller.Signed != nil {
		ch.DeviceID = b.session().DeviceID
	}
	text, err := c.writeCode(b, &ch)
	if err != nil {
		return OpenChallenge{}, err
	}
	message, err := c.challengeMessage(b.sending, ch, text)
	if err != nil {
		return OpenChallenge{}, err
	}
	return OpenChallenge{
		Challenge: ch, Message: message, Sends: c.sendLimits(b.sending), KeyLife: idempotencyLife, Now: b.now,
	}, nil
}

// writeCode makes the code, its MAC and its sealed message, whose text it gives.
func (c *Core) writeCode(b beginning, ch *Challenge) (keyring.Secret, error) {
	code, err := keyring.NewCode(ch.CodeLength, c.rand)
	if err != nil {
		return "", unavailable("making a code", err)
	}
	if fixed, ok := c.testCode(b.number.E164()); ok {
		code, ch.CodeLength = keyring.Secret(fixed), len(fixed)
	}
	lang := c.settings.Texts.Match(b.in.Locale, b.caller.Languages)
	vars := locale.Vars{
		App: c.settings.AppName, Code: code.Reveal(), Host: c.settings.Host, Minutes: int(c.settings.CodeTTL / time.Minute),
	}
	if strings.EqualFold(b.in.Device.Platform, "android") {
		vars.AppHash = c.settings.AndroidAppHash
	}
	text := Text{Code: code, Locale: lang, Body: keyring.Secret(c.settings.Texts.Code(lang, string(b.purpose), vars))}
	ch.Sealed, err = SealText(c.ring, c.rand, ch.ID, b.number, text)
	if err != nil {
		return "", unavailable("writing a message", err)
	}
	ch.CodeMAC = c.ring.CodeMACs(ch.ID, string(ch.Purpose), ch.Phone.Key, code)[0]
	return text.Body, nil
}

// challengeMessage queues a challenge's own sealed text.
func (c *Core) challengeMessage(s *sending, ch Challenge, text keyring.Secret) (Message, error) {
	id, err := c.newID(s.now)
	if err != nil {
		return Message{}, err
	}
	state := MessageQueued
	if ch.Decoy || s.test {
		state = MessageWithheld
	}
	return Message{
		ID: id, ChallengeID: ch.ID, UserID: ch.UserID, Purpose: string(ch.Purpose), Channel: ch.Channel,
		PhoneKey: ch.Phone.Key, PhoneMasked: ch.Phone.Masked, State: state,
		Bucket: s.device, Country: s.country, PrefixKey: c.prefixKey(s.number),
		Price:     c.settings.price(ch.Channel, s.number, s.country, text),
		CreatedAt: s.now, ExpiresAt: ch.ExpiresAt, RequestID: s.caller.RequestID,
	}, nil
}

// begin prepares and commits a challenge that was admitted, and answers it.
func (c *Core) begin(ctx context.Context, b beginning, pending Pending, decoy bool, name event.Name) (Challenge, error) {
	if b.again != nil {
		return *b.again, nil
	}
	op, err := c.prepare(b, pending, decoy)
	if err != nil {
		return Challenge{}, c.unsent(ctx, b.sending, err)
	}
	op.Event = c.about(c.event(b.caller, b.now, name, event.Success), op.Challenge.Phone)
	op.Event.Method = string(op.Challenge.Channel)
	op.Event.UserID = b.user.ID
	result, err := c.store.OpenChallenge(ctx, op)
	switch {
	case err != nil:
		return Challenge{}, c.unsent(ctx, b.sending, unavailable("opening a challenge", err))
	case result.Outcome == KeyConflict:
		return Challenge{}, c.unsent(ctx, b.sending, &Error{Code: CodeIdempotencyConflict})
	case result.Outcome == SessionEnded:
		return Challenge{}, c.unsent(ctx, b.sending, &Error{Code: CodeInvalidToken})
	case result.Outcome == Limited:
		return Challenge{}, c.overSent(ctx, b.sending, result.Limit, result.RetryAt)
	case result.Outcome == Repeated:
		c.repeated(ctx, b.sending)
		return result.Challenge, nil
	}
	c.sent(ctx, b.sending)
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

// testCode is the fixed code of a test number of the operator's. Past their
// time they are numbers like any other.
func (c *Core) testCode(e164 string) (string, bool) {
	code, ok := c.settings.TestNumbers[e164]
	if !ok || !c.testCodesHold(c.now()) {
		return "", false
	}
	return code, true
}

func (c *Core) testCodesHold(now time.Time) bool {
	until := c.settings.TestNumbersUntil
	return until.IsZero() || now.Before(until)
}

func (c *Core) isTest(n phone.Number) bool {
	_, ok := c.testCode(n.E164())
	return ok
}

func (d DeviceIn) label() DeviceLabel {
	return DeviceLabel{ID: d.ID, Name: d.Name, Platform: d.Platform}
}
