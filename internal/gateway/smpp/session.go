package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The ends of a session that no connection tells of.
var (
	errLeft     = errors.New("the session was ended in order")
	errUnbound  = errors.New("the message centre ended the session")
	errSilent   = errors.New("the message centre does not answer")
	errStalled  = errors.New("the message centre does not read")
	errNobody   = errors.New("an answer to nothing that was asked")
	errStranger = errors.New("an answer of another kind than the question")
	errNacked   = errors.New("the message centre could not read what it was sent")
)

// roomForDelivered is how many deliveries wait to be received; the centre is asked
// to repeat those that find no room.
const roomForDelivered = 32

// session is one bind, from its opening to its end. Its goroutines belong to run.
type session struct {
	o       *Options
	conn    net.Conn
	from    *bufio.Reader
	writing chan struct{} // holds one thing while somebody writes
	heard   chan struct{} // has one when the centre said something
	changed chan struct{} // has one when there may be room, or nothing left to wait for
	inbox   chan PDU
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc

	mu        sync.Mutex
	err       error // why it is over
	last      uint32
	wrapped   bool // numbers have begun anew
	asked     map[uint32]*question
	unsettled int // messages without an answer
	unstored  int // deliveries without an answer
	window    int // messages that may be without an answer now
	good      int // messages taken since it was last changed
	paused    bool
	proved    bool // it answered something after the bind
}

// question is a request of ours that waits for its answer.
type question struct {
	command Command
	written bool
	timer   *time.Timer
	done    chan reply // has room for one
	call    *call      // of a message; then done is not used
}

type reply struct {
	pdu PDU
	err error
}

// open connects and binds. A refusal is a *BindError.
func open(ctx context.Context, o *Options) (*session, error) {
	dialling, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := o.Dial(dialling)
	if err != nil {
		return nil, fmt.Errorf("connecting to the message centre: %w", err)
	}
	life, endLife := context.WithCancel(context.Background())
	s := &session{
		ctx: life, cancel: endLife,
		o: o, conn: conn, from: bufio.NewReader(conn), window: o.Window, asked: map[uint32]*question{},
		writing: make(chan struct{}, 1), heard: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		inbox: make(chan PDU, roomForDelivered),
	}
	binding, cancel := context.WithTimeout(ctx, responseTime)
	defer cancel()
	stop := context.AfterFunc(binding, func() { _ = conn.Close() })
	err = s.bind()
	if !stop() {
		err = errSilent
	}
	if err != nil {
		s.end(err)
		return nil, err
	}
	return s, nil
}

func (s *session) bind() error {
	login := s.o.Login
	login.Version = version34
	s.last = 1
	if err := s.write(PDU{Command: BindTransceiver, Sequence: s.last, Body: &login}); err != nil {
		return fmt.Errorf("binding: %w", err)
	}
	p, err := Read(s.from)
	switch {
	case err != nil:
		return fmt.Errorf("binding: %w", err)
	case p.Command == GenericNack && p.Status != StatusOK:
		return &BindError{p.Status}
	case p.Command != BindTransceiver|Response || p.Sequence != s.last:
		return fmt.Errorf("binding: %w", errStranger)
	case p.Status != StatusOK:
		return &BindError{p.Status}
	}
	return nil
}

// run carries messages until the session is over or closing is closed; then it
// ends it in order. It returns once all has ended, and says why.
func (s *session) run(queue <-chan *call, closing <-chan struct{}) error {
	var all sync.WaitGroup
	all.Go(s.listen)
	all.Go(s.keepAlive)
	all.Go(s.receive)
	s.carry(queue, closing)
	s.leave()
	all.Wait()
	return s.err
}

// carry takes messages from the queue while there is room in the window.
func (s *session) carry(queue <-chan *call, closing <-chan struct{}) {
	for {
		var from <-chan *call
		if s.hasRoom() {
			from = queue
		}
		select {
		case c := <-from:
			s.submit(c)
		case <-s.changed:
		case <-closing:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// leave waits until nothing is unanswered, unbinds, and ends the session.
func (s *session) leave() {
	limit := time.NewTimer(leaveTime)
	defer limit.Stop()
	for s.isBusy() {
		select {
		case <-s.changed:
		case <-limit.C:
			s.end(errSilent)
			return
		case <-s.ctx.Done():
			return
		}
	}
	q := s.ask(PDU{Command: Unbind})
	select {
	case <-q.done:
	case <-limit.C:
	}
	s.end(errLeft)
}

// keepAlive asks a silent centre whether it is there.
func (s *session) keepAlive() {
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.heard:
		case <-idle.C:
			if r := <-s.ask(PDU{Command: EnquireLink}).done; r.err != nil {
				s.end(errSilent)
				return
			}
		}
		idle.Reset(idleTime)
	}
}

// receive hands on what the centre delivers, as much at once as waits, and answers
// it afterwards.
func (s *session) receive() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case p := <-s.inbox:
			s.receiveAll(s.waiting(p))
		}
	}
}

func (s *session) waiting(first PDU) []PDU {
	all := []PDU{first}
	for len(all) < roomForDelivered {
		select {
		case p := <-s.inbox:
			all = append(all, p)
		default:
			return all
		}
	}
	return all
}

func (s *session) receiveAll(all []PDU) {
	ctx, cancel := context.WithTimeout(s.ctx, responseTime)
	defer cancel()
	var messages []*Message
	for _, p := range all {
		messages = append(messages, message(p.Body))
	}
	status := StatusOK
	if err := s.o.Receive(ctx, messages); err != nil {
		s.o.Log.Warn("what the message centre delivered was not stored; it is asked to repeat it", "deliveries", len(all), "error", err)
		status = StatusTemporaryError
	}
	for _, p := range all {
		_ = s.answer(p, status) // where it is lost, the centre repeats the delivery
	}
	s.mu.Lock()
	s.unstored -= len(all)
	s.mu.Unlock()
	signal(s.changed)
}

// message makes one message of the two kinds of delivery.
func message(b Body) *Message {
	if d, ok := b.(*Data); ok {
		return &Message{Source: d.Source, Dest: d.Dest, ESMClass: d.ESMClass, DataCoding: d.DataCoding, TLVs: d.TLVs}
	}
	m, _ := b.(*Message)
	return m
}

// end ends the session, whatever it does, for the first reason given. What was
// written and not answered is told so; what is being written its writer finds out.
func (s *session) end(why error) {
	defer func() { _ = s.conn.Close() }() // outside of the lock: TLS says goodbye, and may wait
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = why
	s.cancel()
	for number, q := range s.asked {
		if q.written {
			s.settle(number, q, reply{err: fmt.Errorf("%w: %w", ErrUnanswered, why)})
		}
	}
}

// hasProved tells whether the centre answered anything after the bind.
func (s *session) hasProved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proved
}

// isBusy tells whether anything is without an answer, on either side.
func (s *session) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsettled > 0 || s.unstored > 0
}

// signal leaves a sign in a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write sends a PDU. With an error it was not sent whole; unless it could not be
// encoded, the session is over.
func (s *session) write(p PDU) error {
	octets, err := Encode(p)
	if err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
	case <-s.ctx.Done():
		return ErrUnwritten
	}
	defer func() { <-s.writing }()
	stalled := time.AfterFunc(responseTime, func() { s.end(errStalled) })
	defer stalled.Stop()
	if n, err := s.conn.Write(octets); n < len(octets) {
		if err == nil {
			err = io.ErrShortWrite
		}
		s.end(fmt.Errorf("writing to the message centre: %w", err))
		return fmt.Errorf("%w: %w", ErrUnwritten, err)
	}
	return nil
}
