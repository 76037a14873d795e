package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/countersign/countersign/internal/keyring"
)

// Command names a PDU. That of a response has the highest bit set.
type Command uint32

// The commands.
const (
	BindReceiver    Command = 0x01
	BindTransmitter Command = 0x02
	SubmitSM        Command = 0x04
	DeliverSM       Command = 0x05
	Unbind          Command = 0x06
	BindTransceiver Command = 0x09
	Outbind         Command = 0x0B
	EnquireLink     Command = 0x15
	DataSM          Command = 0x103

	Response    Command = 0x80000000 // the bit
	GenericNack         = Response
)

const (
	headerSize   = 16
	longestPDU   = 72 << 10   // octets: room for a message_payload as long as one can be
	lastSequence = 0x7FFFFFFF // numbers begin at 1
	longestShort = 254        // octets of short_message
	version34    = 0x34
)

// The errors of the codec. None repeats what a PDU holds.
var (
	ErrLength   = errors.New("the length of the PDU is out of bounds")
	ErrBody     = errors.New("the body of the PDU does not have its form")
	ErrSequence = errors.New("the sequence number is out of bounds")
)

// PDU is one unit of the protocol. Body is nil where there is none: in refusals,
// in commands that have none, and in such as are unknown.
type PDU struct {
	Command  Command
	Status   Status
	Sequence uint32
	Body     Body
}

// Body is what a PDU has after its header: *Bind, *BindResponse, *Login, *Message,
// *MessageResponse or *Data.
type Body interface {
	fields(w *wire)
}

// Bind opens a session, as bind_receiver, bind_transmitter or bind_transceiver.
type Bind struct {
	SystemID     string         // 15 octets at most
	Password     keyring.Secret // 8
	SystemType   string         // 12
	Version      byte           // 0x34
	TON, NPI     byte
	AddressRange string // 40
}

// BindResponse answers it.
type BindResponse struct {
	SystemID string
	TLVs     []TLV
}

// Login is the body of outbind.
type Login struct {
	SystemID string
	Password keyring.Secret
}

// Address is a number or name with its type and numbering plan.
type Address struct {
	TON, NPI byte
	Addr     string // 20 octets at most; numbers without +
}

// Message is the body of submit_sm and of deliver_sm.
type Message struct {
	ServiceType    string // 5 octets at most
	Source, Dest   Address
	ESMClass       byte
	ProtocolID     byte
	Priority       byte
	ScheduleTime   string // 16
	ValidityPeriod string // 16
	Registered     byte
	Replace        byte
	DataCoding     byte
	DefaultID      byte
	Short          []byte // 254
	TLVs           []TLV
}

// MessageResponse answers submit_sm, deliver_sm and data_sm.
type MessageResponse struct {
	MessageID string // 64 octets at most
	TLVs      []TLV
}

// Data is the body of data_sm.
type Data struct {
	ServiceType  string
	Source, Dest Address // 64 octets at most
	ESMClass     byte
	Registered   byte
	DataCoding   byte
	TLVs         []TLV
}

// TLV is an optional parameter.
type TLV struct {
	Tag   uint16
	Value []byte
}

// The tags in use.
const (
	tagReceiptedID  = 0x001E
	tagSarReference = 0x020C
	tagSarTotal     = 0x020E
	tagSarSequence  = 0x020F
	tagNetworkError = 0x0423
	tagPayload      = 0x0424
	tagMessageState = 0x0427
)

// find gives the first value of a tag.
func find(tlvs []TLV, tag uint16) ([]byte, bool) {
	for _, t := range tlvs {
		if t.Tag == tag {
			return t.Value, true
		}
	}
	return nil, false
}

// Format shows the header alone: a body has numbers, texts and passwords.
func (p PDU) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "PDU 0x%08X %v %d", uint32(p.Command), p.Status, p.Sequence)
}

// Format shows nothing of a login: it has a password.
func (b *Bind) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[bind]") }

// Format shows nothing of a login: it has a password.
func (l *Login) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[login]") }

// Format shows nothing of a message: it has a number and a text.
func (m *Message) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[message]") }

// Format shows nothing of a message: it has a number and a text.
func (d *Data) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[message]") }

func (b *Bind) fields(w *wire) {
	w.text(&b.SystemID, 16)
	w.text((*string)(&b.Password), 9)
	w.text(&b.SystemType, 13)
	w.octet(&b.Version)
	w.octet(&b.TON)
	w.octet(&b.NPI)
	w.text(&b.AddressRange, 41)
}

func (b *BindResponse) fields(w *wire) {
	w.text(&b.SystemID, 16)
	w.tlvs(&b.TLVs)
}

func (l *Login) fields(w *wire) {
	w.text(&l.SystemID, 16)
	w.text((*string)(&l.Password), 9)
}

func (a *Address) fields(w *wire, size int) {
	w.octet(&a.TON)
	w.octet(&a.NPI)
	w.text(&a.Addr, size)
}

func (m *Message) fields(w *wire) {
	w.text(&m.ServiceType, 6)
	m.Source.fields(w, 21)
	m.Dest.fields(w, 21)
	w.octet(&m.ESMClass)
	w.octet(&m.ProtocolID)
	w.octet(&m.Priority)
	w.text(&m.ScheduleTime, 17)
	w.text(&m.ValidityPeriod, 17)
	w.octet(&m.Registered)
	w.octet(&m.Replace)
	w.octet(&m.DataCoding)
	w.octet(&m.DefaultID)
	w.short(&m.Short)
	w.tlvs(&m.TLVs)
}

func (m *MessageResponse) fields(w *wire) {
	w.text(&m.MessageID, 65)
	w.tlvs(&m.TLVs)
}

func (d *Data) fields(w *wire) {
	w.text(&d.ServiceType, 6)
	d.Source.fields(w, 65)
	d.Dest.fields(w, 65)
	w.octet(&d.ESMClass)
	w.octet(&d.Registered)
	w.octet(&d.DataCoding)
	w.tlvs(&d.TLVs)
}

// bodyOf makes an empty body for a command, nil where it has none; known tells
// whether there is such a command.
func bodyOf(c Command) (body Body, known bool) {
	switch c {
	case BindReceiver, BindTransmitter, BindTransceiver:
		return &Bind{}, true
	case BindReceiver | Response, BindTransmitter | Response, BindTransceiver | Response:
		return &BindResponse{}, true
	case Outbind:
		return &Login{}, true
	case SubmitSM, DeliverSM:
		return &Message{}, true
	case DataSM:
		return &Data{}, true
	case SubmitSM | Response, DeliverSM | Response, DataSM | Response:
		return &MessageResponse{}, true
	case Unbind, Unbind | Response, EnquireLink, EnquireLink | Response, GenericNack:
		return nil, true
	}
	return nil, false
}

// Known tells whether the codec has the command.
func (c Command) Known() bool {
	_, known := bodyOf(c)
	return known
}

// IsResponse tells a response from a request.
func (c Command) IsResponse() bool { return c&Response != 0 }

// Encode gives a PDU's octets: ErrBody where a field is longer than the protocol
// has room for or holds a NUL, ErrSequence, ErrLength.
func Encode(p PDU) ([]byte, error) {
	if p.Sequence > lastSequence || p.Sequence == 0 && p.Command != GenericNack {
		return nil, ErrSequence
	}
	w := wire{writing: true, buf: make([]byte, headerSize, 256)}
	if p.Body != nil {
		p.Body.fields(&w)
	}
	if w.err != nil {
		return nil, w.err
	}
	if len(w.buf) > longestPDU {
		return nil, ErrLength
	}
	binary.BigEndian.PutUint32(w.buf[0:], uint32(len(w.buf)))
	binary.BigEndian.PutUint32(w.buf[4:], uint32(p.Command))
	binary.BigEndian.PutUint32(w.buf[8:], uint32(p.Status))
	binary.BigEndian.PutUint32(w.buf[12:], p.Sequence)
	return w.buf, nil
}

// Decode reads a whole PDU. With ErrBody and ErrSequence its header is given, so
// that it can be answered. An unknown command has no error and no body.
func Decode(octets []byte) (PDU, error) {
	if len(octets) < headerSize || len(octets) > longestPDU || binary.BigEndian.Uint32(octets) != uint32(len(octets)) {
		return PDU{}, ErrLength
	}
	p := PDU{
		Command:  Command(binary.BigEndian.Uint32(octets[4:])),
		Status:   Status(binary.BigEndian.Uint32(octets[8:])),
		Sequence: binary.BigEndian.Uint32(octets[12:]),
	}
	if p.Sequence > lastSequence || p.Sequence == 0 && p.Command != GenericNack {
		return p, ErrSequence
	}
	body, known := bodyOf(p.Command)
	rest := octets[headerSize:]
	if !known || p.Command.IsResponse() && len(rest) == 0 {
		return p, nil // a refusal may leave its body out
	}
	w := wire{buf: rest}
	if body != nil {
		body.fields(&w)
	}
	if w.err != nil || len(w.buf) != 0 {
		return p, ErrBody
	}
	p.Body = body
	return p, nil
}

// Read reads the next PDU, as Decode does. It asks for no more memory than its
// length says, and refuses a length out of bounds before it reads on. The errors of
// the reader come as they are.
func Read(from io.Reader) (PDU, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return PDU{}, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < headerSize || size > longestPDU {
		return PDU{}, ErrLength
	}
	octets := make([]byte, size)
	copy(octets, head[:])
	if _, err := io.ReadFull(from, octets[headerSize:]); err != nil {
		return PDU{}, err
	}
	return Decode(octets)
}
