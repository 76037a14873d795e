package core

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
	"github.com/countersign/countersign/internal/token"
)

// Caller is who asks: where from, with what, in which request, and, once the
// door has let them in, in which session or by which API key.
type Caller struct {
	Address   netip.Addr
	UserAgent string
	RequestID string
	Languages string // Accept-Language as sent
	Signed    *Signed
	Key       *APIKey
}

// Signed is a signed-in caller's session and user, read at the door.
type Signed struct {
	Session Session
	User    User
}

// Authenticate is the door: it judges an access token and reads its session,
// so that an ended session is refused at once (invariant 5).
func (c *Core) Authenticate(ctx context.Context, caller Caller, bearer keyring.Secret) (Caller, error) {
	now := c.now()
	access, err := c.tokens.ParseAccess(bearer.Reveal(), now)
	if err != nil {
		return caller, c.refuseToken(caller, now, "access_token", reasonOf(err), Session{})
	}
	session, user, err := c.store.Session(ctx, access.SessionID)
	switch {
	case errors.Is(err, ErrNotFound):
		return caller, c.refuseToken(caller, now, "access_token", "unknown_session", Session{})
	case err != nil:
		return caller, unavailable("reading the session", err)
	case !session.Alive(now), user.Disabled(), user.ID != access.Subject:
		return caller, c.refuseToken(caller, now, "access_token", "ended_session", session)
	}
	caller.Signed = &Signed{Session: session, User: user}
	return caller, nil
}

// refuseToken tells the log of a bad token and gives the refusal.
func (c *Core) refuseToken(caller Caller, now time.Time, method, reason string, s Session) error {
	e := c.event(caller, now, event.InvalidToken, event.Failure)
	e.Method, e.Reason, e.UserID, e.SessionID = method, reason, s.UserID, s.ID
	c.traffic(e)
	return &Error{Code: CodeInvalidToken}
}

func reasonOf(err error) string {
	if errors.Is(err, token.ErrExpired) {
		return "expired"
	}
	return "malformed"
}

// signedIn gives the caller's session and user, or the refusal that there is none.
func signedIn(caller Caller) (Session, User, error) {
	if caller.Signed == nil {
		return Session{}, User{}, &Error{Code: CodeInvalidToken, NoToken: true}
	}
	return caller.Signed.Session, caller.Signed.User, nil
}

// fresh refuses a session whose proof of identity is too old for what it asks.
func (c *Core) fresh(s Session, now time.Time) error {
	if now.Sub(s.AuthTime) > c.settings.ReauthWindow {
		return &Error{Code: CodeReauthenticationRequired}
	}
	return nil
}

// event begins an event of this caller. One whose id cannot be made has no id
// and is not written; the flow that needs chance has failed by then.
func (c *Core) event(caller Caller, now time.Time, name event.Name, outcome event.Outcome) event.Event {
	id, err := keyring.NewID(now, c.rand)
	if err != nil {
		id = ""
	}
	e := event.Event{
		ID: id, Time: now, Name: name, Outcome: outcome,
		IPAddress: address(caller.Address), UserAgent: caller.UserAgent, RequestID: caller.RequestID,
	}
	if caller.Signed != nil {
		user := caller.Signed.User
		e = c.about(e, user.Phone)
		e.UserID, e.SessionID = user.ID, caller.Signed.Session.ID
	}
	if caller.Key != nil {
		e = e.With("api_key", caller.Key.ID)
	}
	return e
}

// about adds the number that an event tells of, and that it is a test number.
func (c *Core) about(e event.Event, p SealedPhone) event.Event {
	e.PhoneNumber, e.PhonePseudonym = p.Masked, p.Key
	if c.testKeys[p.Key] && c.testCodesHold(e.Time) {
		e = e.With("test_number", true)
	}
	return e
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// network is the /24 or /48 that an address lies in: what changes when a
// session moves to another place (C-34).
func network(a netip.Addr) string { return within(a, 24, 48) }

// host is what counts as one address: an IPv4 address, or the /64 that an IPv6
// one lies in. A mapped IPv4 address is an IPv4 address (C-44).
func host(a netip.Addr) string {
	if a.Unmap().Is4() {
		return address(a)
	}
	return within(a, 32, 64)
}

// within is the network of so many bits that an address lies in.
func within(a netip.Addr, bits4, bits6 int) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := bits6
	if a.Is4() {
		bits = bits4
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// number reads a phone number as a person typed it (C-69). A test number of
// the operator's passes although it cannot exist.
func (c *Core) number(input string) (phone.Number, error) {
	if len(c.settings.TestNumbers) > 0 {
		if e164, err := phone.Normalize(input, c.settings.DefaultRegion); err == nil {
			if _, ok := c.testCode(e164); ok {
				return phone.FromE164(e164)
			}
		}
	}
	n, err := phone.Parse(input, c.settings.DefaultRegion)
	if err != nil {
		return phone.Number{}, &Error{
			Code:   CodeInvalidPhoneNumber,
			Fields: []Field{{Name: "phone_number", Message: err.Error()}},
		}
	}
	return n, nil
}

// seal gives a number as the store sees it, bound to the row that holds it.
func (c *Core) seal(n phone.Number, row string) (SealedPhone, error) {
	sealed, err := c.ring.Seal(c.rand, keyring.LabelPhone, row, []byte(n.E164()))
	if err != nil {
		return SealedPhone{}, unavailable("sealing a phone number", err)
	}
	return SealedPhone{Key: c.ring.Pseudonym(n.E164()), Sealed: sealed, Masked: n.Masked()}, nil
}

// open gives the number that a row holds sealed.
func (c *Core) open(p SealedPhone, row string) (phone.Number, error) {
	plain, err := c.ring.Open(keyring.LabelPhone, row, p.Sealed)
	if err != nil {
		return phone.Number{}, unavailable("opening a phone number", err)
	}
	return phone.FromE164(string(plain))
}

// newID makes an id, or an honest refusal when there is no chance to be had (C-103).
func (c *Core) newID(now time.Time) (string, error) {
	id, err := keyring.NewID(now, c.rand)
	if err != nil {
		return "", unavailable("making an id", err)
	}
	return id, nil
}
