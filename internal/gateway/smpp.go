package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/gateway/smpp"
)

// smppKind is a message centre that speaks SMPP 3.4.
func smppKind() Kind {
	return Kind{
		Name:     "smpp",
		Doc:      "a message centre of a carrier or an aggregator, by SMPP 3.4",
		Channels: []Channel{SMS},
		Settings: []Setting{
			{Name: "address", Doc: "host or host:port of the message centre; the port is 2775 by default, with TLS 3550", Required: true},
			{Name: "system_id", Doc: "the account, of 15 characters at most", Required: true},
			{Name: "password", Doc: "its password, of 8 characters at most", Secret: true, Required: true},
			{Name: "system_type", Doc: "of 12 characters at most, where the message centre asks for one"},
			{Name: "service_type", Doc: "of 5 characters at most, where the message centre asks for one"},
			{Name: "tls", Doc: "true for TLS; false by default"},
			{Name: "ca_file", Doc: "file of the certificates (PEM) that vouch for the message centre; those of the system by default"},
			{Name: "binds", Doc: "how many sessions are kept side by side, 1 to 8; 1 by default"},
			{Name: "window", Doc: "how many messages of a session may be unanswered, 1 to 10; 10 by default"},
			{Name: "alphabet", Doc: "the message centre's default alphabet: gsm (GSM 03.38, the default) or latin1"},
			{Name: "long_text", Doc: "how a text goes that one message has no room for: udh (the default), sar or payload"},
			{Name: "receipt_ids", Doc: "same (the default), or decimal where receipts give in decimal the id that was hexadecimal before"},
		},
		New: newSMPP,
	}
}

// smppSender sends by a message centre. It keeps its binds from the first message on, or
// at once where there is somebody to deliver receipts to: some may be waiting.
type smppSender struct {
	o       Options
	s       smppSettings
	options smpp.Options
	client  *smpp.Client
	sent    *smppSent
}

func newSMPP(o Options) (Sender, error) {
	settings, problem := readSMPP(o)
	if problem != nil {
		return nil, problem
	}
	p := &smppSender{o: o, s: settings, sent: newSMPPSent(smppRemembered)}
	p.options = smpp.Options{
		Dial: p.dial, Login: settings.login, Binds: settings.binds, Window: settings.window,
		Receive: p.receive, Log: o.Log.With("provider", o.Name),
	}
	p.client = smpp.NewClient(p.options)
	if o.Deliver != nil {
		p.client.Start()
	}
	return p, nil
}

func (p *smppSender) Name() string     { return p.o.Name }
func (p *smppSender) Kind() string     { return "smpp" }
func (p *smppSender) Channel() Channel { return p.o.Channel }

// Format shows the name alone: the rest has a password.
func (p *smppSender) Format(f fmt.State, _ rune) { fmt.Fprint(f, "smpp ", p.o.Name) }

// Close unbinds when what is on its way has been answered.
func (p *smppSender) Close() error {
	p.client.Close()
	return nil
}

// Receipts are none here: the message centre delivers them by the binds.
func (p *smppSender) Receipts(context.Context, Callback) ([]Receipt, error) {
	return nil, ErrNoReceipts
}

func (p *smppSender) dial(ctx context.Context) (net.Conn, error) {
	plain := &net.Dialer{KeepAlive: 30 * time.Second}
	if p.s.tls == nil {
		return plain.DialContext(ctx, "tcp", p.s.address)
	}
	return (&tls.Dialer{NetDialer: plain, Config: p.s.tls}).DialContext(ctx, "tcp", p.s.address)
}

// Send submits the parts of a message one after the other. Its reference is that of
// the first part.
func (p *smppSender) Send(ctx context.Context, m Message) (Sent, error) {
	base := smpp.Message{
		ServiceType: p.s.serviceType,
		Source:      smppAddress(p.o.Sender(m.Country)),
		Dest:        smpp.Address{TON: 1, NPI: 1, Addr: strings.TrimPrefix(m.To.E164(), "+")},
	}
	if p.o.Deliver != nil {
		base.Registered = 1
	}
	if !m.ExpiresAt.IsZero() {
		left := m.ExpiresAt.Sub(p.o.Now())
		if left <= 0 {
			return Sent{}, &SendError{Class: Retry, Cause: errors.New("the message has expired")}
		}
		base.ValidityPeriod = smpp.Period(left)
	}
	parts, segments, err := p.s.form.Parts(base, m.Body.Reveal(), smppReference(m.ID))
	if err != nil {
		return Sent{}, &SendError{Class: Final, Code: "too_long", Cause: err}
	}
	whole := newSMPPParts(m.ID, len(parts))
	for i, part := range parts {
		if err := p.submit(ctx, part, whole, i); err != nil {
			return Sent{}, smppPartFailed(i, err)
		}
	}
	return Sent{ProviderRef: whole.ref, Segments: segments}, nil
}

// submit sends a part and remembers its id. Parts after the first are offered again
// to a centre that is throttling: the first is on its way already.
func (p *smppSender) submit(ctx context.Context, part *smpp.Message, whole *smppParts, i int) error {
	answered := p.sent.begin()
	defer answered()
	id, err := p.client.Submit(ctx, part)
	for i > 0 && errors.Is(err, smpp.StatusThrottled) {
		id, err = p.client.Submit(ctx, part)
	}
	if err == nil {
		p.sent.add(p.s.sentID(id), whole, i)
	}
	return err
}

// Check binds and unbinds.
func (p *smppSender) Check(ctx context.Context) []Finding {
	err := smpp.Try(ctx, p.options)
	var refused *smpp.BindError
	switch {
	case err == nil:
		return []Finding{{What: "bind", OK: true}}
	case errors.As(err, &refused) && refused.Status == smpp.StatusAlreadyBound:
		return []Finding{{What: "bind", Problem: "the account is bound already as often as the message centre allows: set fewer binds, or ask for more"}}
	case errors.As(err, &refused):
		return []Finding{{What: "credentials", Problem: "the message centre lets no bind in (" + refused.Status.String() +
			"): check system_id, password and system_type, and ask whether it lets this address in"}}
	}
	return []Finding{{What: "reachability", Problem: "no bind at " + p.s.address + ": " + err.Error() +
		"; check address and tls, and whether a firewall is in between"}}
}

// smppReference numbers the parts of a message. A repeat has the same number, so
// that the phone can put the parts of both together.
func smppReference(id string) byte {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(id))
	return byte(sum.Sum32())
}
