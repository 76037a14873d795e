package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// Delivered is how far a message has come, as message_state counts it.
type Delivered byte

// The states.
const (
	Enroute       Delivered = 1
	HasArrived    Delivered = 2
	Expired       Delivered = 3
	Deleted       Delivered = 4
	Undeliverable Delivered = 5
	Accepted      Delivered = 6
	Unknown       Delivered = 7
	Rejected      Delivered = 8
)

// states are their words in the text of a receipt.
var states = map[string]Delivered{
	"ENROUTE": Enroute, "DELIVRD": HasArrived, "EXPIRED": Expired, "DELETED": Deleted,
	"UNDELIV": Undeliverable, "ACCEPTD": Accepted, "UNKNOWN": Unknown, "REJECTD": Rejected,
}

// String gives the word of a state.
func (d Delivered) String() string {
	for word, state := range states {
		if state == d {
			return word
		}
	}
	return "UNKNOWN"
}

// Receipt is a centre's word on a message.
type Receipt struct {
	ID           string // "": it tells none that can be used
	State        Delivered
	Error        string // the network's, digits or letters; "" for none
	Intermediate bool   // not the last word
}

const (
	esmKind         = 0x3C // which kind of message esm_class says it is
	esmReceipt      = 0x04
	esmIntermediate = 0x20
)

// ReceiptIn reads the receipt in a message from the centre; ok tells whether it is
// one. Of its text and its parameters the parameters count.
func ReceiptIn(m *Message) (r Receipt, ok bool) {
	kind := m.ESMClass & esmKind
	if kind != esmReceipt && kind != esmIntermediate {
		return Receipt{}, false
	}
	text := m.Short
	if payload, given := find(m.TLVs, tagPayload); len(text) == 0 && given {
		text = payload
	}
	r = parseReceipt(text)
	r.Intermediate = kind == esmIntermediate
	if id, given := find(m.TLVs, tagReceiptedID); given {
		r.ID = cleanID(string(bytes.TrimRight(id, "\x00")))
	}
	if state, given := find(m.TLVs, tagMessageState); given && len(state) == 1 {
		r.State = known(Delivered(state[0]))
	}
	if code, given := find(m.TLVs, tagNetworkError); given && len(code) == 3 {
		r.Error = fmt.Sprintf("%03d", binary.BigEndian.Uint16(code[1:]))
	}
	r.Error = cleanError(r.Error)
	return r, true
}

// receiptKeys stand in a receipt's text before their values. What comes after the
// last one is a person's text, and is not read.
var receiptKeys = []string{"id:", "sub:", "dlvrd:", "submit date:", "done date:", "stat:", "err:", "text:"}

// parseReceipt reads the text of a receipt. The first of each key counts.
func parseReceipt(text []byte) Receipt {
	found := map[string]string{}
	for rest := strings.TrimLeft(string(text), " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		key := keyAt(rest)
		if key == "text:" {
			break
		}
		value, after, _ := strings.Cut(rest[len(key):], " ")
		if _, again := found[key]; !again {
			found[key] = value
		}
		rest = after
	}
	return Receipt{
		ID:    cleanID(found["id:"]),
		State: known(states[strings.ToUpper(found["stat:"])]),
		Error: found["err:"],
	}
}

// keyAt gives the key with which a text begins; "" for none.
func keyAt(text string) string {
	for _, key := range receiptKeys {
		if len(text) >= len(key) && strings.EqualFold(text[:len(key)], key) {
			return key
		}
	}
	return ""
}

func known(d Delivered) Delivered {
	if d < Enroute || d > Rejected {
		return Unknown
	}
	return d
}

// cleanID drops an id that cannot be one: longer than the protocol allows, or with
// other octets than visible ASCII.
func cleanID(id string) string {
	if len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return id
}

// cleanError drops an error that is none, and what cannot be one.
func cleanError(code string) string {
	other := func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	if len(code) > 5 || strings.Trim(code, "0") == "" || strings.ContainsFunc(code, other) {
		return ""
	}
	return code
}
