package smpp

import "fmt"

// Status is what a response says of its request; 0 is a yes.
type Status uint32

// The statuses in use; the rest are classified by number (package gateway).
const (
	StatusOK             Status = 0x00
	StatusLength         Status = 0x02 // of a PDU
	StatusCommand        Status = 0x03 // unknown
	StatusNotBound       Status = 0x04 // or not so that this command may be used
	StatusAlreadyBound   Status = 0x05
	StatusSystemError    Status = 0x08
	StatusBindFailed     Status = 0x0D
	StatusPassword       Status = 0x0E
	StatusSystemID       Status = 0x0F
	StatusQueueFull      Status = 0x14
	StatusThrottled      Status = 0x58
	StatusTemporaryError Status = 0x64
)

// Error gives the status as its number.
func (s Status) Error() string { return "command_status " + s.String() }

// String gives the number as hexadecimal digits: 0x58.
func (s Status) String() string { return fmt.Sprintf("0x%02X", uint32(s)) }
