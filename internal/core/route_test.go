package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/locale"
)

// routed is a house with ways by several channels.
func routed(t *testing.T) *house {
	return newHouse(t, unhurried, func(s *core.Settings) {
		s.Prices = core.Prices{"*": 10_000}
		s.Routes = []core.Route{
			{Channel: core.ChannelSMS, Countries: []string{"US", "GB"}, Prices: core.Prices{"*": 10_000}},
			{Channel: core.ChannelSMS, Countries: []string{"US"}, Prices: core.Prices{"US": 30_000, "*": 90_000}},
			{Channel: core.ChannelVoice, Countries: []string{"US"}, Prices: core.Prices{"*": 50_000}},
			{Channel: core.ChannelWhatsApp, Prefixes: []string{"+4670"}, Prices: core.Prices{"*": 20_000}},
		}
	})
}

// A code goes by a channel that is offered for its number, or not at all.
func TestChannelsAreThoseOffered(t *testing.T) {
	t.Parallel()
	h := routed(t)
	for _, c := range []struct {
		number, asked string
		got           core.Channel
		code          core.Code
	}{
		{alice, "", core.ChannelSMS, ""},
		{bob, "voice", core.ChannelVoice, ""},
		{carol, "whatsapp", "", core.CodeInvalidRequest},
		{carol, "pigeon", "", core.CodeInvalidRequest},
		{briton, "sms", core.ChannelSMS, ""},
		{briton, "voice", "", core.CodeInvalidRequest},
		{swede, "", core.ChannelWhatsApp, ""},
		{swede, "sms", "", core.CodeInvalidRequest},
		{"+4915112345678", "", "", core.CodeCountryNotAllowed},
	} {
		ch, err := h.Signup(ctx, stranger(), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: c.number, Channel: c.asked}})
		refused := want(t, err, c.code)
		if ch.Channel != c.got {
			t.Errorf("%s by %q goes by %q, want %q", c.number, c.asked, ch.Channel, c.got)
		}
		if c.code == core.CodeInvalidRequest && (refused.Fields[0].Name != "channel" || !strings.Contains(refused.Fields[0].Message, "not offered")) {
			t.Errorf("%s by %q: %+v", c.number, c.asked, refused.Fields)
		}
	}
	for _, m := range h.messages() {
		to, text, err := core.OpenText(h.ring, m)
		want(t, err, "")
		segments, _ := locale.Segments(text.Body.Reveal())
		price := map[core.Channel]core.Money{core.ChannelVoice: 50_000, core.ChannelWhatsApp: 20_000, core.ChannelSMS: core.Money(segments) * 10_000}[m.Channel]
		if to.E164() == alice {
			price = core.Money(segments) * 30_000 // the dearest that it may go by
		}
		if m.Price != price || m.PrefixKey == "" {
			t.Errorf("%s to %s is to cost %v, want %v; prefix key %q", m.Channel, to.E164(), m.Price, price, m.PrefixKey)
		}
	}
}

// A resend may change the channel, a decoy's alike (C-61).
func TestC61AResendMayChangeTheChannel(t *testing.T) {
	t.Parallel()
	h := routed(t)
	h.signUp(alice, "")
	h.pass(time.Hour)
	for _, number := range []string{alice, bob} {
		ch := h.loginSMS(number, "")
		for _, step := range []struct {
			asked string
			got   core.Channel
			code  core.Code
		}{{"voice", core.ChannelVoice, ""}, {"whatsapp", "", core.CodeInvalidRequest}, {"", core.ChannelVoice, ""}, {"sms", core.ChannelSMS, ""}} {
			h.pass(2 * time.Minute)
			again, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID, Channel: step.asked})
			want(t, err, step.code)
			if again.Channel != step.got {
				t.Errorf("%s: %q goes by %q, want %q", number, step.asked, again.Channel, step.got)
			}
		}
	}
	key := h.ring.Pseudonym(alice)
	all, err := h.store.FindMessages(ctx, core.MessageQuery{PhoneKey: key, Limit: 10})
	want(t, err, "")
	var ways []string
	for _, m := range all {
		if m.Purpose == "login" {
			ways = append(ways, string(m.Channel))
		}
	}
	if got := strings.Join(ways, " "); got != "sms voice voice sms" {
		t.Errorf("alice's messages, the newest first, went by %s", got)
	}
}

// Known and unknown numbers are refused and offered the same (C-59).
func TestC59ChannelsTellNothing(t *testing.T) {
	t.Parallel()
	h := routed(t)
	h.signUp(alice, "")
	h.pass(time.Hour)
	for _, channel := range []string{"", "voice", "whatsapp", "x"} {
		h.pass(time.Hour)
		real, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice, Channel: channel})
		decoy, other := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: bob, Channel: channel})
		if real.Channel != decoy.Channel || codeOf(err) != codeOf(other) {
			t.Errorf("by %q: %q %v, and for nobody's number %q %v", channel, real.Channel, err, decoy.Channel, other)
		}
	}
}
