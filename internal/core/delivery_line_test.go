package core_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// settle ends the newest claimed message as its holder, by a provider.
func (h *house) settle(end core.SettleMessage) core.Message {
	h.t.Helper()
	all := h.messages()
	m := all[len(all)-1]
	end.ID, end.Holder, end.Provider, end.Now = m.ID, "test", "acme", h.clock()
	err := h.store.BeginAttempts(ctx, core.BeginAttempts{Holder: "test", Now: h.clock(), Attempts: []core.BeginAttempt{{MessageID: m.ID, Provider: "acme"}}})
	if err != nil {
		h.t.Fatal(err)
	}
	if got, err := h.store.SettleMessage(ctx, end); err != nil || got != core.Done {
		h.t.Fatal(got, err)
	}
	return m
}

func (h *house) where(ch core.Challenge) core.DeliveryOf {
	h.t.Helper()
	d, err := h.WhereIsCode(ctx, stranger(), ch.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// Who signs up is told how far the code has come, as receipts tell it.
func TestWhereIsMyCode(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	ch := h.begin(alice)
	if d := h.where(ch); d.State != core.CodeQueued || !d.ResendAt.Equal(ch.ResendAt) || !d.Since.Equal(ch.CreatedAt) {
		t.Errorf("before it is sent: %+v", d)
	}
	h.pass(time.Second)
	h.settle(core.SettleMessage{State: core.MessageSent, ProviderRef: "r1"})
	sent := h.clock()
	h.pass(40 * time.Second)
	if d := h.where(ch); d.State != core.CodeSent || !d.Since.Equal(sent) || !strings.Contains(d.Message, "40s ago") || !strings.Contains(d.Message, "not told yet") {
		t.Errorf("sent: %+v", d)
	}
	want(t, h.RecordReceipts(ctx, "acme", []core.ReceiptIn{{Ref: "r1", State: core.DeliveryDelivered, At: h.clock()}}), "")
	if d := h.where(ch); d.State != core.CodeDelivered || !d.Since.Equal(h.clock()) {
		t.Errorf("delivered: %+v", d)
	}
	if _, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID}); err != nil {
		t.Fatal(err)
	}
	if d := h.where(ch); d.State != core.CodeQueued {
		t.Errorf("sent again: %+v", d)
	}
	h.settle(core.SettleMessage{State: core.MessageFailed, Failure: "final"})
	if d := h.where(ch); d.State != core.CodeUndelivered {
		t.Errorf("taken by nobody: %+v", d)
	}
	h.pass(time.Hour)
	if d := h.where(ch); d.State != core.CodeExpired || !d.ResendAt.IsZero() {
		t.Errorf("expired: %+v", d)
	}
}

// Of a login and a reset the line says the same for decoys and real ones, whatever
// became of the message (C-59, C-61).
func TestC61WhereIsMyCodeIsNoOracle(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	h.signUp(alice, "")
	for _, begin := range []func(string) core.Challenge{
		func(n string) core.Challenge { return h.loginSMS(n, "") }, h.beginReset,
	} {
		h.pass(time.Hour)
		real, decoy := begin(alice), begin(bob)
		same := func(when string) {
			t.Helper()
			a, b := h.where(real), h.where(decoy)
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("%s: (-real +decoy)\n%s", when, diff)
			}
		}
		same("at once")
		h.pass(31 * time.Second)
		m := h.settle(core.SettleMessage{State: core.MessageSent, ProviderRef: real.ID})
		same("sent")
		want(t, h.RecordReceipts(ctx, "acme", []core.ReceiptIn{{MessageID: m.ID, State: core.DeliveryDelivered}}), "")
		same("delivered")
		for _, ch := range []core.Challenge{real, decoy} {
			_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
			want(t, err, "")
		}
		same("resent")
		h.pass(20 * time.Minute)
		same("expired")
	}
}

func TestC64WhereIsMyCodeOfAnothers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	owner, other := h.as(h.signUp(alice, "")), h.as(h.signUp(bob, ""))
	h.pass(time.Hour)
	ch, err := h.ChangePhone(ctx, h.as(h.signUp(alice, "")), core.BeginIn{PhoneNumber: carol})
	want(t, err, "")
	for _, c := range []struct {
		caller core.Caller
		id     string
		code   core.Code
	}{
		{stranger(), "0192f3a0-0000-7000-8000-000000000000", core.CodeNotFound},
		{stranger(), "x", core.CodeNotFound},
		{stranger(), ch.ID, core.CodeInvalidToken},
		{other, ch.ID, core.CodeNotFound},
		{owner, ch.ID, core.CodeNotFound}, // another session of theirs
	} {
		_, err := h.WhereIsCode(ctx, c.caller, c.id)
		want(t, err, c.code)
	}
}

func TestWhereIsMyCodeCannotBeHammered(t *testing.T) {
	h := newHouse(t)
	ch := h.begin(alice)
	probe{limit: "delivery_address", act: func(h *house) func(int) error {
		return func(int) error {
			_, err := h.WhereIsCode(ctx, at("10.0.0.7"), "0192f3a0-0000-7000-8000-000000000000")
			if codeOf(err) == core.CodeNotFound {
				return nil
			}
			return err
		}
	}}.run(t)
	if _, err := h.WhereIsCode(ctx, stranger(), ch.ID); err != nil {
		t.Error(err)
	}
}

// What a receipt says is told once, moves forward only, and reaches the way that it is of.
func TestReceiptsAreToldOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	user := h.signUp(alice, "")
	h.pass(time.Hour)
	h.loginSMS(alice, "")
	m := h.settle(core.SettleMessage{State: core.MessageSent, ProviderRef: "r1"})
	h.pass(3 * time.Second)
	var heard []string
	c := core.New(core.Deps{Store: h.store, Ring: h.ring, Now: h.clock, Rand: strings.NewReader(strings.Repeat("r", 4096)), Traffic: h.heard,
		Routed: func(provider, country string, failed bool) {
			heard = append(heard, provider+" "+country+" "+map[bool]string{true: "failed", false: "arrived"}[failed])
		}})
	record := func(in core.ReceiptIn) {
		t.Helper()
		want(t, c.RecordReceipts(context.Background(), "acme", []core.ReceiptIn{in}), "")
	}
	record(core.ReceiptIn{Ref: "r1", State: core.DeliverySent})
	record(core.ReceiptIn{Ref: "r1", State: core.DeliveryDelivered, At: h.clock().Add(240 * time.Hour)}) // a clock that is ahead
	record(core.ReceiptIn{Ref: "r1", State: core.DeliveryDelivered})
	record(core.ReceiptIn{MessageID: m.ID, Ref: "r1", State: core.DeliveryFailed, Again: true})
	record(core.ReceiptIn{Ref: "nobody's", State: core.DeliveryDelivered})
	record(core.ReceiptIn{MessageID: "none", State: core.DeliveryDelivered})
	var told []event.Event
	for _, e := range h.accountEvents(user.User.ID) {
		if e.Name == event.SMSDelivered || e.Name == event.SMSSendFailed {
			told = append(told, e)
		}
	}
	if len(told) != 1 || told[0].Name != event.SMSDelivered || told[0].PhonePseudonym != m.PhoneKey || told[0].PhoneNumber != m.PhoneMasked ||
		told[0].RequestID != m.RequestID || told[0].Method != "sms" {
		t.Fatalf("told %+v", told)
	}
	wantAttributes := event.Attributes{"message_id": m.ID, "purpose": "login", "provider": "acme", "try": int64(1), "country": "US", "state": "delivered", "took_ms": int64(3000)}
	if diff := cmp.Diff(wantAttributes, told[0].Attributes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if want := []string{"acme US arrived"}; !slices.Equal(heard, want) {
		t.Errorf("the way heard %q, want %q", heard, want)
	}
}

// A failure that another provider may mend queues the code again at once; one that
// time may mend, later.
func TestAReceiptMaySendAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   core.ReceiptIn
		due  []bool // at once, after two seconds
		line core.DeliveryWord
	}{
		{core.ReceiptIn{State: core.DeliveryFailed, Again: true, AtOnce: true}, []bool{true, false}, core.CodeQueued},
		{core.ReceiptIn{State: core.DeliveryUndelivered, Again: true}, []bool{false, true}, core.CodeQueued},
		{core.ReceiptIn{State: core.DeliveryUndelivered}, []bool{false, false}, core.CodeUndelivered},
	} {
		h := newHouse(t, unhurried)
		ch := h.begin(alice)
		m := h.settle(core.SettleMessage{State: core.MessageSent, ProviderRef: "r1"})
		c.in.MessageID = m.ID
		want(t, h.RecordReceipts(ctx, "acme", []core.ReceiptIn{c.in}), "")
		if d := h.where(ch); d.State != c.line {
			t.Errorf("%+v: %+v", c.in, d)
		}
		for i, due := range c.due {
			before := len(h.claimed)
			h.claim()
			if got := len(h.claimed) > before; got != due {
				t.Errorf("%+v: due %v at %d", c.in, got, i)
			}
			h.pass(2 * time.Second)
		}
	}
}

func TestARefusedReceiptIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ReceiptRefused(stranger(), "acme", core.ReceiptForged)
	last := h.traffic[len(h.traffic)-1]
	if last.Name != event.ReceiptRefused || last.Outcome != event.Failure || last.Reason != "forged" || last.Attributes["provider"] != "acme" || last.IPAddress == "" {
		t.Errorf("told %+v", last)
	}
}
