package gatewaytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/internal/gateway/smpp"
)

// SMSC is a message centre that speaks SMPP 3.4. It fails the test for what the
// protocol or the reference does not allow; what it answers can be told ahead.
type SMSC struct {
	SystemID, Password string // whom it lets in: house, secret08

	// Bound answers a bind that is let in; nil: with a yes.
	Bound func() smpp.Status
	// Answer answers the n-th message, counted from 1; nil: it takes them all.
	Answer func(n int, m *smpp.Message) Reply

	t     testing.TB
	lines sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	submitted []*smpp.Message
	open      map[*line]bool // true: bound
	binds     int            // ever
	unbinds   int
	enquiries int
}

// Reply is what becomes of a message.
type Reply struct {
	Status smpp.Status
	ID     string          // "": its number
	First  *smpp.Message   // delivered before the answer
	After  <-chan struct{} // the answer waits for it; others do not
	Silent bool            // no answer
	Drop   bool            // no answer, and the connection is cut
}

// line is a connection.
type line struct {
	conn    net.Conn
	writing chan struct{}

	mu    sync.Mutex
	last  uint32
	asked map[uint32]chan smpp.PDU
}

// NewSMSC makes one that serves the connections it is given, until the test ends.
func NewSMSC(t testing.TB) *SMSC {
	s := &SMSC{SystemID: "house", Password: "secret08", t: t, open: map[*line]bool{}}
	t.Cleanup(s.close)
	return s
}

// Listen makes it serve a free port of the loopback, with TLS where settings for
// it are given, and tells the address.
func (s *SMSC) Listen(secured *tls.Config) string {
	s.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	if secured != nil {
		listener = tls.NewListener(listener, secured)
	}
	s.t.Cleanup(func() { listener.Close() })
	s.lines.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.Serve(conn)
		}
	})
	return listener.Addr().String()
}

// Dial gives one end of a pipe and serves the other.
func (s *SMSC) Dial(context.Context) (net.Conn, error) {
	mine, theirs := net.Pipe()
	s.Serve(theirs)
	return mine, nil
}

// Serve serves a connection.
func (s *SMSC) Serve(conn net.Conn) {
	l := &line{conn: conn, writing: make(chan struct{}, 1), asked: map[uint32]chan smpp.PDU{}}
	s.lines.Go(func() {
		defer func() { _ = conn.Close() }()
		s.mu.Lock()
		closed := s.closed
		if !closed {
			s.open[l] = false
		}
		s.mu.Unlock()
		if !closed {
			s.serve(l)
		}
	})
}

func (s *SMSC) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Cut()
	s.lines.Wait()
}

// Cut ends all connections, without a word.
func (s *SMSC) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.open {
		_ = l.conn.Close()
	}
}

// Submitted gives the messages that came, answered or not.
func (s *SMSC) Submitted() []*smpp.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*smpp.Message(nil), s.submitted...)
}

// Counts tells how many binds are there now, how many were let in ever, how many left in
// order, and how often it was asked whether it is there.
func (s *SMSC) Counts() (bound, binds, unbinds, enquiries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, isBound := range s.open {
		if isBound {
			bound++
		}
	}
	return bound, s.binds, s.unbinds, s.enquiries
}

// Deliver delivers a message by one of the binds and gives what it is answered
// with. Where none is bound, or the connection is lost, it is an error.
func (s *SMSC) Deliver(m *smpp.Message) (smpp.Status, error) {
	p, err := s.Ask(smpp.PDU{Command: smpp.DeliverSM, Body: m})
	if err == nil && p.Command != smpp.DeliverSM|smpp.Response {
		return p.Status, fmt.Errorf("deliver_sm was answered by %v", p)
	}
	return p.Status, err
}

// Ask sends a request by one of the binds, and gives the answer.
func (s *SMSC) Ask(p smpp.PDU) (smpp.PDU, error) {
	s.mu.Lock()
	var l *line
	for some, isBound := range s.open {
		if isBound {
			l = some
		}
	}
	s.mu.Unlock()
	if l == nil {
		return smpp.PDU{}, errors.New("nobody is bound")
	}
	return l.ask(p)
}

// serve reads until the connection ends. The first PDU has to be the bind.
func (s *SMSC) serve(l *line) {
	defer func() {
		s.mu.Lock()
		delete(s.open, l)
		s.mu.Unlock()
		l.forget()
	}()
	if !s.bind(l) {
		return
	}
	for {
		p, err := smpp.Read(l.conn)
		if err != nil {
			if errors.Is(err, smpp.ErrBody) || errors.Is(err, smpp.ErrLength) || errors.Is(err, smpp.ErrSequence) {
				s.t.Errorf("the client sent what is no PDU: %v", err)
			}
			return
		}
		switch {
		case p.Command.IsResponse():
			l.answered(p)
		case p.Command == smpp.SubmitSM:
			s.submit(l, p)
		case p.Command == smpp.EnquireLink:
			s.mu.Lock()
			s.enquiries++
			s.mu.Unlock()
			l.write(smpp.PDU{Command: p.Command | smpp.Response, Sequence: p.Sequence})
		case p.Command == smpp.Unbind:
			s.mu.Lock()
			s.unbinds++
			s.mu.Unlock()
			l.write(smpp.PDU{Command: p.Command | smpp.Response, Sequence: p.Sequence})
			return
		default:
			s.t.Errorf("the client sent %v", p)
			l.write(smpp.PDU{Command: smpp.GenericNack, Status: smpp.StatusCommand, Sequence: p.Sequence})
		}
	}
}

func (s *SMSC) bind(l *line) bool {
	p, err := smpp.Read(l.conn)
	if err != nil {
		return false
	}
	b, ok := p.Body.(*smpp.Bind)
	status := smpp.StatusOK
	switch {
	case !ok || p.Command != smpp.BindTransceiver || b.Version != 0x34 || p.Status != 0:
		s.t.Errorf("the client began with %v", p)
		return false
	case b.SystemID != s.SystemID:
		status = smpp.StatusSystemID
	case b.Password.Reveal() != s.Password:
		status = smpp.StatusPassword
	case s.Bound != nil:
		status = s.Bound()
	}
	answer := smpp.PDU{Command: p.Command | smpp.Response, Status: status, Sequence: p.Sequence}
	if status == smpp.StatusOK {
		answer.Body = &smpp.BindResponse{SystemID: "smsc", TLVs: []smpp.TLV{{Tag: 0x0210, Value: []byte{0x34}}}}
		s.mu.Lock()
		s.open[l] = true
		s.binds++
		s.mu.Unlock()
	}
	l.write(answer)
	return status == smpp.StatusOK
}

// submit takes a message and answers it, in its own time.
func (s *SMSC) submit(l *line, p smpp.PDU) {
	m, ok := p.Body.(*smpp.Message)
	if !ok || p.Status != 0 {
		s.t.Errorf("submit_sm without a message: %v", p)
		return
	}
	if problem := Judge(m); problem != "" {
		s.t.Errorf("submit_sm: %s", problem)
	}
	s.mu.Lock()
	s.submitted = append(s.submitted, m)
	n := len(s.submitted)
	s.mu.Unlock()
	reply := Reply{}
	if s.Answer != nil {
		reply = s.Answer(n, m)
	}
	if reply.Drop {
		_ = l.conn.Close()
	}
	if reply.Drop || reply.Silent {
		return
	}
	if reply.ID == "" {
		reply.ID = strconv.Itoa(n)
	}
	answer := smpp.PDU{Command: p.Command | smpp.Response, Status: reply.Status, Sequence: p.Sequence}
	if reply.Status == smpp.StatusOK {
		answer.Body = &smpp.MessageResponse{MessageID: reply.ID}
	}
	if reply.First != nil {
		l.send(smpp.PDU{Command: smpp.DeliverSM, Body: reply.First})
	}
	if reply.After == nil {
		l.write(answer)
		return
	}
	s.lines.Go(func() {
		select {
		case <-reply.After:
			l.write(answer)
		case <-s.t.Context().Done():
		}
	})
}

// ReceiptFor makes the receipt of a message, addresses swapped, as a text.
func ReceiptFor(m *smpp.Message, id, stat, code string) *smpp.Message {
	text := fmt.Sprintf("id:%s sub:001 dlvrd:001 submit date:2611241804 done date:2611241805 stat:%s err:%s text:%.20s", id, stat, code, m.Short)
	return &smpp.Message{Source: m.Dest, Dest: m.Source, ESMClass: 0x04, Short: []byte(text)}
}

// Judge tells what the reference does not allow in a submit_sm; "" for nothing.
func Judge(m *smpp.Message) string {
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	payload := false
	for _, t := range m.TLVs {
		switch t.Tag {
		case 0x020C, 0x020E, 0x020F, 0x0426: // the last one tells that more parts follow
		case 0x0424:
			payload = true
		default:
			return fmt.Sprintf("it has a parameter %#x", t.Tag)
		}
	}
	switch {
	case m.Dest.TON != 1 || m.Dest.NPI != 1 || !digits(m.Dest.Addr) || len(m.Dest.Addr) > 15:
		return "its destination is not a number in international form"
	case m.Source.TON == 1 && (m.Source.NPI != 1 || !digits(m.Source.Addr)):
		return "its source is no number"
	case m.Source.TON == 5 && (m.Source.NPI != 0 || m.Source.Addr == "" || len(m.Source.Addr) > 11 || digits(m.Source.Addr)):
		return "its source is no name"
	case m.Source.TON == 3 && (m.Source.NPI != 0 || !digits(m.Source.Addr)):
		return "its source is no short code"
	case m.Source.TON == 0 && m.Source != (smpp.Address{}):
		return "its source is of no known type"
	case m.DataCoding != 0 && m.DataCoding != 1 && m.DataCoding != 3 && m.DataCoding != 8:
		return fmt.Sprintf("its data_coding is %d", m.DataCoding)
	case m.ESMClass&^0x43 != 0:
		return fmt.Sprintf("its esm_class is %#x", m.ESMClass)
	case m.ESMClass&0x40 != 0 && (len(m.Short) < 7 || string(m.Short[:3]) != "\x05\x00\x03"):
		return "it has no header, and says that it has"
	case payload == (len(m.Short) != 0):
		return "its text stands nowhere, or in two places"
	case m.ValidityPeriod != "" && (len(m.ValidityPeriod) != 16 || !strings.HasSuffix(m.ValidityPeriod, "000R") || !digits(m.ValidityPeriod[:15])):
		return "its validity_period is not a relative time"
	case m.Registered > 1 || m.Replace != 0 || m.DefaultID != 0 || m.ScheduleTime != "":
		return "it asks for what the reference does not have"
	}
	return ""
}
