package event

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"

	"github.com/countersign/countersign/internal/keyring"
)

// maxLine is the longest line, without its newline, that the log has.
const maxLine = 1 << 20

// chainSize is the length of a chain value: base64url of 32 bytes.
const chainSize = 43

var errLineTooLong = errors.New("a line is longer than 1 MiB")

// chainValue is the keyed hash of a line (without its chain) and of the chain
// value before it. False: the ring has no such key.
func chainValue(ring *keyring.Ring, keyID, before string, bare []byte) (string, bool) {
	mac, ok := ring.MACFor(keyID, keyring.LabelChain, []byte(before), bare)
	return base64.RawURLEncoding.EncodeToString(mac), ok
}

// join adds a chain value to an encoded event as its last member.
func join(bare []byte, chain string) []byte {
	line := make([]byte, 0, len(bare)+len(`,"chain":""`)+chainSize)
	line = append(line, bare[:len(bare)-1]...)
	if len(line) > 1 {
		line = append(line, ',')
	}
	line = append(line, `"chain":"`...)
	line = append(line, chain...)
	return append(line, `"}`...)
}

// split undoes join; false where the line has not its shape. What it returns
// is a copy.
func split(line []byte) (bare []byte, chain string, ok bool) {
	const member, end = `"chain":"`, `"}`
	at := len(line) - len(member) - chainSize - len(end)
	if at < 1 || line[0] != '{' || !bytes.HasPrefix(line[at:], []byte(member)) || !bytes.HasSuffix(line, []byte(end)) {
		return nil, "", false
	}
	chain = string(line[at+len(member) : len(line)-len(end)])
	switch {
	case at == 1:
		return []byte("{}"), chain, true
	case at > 2 && line[at-1] == ',':
		return append(append([]byte{}, line[:at-1]...), '}'), chain, true
	default:
		return nil, "", false
	}
}

// lineReader reads a log line by line in bounded memory.
type lineReader struct{ from *bufio.Reader }

func newLineReader(r io.Reader) lineReader {
	return lineReader{bufio.NewReaderSize(r, maxLine+1)}
}

// next gives the next line without its newline, valid until the call after.
// ended is false where the file ends before the newline. Errors: io.EOF,
// errLineTooLong, or of reading.
func (l lineReader) next() (line []byte, ended bool, err error) {
	line, err = l.from.ReadSlice('\n')
	switch {
	case err == nil:
		return line[:len(line)-1], true, nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		return line, false, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, false, errLineTooLong
	default:
		return nil, false, err
	}
}

// header is what the first line of a file says of it.
type header struct {
	keyID    string
	previous Head // the end of the file before; zero at the very first
}

// event is the header as the log has it.
func (h header) event(e Event) Event {
	e.Name, e.Outcome = LogOpened, Success
	e.Attributes = Attributes{
		"key_id":         h.keyID,
		"previous_file":  h.previous.File,
		"previous_lines": h.previous.Count,
		"previous_chain": h.previous.Chain,
	}
	return e
}

// readHeader reads a file's first line; false where it is no header.
func readHeader(line []byte) (h header, e Event, ok bool) {
	e, err := Decode(line)
	if err != nil || e.Name != LogOpened {
		return header{}, Event{}, false
	}
	h.keyID, _ = e.Attributes["key_id"].(string)
	h.previous.File, _ = e.Attributes["previous_file"].(string)
	h.previous.Count, _ = e.Attributes["previous_lines"].(int64)
	h.previous.Chain, _ = e.Attributes["previous_chain"].(string)
	return h, e, h.keyID != ""
}
