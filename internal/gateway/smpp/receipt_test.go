package smpp

import (
	"strings"
	"testing"
)

func TestReceiptsAreRead(t *testing.T) {
	const full = "id:0123456789 sub:001 dlvrd:001 submit date:2611241804 done date:2611241805 stat:DELIVRD err:000 text:id:9 stat:UNDELIV"
	state := func(n byte) TLV { return TLV{tagMessageState, []byte{n}} }
	for name, c := range map[string]struct {
		esm  byte
		text string
		tlvs []TLV
		want Receipt
		ok   bool
	}{
		"no receipt":           {esm: 0, text: full},
		"an answer of a phone": {esm: 0x08, text: full},
		"whole":                {0x04, full, nil, Receipt{"0123456789", HasArrived, "", false}, true},
		"other bits are set":   {0x43, "id:1 stat:ENROUTE", nil, Receipt{}, false},
		"with a reply path":    {0x84, "id:1 stat:ENROUTE", nil, Receipt{"1", Enroute, "", false}, true},
		"expired":              {0x04, "id:a1 stat:EXPIRED err:021", nil, Receipt{"a1", Expired, "021", false}, true},
		"deleted":              {0x04, "id:a1 stat:DELETED", nil, Receipt{"a1", Deleted, "", false}, true},
		"undeliverable":        {0x04, "id:a1 stat:UNDELIV err:1AF", nil, Receipt{"a1", Undeliverable, "1AF", false}, true},
		"accepted":             {0x04, "id:a1 stat:ACCEPTD", nil, Receipt{"a1", Accepted, "", false}, true},
		"unknown":              {0x04, "id:a1 stat:UNKNOWN", nil, Receipt{"a1", Unknown, "", false}, true},
		"rejected":             {0x04, "id:a1 stat:REJECTD", nil, Receipt{"a1", Rejected, "", false}, true},
		"in small letters":     {0x04, "ID:a1 Stat:delivrd Err:5 Text:x", nil, Receipt{"a1", HasArrived, "5", false}, true},
		"a word of its own":    {0x04, "id:a1 stat:WONDER", nil, Receipt{"a1", Unknown, "", false}, true},
		"not the last word":    {0x20, "id:a1 stat:ENROUTE", nil, Receipt{"a1", Enroute, "", true}, true},
		"twice the same key":   {0x04, "id:1 id:2 stat:DELIVRD stat:UNDELIV", nil, Receipt{"1", HasArrived, "", false}, true},
		"a person's text":      {0x04, "id:1 text:hi stat:DELIVRD", nil, Receipt{"1", Unknown, "", false}, true},
		"empty":                {0x04, "", nil, Receipt{"", Unknown, "", false}, true},
		"nothing of it":        {0x04, "hello there", nil, Receipt{"", Unknown, "", false}, true},
		"an id of no use":      {0x04, "id:\x01\xff stat:DELIVRD", nil, Receipt{"", HasArrived, "", false}, true},
		"a text for an error":  {0x04, "id:1 stat:REJECTD err:4915112345678", nil, Receipt{"1", Rejected, "", false}, true},
		"by parameters":        {0x04, "", []TLV{{tagReceiptedID, []byte("b2\x00")}, state(5), {tagNetworkError, []byte{3, 1, 2}}}, Receipt{"b2", Undeliverable, "258", false}, true},
		"parameters win":       {0x04, full, []TLV{{tagReceiptedID, []byte("b2")}, state(8), {tagNetworkError, []byte{3, 0, 7}}}, Receipt{"b2", Rejected, "007", false}, true},
		"broken parameters":    {0x04, full, []TLV{{tagMessageState, nil}, {tagNetworkError, []byte{1}}}, Receipt{"0123456789", HasArrived, "", false}, true},
		"a state of no sense":  {0x04, full, []TLV{state(99)}, Receipt{"0123456789", Unknown, "", false}, true},
		"text in its payload":  {0x04, "", []TLV{{tagPayload, []byte("id:7 stat:EXPIRED")}}, Receipt{"7", Expired, "", false}, true},
	} {
		got, ok := ReceiptIn(&Message{ESMClass: c.esm, Short: []byte(c.text), TLVs: c.tlvs})
		if ok != c.ok || got != c.want {
			t.Errorf("%s: %+v %v, want %+v %v", name, got, ok, c.want, c.ok)
		}
	}
}

func TestStatesHaveTheirWords(t *testing.T) {
	for word, state := range states {
		if state.String() != word {
			t.Errorf("%d is %s, want %s", state, state, word)
		}
	}
	if Delivered(0).String() != "UNKNOWN" {
		t.Error("no state has a word")
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte("id:0123 sub:001 dlvrd:001 submit date:2611241804 done date:2611241805 stat:DELIVRD err:000 text:hi"))
	f.Add([]byte("stat:x err: id:"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, ok := ReceiptIn(&Message{ESMClass: esmReceipt, Short: text})
		if !ok || r.State < Enroute || r.State > Rejected || len(r.ID) > 64 || len(r.Error) > 5 {
			t.Fatalf("%+v", r)
		}
		if strings.ContainsFunc(r.ID+r.Error, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Fatalf("%+v has octets of no id", r)
		}
	})
}
