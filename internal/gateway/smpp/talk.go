package smpp

import (
	"errors"
	"fmt"
	"time"
)

// This file goes on from session.go: what is asked and what is answered.

// hasRoom tells whether another message may be sent now.
func (s *session) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.paused && s.unsettled < s.window
}

// submit sends a message, unless its caller has dropped it.
func (s *session) submit(c *call) {
	if c.state.CompareAndSwap(waiting, claimed) {
		s.put(PDU{Command: SubmitSM, Body: c.message}, &question{command: SubmitSM, call: c})
	}
}

// ask sends a request without a body; the reply comes by the question's channel,
// within the response timer.
func (s *session) ask(p PDU) *question {
	q := &question{command: p.Command, done: make(chan reply, 1)}
	s.put(p, q)
	return q
}

// put numbers a request, writes it, and starts its timer. The question is kept
// from before the writing on, since the answer may be the faster one.
func (s *session) put(p PDU, q *question) {
	s.mu.Lock()
	s.last++
	if s.last > lastSequence {
		s.last, s.wrapped = 1, true
	}
	p.Sequence = s.last
	s.asked[p.Sequence] = q
	if q.call != nil {
		s.unsettled++
	}
	s.mu.Unlock()

	err := s.write(p)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked[p.Sequence] != q {
		return // answered already
	}
	switch {
	case err != nil:
		s.settle(p.Sequence, q, reply{err: err})
	case s.err != nil:
		s.settle(p.Sequence, q, reply{err: fmt.Errorf("%w: %w", ErrUnanswered, s.err)})
	default:
		q.written = true
		q.timer = time.AfterFunc(responseTime, func() { s.giveUp(p.Sequence, q) })
	}
}

// giveUp is the end of the response timer. An answer that comes later is not
// looked at.
func (s *session) giveUp(number uint32, q *question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked[number] == q {
		s.settle(number, q, reply{err: fmt.Errorf("%w: %w", ErrUnanswered, errSilent)})
	}
}

// settle tells whoever asked, and makes room. The lock is held.
func (s *session) settle(number uint32, q *question, r reply) {
	delete(s.asked, number)
	if q.timer != nil {
		q.timer.Stop()
	}
	if q.call == nil {
		q.done <- r
		return
	}
	s.unsettled--
	signal(s.changed)
	a := answer{err: r.err}
	if r.err == nil && r.pdu.Status != StatusOK {
		a.err = r.pdu.Status
	}
	if body, ok := r.pdu.Body.(*MessageResponse); ok {
		a.id = cleanID(body.MessageID)
	}
	q.call.done <- a
}

// listen reads until the session is over. What cannot be read ends it, but for the
// body of a request, which the rest of the session does not depend on.
func (s *session) listen() {
	for {
		p, err := Read(s.from)
		if err == nil {
			signal(s.heard)
			err = s.hear(p)
		} else if errors.Is(err, ErrBody) && !p.Command.IsResponse() {
			err = s.write(PDU{Command: GenericNack, Status: StatusLength, Sequence: p.Sequence})
		}
		if errors.Is(err, ErrLength) {
			_ = s.write(PDU{Command: GenericNack, Status: StatusLength}) // a last word, whether it is read or not
		}
		if err != nil {
			s.end(fmt.Errorf("reading from the message centre: %w", err))
			return
		}
	}
}

// hear does what a PDU asks for. Its error ends the session.
func (s *session) hear(p PDU) error {
	switch {
	case p.Command.IsResponse():
		return s.heardAnswer(p)
	case p.Command == EnquireLink:
		return s.write(PDU{Command: EnquireLink | Response, Sequence: p.Sequence})
	case p.Command == Unbind:
		if err := s.write(PDU{Command: Unbind | Response, Sequence: p.Sequence}); err != nil {
			return err
		}
		return errUnbound
	case p.Command == DeliverSM || p.Command == DataSM:
		return s.heardDelivery(p)
	}
	return s.write(PDU{Command: GenericNack, Status: StatusCommand, Sequence: p.Sequence})
}

// heardAnswer settles what was asked. A late answer says nothing any more; one to
// nothing that was asked, or of another kind, says that the sides do not
// understand each other.
func (s *session) heardAnswer(p PDU) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.asked[p.Sequence]
	switch {
	case q == nil && (p.Sequence > s.last && !s.wrapped || p.Sequence == 0):
		return errNobody
	case q == nil:
		return nil
	case p.Command == GenericNack && (q.call == nil || p.Status == StatusOK):
		return errNacked
	case p.Command != GenericNack && p.Command != q.command|Response:
		return errStranger
	}
	s.proved = true
	if q.call != nil {
		s.adapt(p.Status)
	}
	s.settle(p.Sequence, q, reply{pdu: p})
	if q.command == Unbind {
		return errLeft
	}
	return nil
}

// adapt halves the window where the centre says that it is too much, and waits;
// it opens it again by one for each windowful that went well. The lock is held.
func (s *session) adapt(status Status) {
	switch {
	case status == StatusThrottled && !s.paused:
		s.window, s.good, s.paused = max(1, s.window/2), 0, true
		time.AfterFunc(slowDown, s.resume)
	case status == StatusOK && s.window < s.o.Window:
		if s.good++; s.good >= s.window {
			s.window, s.good = s.window+1, 0
		}
	}
}

func (s *session) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = false
	signal(s.changed)
}

// heardDelivery keeps a delivery until it is received, or says at once that
// there is no room for it.
func (s *session) heardDelivery(p PDU) error {
	s.mu.Lock()
	s.unstored++
	s.mu.Unlock()
	select {
	case s.inbox <- p:
		return nil
	default:
	}
	s.mu.Lock()
	s.unstored--
	s.mu.Unlock()
	return s.answer(p, StatusTemporaryError)
}

// answer answers a delivery.
func (s *session) answer(p PDU, status Status) error {
	return s.write(PDU{Command: p.Command | Response, Status: status, Sequence: p.Sequence, Body: &MessageResponse{}})
}
