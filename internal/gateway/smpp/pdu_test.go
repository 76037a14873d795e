package smpp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/keyring"
)

// golden are PDUs and their octets, written down by hand from the protocol.
var golden = []struct {
	pdu PDU
	hex string
}{
	{
		PDU{Command: BindTransceiver, Sequence: 1, Body: &Bind{SystemID: "house", Password: "secret08", SystemType: "otp", Version: 0x34, TON: 1, NPI: 1, AddressRange: "49"}},
		"00000029 00000009 00000000 00000001" + "686f75736500 736563726574303800 6f747000 34 01 01 343900",
	},
	{
		PDU{Command: BindTransceiver | Response, Sequence: 1, Body: &BindResponse{SystemID: "smsc", TLVs: []TLV{{0x0210, []byte{0x34}}}}},
		"0000001a 80000009 00000000 00000001" + "736d736300 0210 0001 34",
	},
	{
		PDU{Command: BindTransceiver | Response, Status: StatusPassword, Sequence: 1},
		"00000010 80000009 0000000e 00000001",
	},
	{
		PDU{Command: SubmitSM, Sequence: 2, Body: &Message{
			Source: Address{5, 0, "Acme"}, Dest: Address{1, 1, "4915112345678"}, ValidityPeriod: "000000000500000R", Registered: 1, Short: []byte("hi\x00"),
		}},
		"00000045 00000004 00000000 00000002" + "00 0500 41636d6500 0101 3439313531313233343536373800 00 00 00" +
			"00 30303030303030303035303030303052 00 01 00 00 00 03 686900",
	},
	{
		PDU{Command: SubmitSM, Sequence: 3, Body: &Message{
			Dest: Address{1, 1, "1"}, ESMClass: 0x40, DataCoding: 8, Short: []byte{5, 0, 3, 7, 2, 1, 0x04, 0x10},
			TLVs: []TLV{{tagPayload, []byte{}}, {tagSarTotal, []byte{2}}},
		}},
		"00000033 00000004 00000000 00000003" + "00 000000 010131 00 40 00 00 00 00 00 00 08 00 08 0500030702010410" + "0424 0000 020e 0001 02",
	},
	{
		PDU{Command: SubmitSM | Response, Sequence: 2, Body: &MessageResponse{MessageID: "A1"}},
		"00000013 80000004 00000000 00000002 413100",
	},
	{PDU{Command: SubmitSM | Response, Status: StatusThrottled, Sequence: 2}, "00000010 80000004 00000058 00000002"},
	{
		PDU{Command: DeliverSM | Response, Sequence: lastSequence, Body: &MessageResponse{}},
		"00000011 80000005 00000000 7fffffff 00",
	},
	{
		PDU{Command: DataSM, Sequence: 9, Body: &Data{Source: Address{3, 0, "123"}, Dest: Address{1, 1, "49"}, ESMClass: 4, TLVs: []TLV{{tagMessageState, []byte{2}}}}},
		"00000024 00000103 00000000 00000009" + "00 0300 31323300 0101 343900 04 00 00 0427 0001 02",
	},
	{PDU{Command: Outbind, Sequence: 1, Body: &Login{SystemID: "s", Password: "p"}}, "00000014 0000000b 00000000 00000001 7300 7000"},
	{PDU{Command: Unbind, Sequence: 5}, "00000010 00000006 00000000 00000005"},
	{PDU{Command: EnquireLink, Sequence: 5}, "00000010 00000015 00000000 00000005"},
	{PDU{Command: EnquireLink | Response, Sequence: 5}, "00000010 80000015 00000000 00000005"},
	{PDU{Command: GenericNack, Status: StatusCommand, Sequence: 0}, "00000010 80000000 00000003 00000000"},
}

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenOctets(t *testing.T) {
	for _, c := range golden {
		want := octets(t, c.hex)
		got, err := Encode(c.pdu)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%#x: encoded %x, %v; want %x", c.pdu.Command, got, err, want)
		}
		back, err := Decode(want)
		if err != nil || !cmp.Equal(back, c.pdu, cmpopts.EquateEmpty()) {
			t.Errorf("%#x: decoded another PDU, %v", c.pdu.Command, err)
		}
	}
}

// anyText has no NUL and fits with one into size octets.
func anyText(size int) *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(rapid.ByteRange(1, 255), 0, size-1), func(b []byte) string { return string(b) })
}

func anyTLVs(t *rapid.T) []TLV {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) TLV {
		return TLV{Tag: rapid.Uint16().Draw(t, "tag"), Value: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")}
	}), 0, 5).Draw(t, "tlvs")
}

func anyAddress(t *rapid.T, size int) Address {
	return Address{rapid.Byte().Draw(t, "ton"), rapid.Byte().Draw(t, "npi"), anyText(size).Draw(t, "addr")}
}

func anyBody(t *rapid.T, c Command) Body {
	octet := func() byte { return rapid.Byte().Draw(t, "octet") }
	text := func(size int) string { return anyText(size).Draw(t, "text") }
	switch body, _ := bodyOf(c); body.(type) {
	case *Bind:
		return &Bind{text(16), keyring.Secret(text(9)), text(13), octet(), octet(), octet(), text(41)}
	case *BindResponse:
		return &BindResponse{text(16), anyTLVs(t)}
	case *Login:
		return &Login{text(16), keyring.Secret(text(9))}
	case *Message:
		return &Message{
			text(6), anyAddress(t, 21), anyAddress(t, 21), octet(), octet(), octet(), text(17), text(17), octet(), octet(), octet(), octet(),
			rapid.SliceOfN(rapid.Byte(), 0, longestShort).Draw(t, "short"), anyTLVs(t),
		}
	case *MessageResponse:
		return &MessageResponse{text(65), anyTLVs(t)}
	case *Data:
		return &Data{text(6), anyAddress(t, 65), anyAddress(t, 65), octet(), octet(), octet(), anyTLVs(t)}
	}
	return nil
}

var commands = []Command{
	BindReceiver, BindTransmitter, BindTransceiver, Outbind, SubmitSM, DeliverSM, DataSM, Unbind, EnquireLink, GenericNack,
	BindReceiver | Response, BindTransmitter | Response, BindTransceiver | Response, SubmitSM | Response, DeliverSM | Response,
	DataSM | Response, Unbind | Response, EnquireLink | Response,
}

func TestEveryPDUComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(commands).Draw(t, "command")
		p := PDU{c, Status(rapid.Uint32().Draw(t, "status")), rapid.Uint32Range(1, lastSequence).Draw(t, "sequence"), anyBody(t, c)}
		wire, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Read(bytes.NewReader(wire))
		if err != nil || !cmp.Equal(back, p, cmpopts.EquateEmpty()) {
			t.Fatalf("another PDU came back: %v", err)
		}
	})
}

func TestEncodeRefusesWhatDoesNotFit(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, p := range map[string]PDU{
		"system_id":        {Command: BindTransceiver, Body: &Bind{SystemID: long(16)}},
		"password":         {Command: BindTransceiver, Body: &Bind{Password: keyring.Secret(long(9))}},
		"system_type":      {Command: BindTransceiver, Body: &Bind{SystemType: long(13)}},
		"address_range":    {Command: BindTransceiver, Body: &Bind{AddressRange: long(41)}},
		"service_type":     {Command: SubmitSM, Body: &Message{ServiceType: long(6)}},
		"source_addr":      {Command: SubmitSM, Body: &Message{Source: Address{Addr: long(21)}}},
		"destination_addr": {Command: SubmitSM, Body: &Message{Dest: Address{Addr: long(21)}}},
		"validity_period":  {Command: SubmitSM, Body: &Message{ValidityPeriod: long(17)}},
		"short_message":    {Command: SubmitSM, Body: &Message{Short: []byte(long(255))}},
		"a longer one":     {Command: SubmitSM, Body: &Message{Short: []byte(long(300))}},
		"message_id":       {Command: SubmitSM | Response, Body: &MessageResponse{MessageID: long(65)}},
		"a NUL inside":     {Command: SubmitSM | Response, Body: &MessageResponse{MessageID: "a\x00b"}},
		"a TLV":            {Command: SubmitSM, Body: &Message{TLVs: []TLV{{1, make([]byte, 1<<16)}}}},
		"many TLVs":        {Command: SubmitSM, Body: &Message{TLVs: make([]TLV, mostTLVs+1)}},
		"all of it":        {Command: SubmitSM, Body: &Message{TLVs: []TLV{{1, make([]byte, 0xFFFF)}, {2, make([]byte, 0xFFFF)}}}},
	} {
		p.Sequence = 1
		if _, err := Encode(p); err == nil {
			t.Errorf("%s that does not fit was encoded", name)
		}
	}
	for _, n := range []uint32{0, lastSequence + 1, 0xFFFFFFFF} {
		if _, err := Encode(PDU{Command: Unbind, Sequence: n}); !errors.Is(err, ErrSequence) {
			t.Errorf("sequence number %d: %v", n, err)
		}
	}
}

func TestDecodeRefusesWhatHasNotTheForm(t *testing.T) {
	for name, c := range map[string]struct {
		hex  string
		want error
	}{
		"nothing":                       {"", ErrLength},
		"a piece of a header":           {"00000010 00000015", ErrLength},
		"a length of less than it has":  {"0000000f 00000015 00000000 00000001", ErrLength},
		"a length of more than it has":  {"00000011 00000015 00000000 00000001", ErrLength},
		"number 0":                      {"00000010 00000015 00000000 00000000", ErrSequence},
		"a number with the highest bit": {"00000010 00000015 00000000 80000000", ErrSequence},
		"a body where none is":          {"00000011 00000015 00000000 00000001 00", ErrBody},
		"no body where one is":          {"00000010 00000004 00000000 00000001", ErrBody},
		"a string without its NUL":      {"00000012 80000004 00000000 00000001 4131", ErrBody},
		"a string that is too long":     {"00000052 80000004 00000000 00000001" + strings.Repeat("41", 65) + "00", ErrBody},
		"a TLV cut off in its head":     {"00000014 80000004 00000000 00000001 00 001e00", ErrBody},
		"a TLV cut off in its value":    {"00000016 80000004 00000000 00000001 00 001e0002 41", ErrBody},
		"a flood of empty TLVs":         {"00000115 80000004 00000000 00000001 00" + strings.Repeat("00010000", 65), ErrBody},
		"a short_message cut off":       {"00000022 00000004 00000000 00000001 00 000000 000000 000000 00 00 00 00 00 00 02 41", ErrBody},
		"a short_message of 255":        {"00000120 00000004 00000000 00000001 00 000000 000000 000000 00 00 00 00 00 00 ff" + strings.Repeat("41", 255), ErrBody},
	} {
		if _, err := Decode(octets(t, c.hex)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	for _, size := range []string{"00000000", "0000000f", "00012001", "7fffffff", "ffffffff"} {
		endless := io.MultiReader(bytes.NewReader(octets(t, size)), strings.NewReader(strings.Repeat("x", 1<<20)))
		if _, err := Read(endless); !errors.Is(err, ErrLength) {
			t.Errorf("length %s: %v", size, err)
		}
	}
	whole := octets(t, golden[0].hex)
	for n := range whole {
		if _, err := Read(bytes.NewReader(whole[:n])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off after %d octets: %v", n, err)
		}
	}
}

func TestC75PDUsPrintNothing(t *testing.T) {
	for _, body := range []Body{
		&Message{Dest: Address{Addr: "canary"}, Short: []byte("canary"), TLVs: []TLV{{1, []byte("canary")}}},
		&Data{Dest: Address{Addr: "canary"}, TLVs: []TLV{{1, []byte("canary")}}},
		&Bind{Password: "canary"}, &Login{Password: "canary"},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			shown := fmt.Sprintf(verb, body) + fmt.Sprintf(verb, PDU{Body: body})
			if strings.Contains(shown, "canary") || strings.Contains(shown, hex.EncodeToString([]byte("canary"))) {
				t.Errorf("%s shows %s", verb, shown)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range golden {
		f.Add(octets(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := Decode(in)
		if err != nil {
			return
		}
		if len(in) == headerSize || !p.Command.Known() {
			return // nothing to lose
		}
		out, err := Encode(p)
		if err != nil || !bytes.Equal(in, out) {
			t.Errorf("%x came back as %x, %v", in, out, err)
		}
	})
}
