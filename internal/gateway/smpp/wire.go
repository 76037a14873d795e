package smpp

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// wire carries fields to octets and back, by one description of each body. The
// first field that does not fit sets err; those after it do nothing.
type wire struct {
	writing bool
	buf     []byte // written so far, or still to read
	err     error
}

// octet is one byte.
func (w *wire) octet(b *byte) {
	switch {
	case w.err != nil:
	case w.writing:
		w.buf = append(w.buf, *b)
	default:
		if got := w.take(1); w.err == nil {
			*b = got[0]
		}
	}
}

// text is a string that ends in NUL, of size octets at most with it.
func (w *wire) text(s *string, size int) {
	switch {
	case w.err != nil:
	case w.writing:
		if len(*s) >= size || strings.IndexByte(*s, 0) >= 0 {
			w.err = ErrBody
			return
		}
		w.buf = append(append(w.buf, *s...), 0)
	default:
		end := bytes.IndexByte(w.buf[:min(size, len(w.buf))], 0)
		if end < 0 {
			w.err = ErrBody
			return
		}
		*s = string(w.buf[:end])
		w.buf = w.buf[end+1:]
	}
}

// short is sm_length and short_message.
func (w *wire) short(m *[]byte) {
	size := byte(min(len(*m), 255))
	if w.octet(&size); w.err != nil {
		return
	}
	if size > longestShort {
		w.err = ErrBody
		return
	}
	if w.writing {
		w.buf = append(w.buf, *m...)
		return
	}
	*m = w.take(int(size))
}

// mostTLVs are read of one PDU: many empty ones would take more memory than octets.
const mostTLVs = 64

// tlvs are all that is left of a body.
func (w *wire) tlvs(all *[]TLV) {
	if w.writing {
		for i, t := range *all {
			if i == mostTLVs || len(t.Value) > 0xFFFF {
				w.err = ErrBody
				return
			}
			w.buf = binary.BigEndian.AppendUint16(w.buf, t.Tag)
			w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(len(t.Value)))
			w.buf = append(w.buf, t.Value...)
		}
		return
	}
	for w.err == nil && len(w.buf) > 0 {
		head := w.take(4)
		if w.err != nil || len(*all) == mostTLVs {
			w.err = ErrBody
			return
		}
		value := w.take(int(binary.BigEndian.Uint16(head[2:])))
		if w.err == nil {
			*all = append(*all, TLV{Tag: binary.BigEndian.Uint16(head), Value: value})
		}
	}
}

// take cuts n octets off what is still to read. They stay in the PDU's memory.
func (w *wire) take(n int) []byte {
	if n > len(w.buf) {
		w.err = ErrBody
		return nil
	}
	got := w.buf[:n:n]
	w.buf = w.buf[n:]
	return got
}
