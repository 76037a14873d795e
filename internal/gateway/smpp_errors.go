package gateway

import (
	"errors"
	"time"

	"github.com/countersign/countersign/internal/gateway/smpp"
)

// smppClasses are the statuses of a message centre, of messages and of binds. What
// is not in it, another provider may know better.
var smppClasses = map[smpp.Status]Class{
	0x08:  Retry,    // system error
	0x14:  Retry,    // queue full
	0x45:  Retry,    // not submitted
	0x58:  Retry,    // throttled
	0x64:  Retry,    // temporary error
	0xFE:  Retry,    // not delivered
	0x05:  Failover, // bound already
	0x0A:  Failover, // source
	0x0D:  Failover, // not bound
	0x0E:  Failover, // password
	0x0F:  Failover, // system_id
	0x48:  Failover, // source's type
	0x49:  Failover, // source's plan
	0x101: Failover, // prohibited
	0x103: Failover,
	0x01:  Final, // length of the message
	0x04:  Final, // a command out of place: ours is the fault
	0x0B:  Final, // destination
	0x43:  Final, // esm_class
	0x50:  Final, // destination's type
	0x51:  Final, // destination's plan
	0x61:  Final, // schedule
	0x62:  Final, // validity
	0x65:  Final, // permanent error
	0xFF:  Final, // unknown error
}

// throttlePause is what a message centre that throttles is given.
const throttlePause = time.Second

// smppFailed says what comes of a message that was not taken.
func smppFailed(err error) *SendError {
	var status smpp.Status
	var refused *smpp.BindError
	switch {
	case errors.As(err, &refused):
		e := smppStatus(refused.Status, err)
		if e.Class != Retry { // a bind's refusal says nothing of the message
			e.Class, e.Alarm = Failover, true
		}
		return e
	case errors.As(err, &status):
		return smppStatus(status, err)
	case errors.Is(err, smpp.ErrUnanswered):
		return &SendError{Class: Ambiguous, Cause: err}
	case errors.Is(err, smpp.ErrUnwritten):
		return &SendError{Class: Retry, Cause: err}
	}
	return &SendError{Class: Final, Cause: err} // it does not fit into the protocol
}

func smppStatus(status smpp.Status, err error) *SendError {
	e := &SendError{Class: Failover, Code: status.String(), Cause: err}
	if class, known := smppClasses[status]; known {
		e.Class = class
		e.Alarm = class == Failover
	}
	if status == smpp.StatusThrottled {
		e.RetryAfter = throttlePause
	}
	return e
}

// smppPartFailed is smppFailed for the part with the index i. The ones before it were
// taken, and cost: then nothing is as if it had never been sent.
func smppPartFailed(i int, err error) *SendError {
	e := smppFailed(err)
	if i > 0 && e.Class == Retry {
		e.Class = Ambiguous
	}
	return e
}
