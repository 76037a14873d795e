package core

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/locale"
	"github.com/countersign/countersign/internal/phone"
)

// Route is a way for messages that the operator has set up: one provider, one
// channel. Which of several a message takes is the outbox's to choose.
type Route struct {
	Channel   Channel
	Countries []string // ISO 3166-1 alpha-2; empty: all
	Prefixes  []string // beginnings of numbers, "+49151"; empty: all
	Prices    Prices   // of a segment of an SMS, of a message by another channel
}

// takes tells whether messages to a number go by it.
func (r Route) takes(n phone.Number, country string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(n.E164(), prefix) }
	return (len(r.Countries) == 0 || slices.Contains(r.Countries, country)) &&
		(len(r.Prefixes) == 0 || slices.ContainsFunc(r.Prefixes, begins))
}

// channels are those by which messages to a number may go, in the operator's
// order: the same for known and unknown numbers (C-59).
func (s Settings) channels(n phone.Number, country string) []Channel {
	if len(s.Routes) == 0 {
		return []Channel{ChannelSMS}
	}
	var all []Channel
	for _, r := range s.Routes {
		if r.takes(n, country) && !slices.Contains(all, r.Channel) {
			all = append(all, r.Channel)
		}
	}
	return all
}

// channel is the one that a message goes by: what was asked for, or else the
// usual one, or else SMS, or the first that there is.
func (s Settings) channel(n phone.Number, country, asked string, usual Channel) (Channel, error) {
	offered := s.channels(n, country)
	if asked != "" {
		if !slices.Contains(offered, Channel(asked)) {
			return "", refusal([]Field{{"channel", "is not offered for this number" + listed(offered)}})
		}
		return Channel(asked), nil
	}
	for _, c := range append([]Channel{usual, ChannelSMS}, offered...) {
		if slices.Contains(offered, c) {
			return c, nil
		}
	}
	return ChannelSMS, nil
}

func listed(offered []Channel) string {
	if len(offered) == 0 {
		return ""
	}
	words := make([]string, len(offered))
	for i, c := range offered {
		words[i] = string(c)
	}
	return "; offered: " + strings.Join(words, ", ")
}

// price is what a text to a number may cost by a channel: by the dearest of the
// routes that it may take, so that what is reserved for it suffices.
func (s Settings) price(channel Channel, n phone.Number, country string, text keyring.Secret) Money {
	segments := 1
	if channel == ChannelSMS {
		segments, _ = locale.Segments(text.Reveal())
	}
	most, known := Money(0), false
	for _, r := range s.Routes {
		if r.Channel == channel && r.takes(n, country) {
			most, known = max(most, r.Prices.Segment(n, country)), true
		}
	}
	if !known {
		most = s.Prices.Segment(n, country)
	}
	return Money(segments) * most
}

// least is what the cheapest message to a country costs; "" is anywhere.
func (s Settings) least(country string) Money {
	least, known := Money(0), false
	for _, r := range s.Routes {
		if country != "" && len(r.Countries) > 0 && !slices.Contains(r.Countries, country) {
			continue
		}
		if price := r.Prices.least(country); !known || price < least {
			least, known = price, true
		}
	}
	if !known {
		return s.Prices.least(country)
	}
	return least
}
