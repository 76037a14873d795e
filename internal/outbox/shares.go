package outbox

import (
	"math"

	"github.com/countersign/countersign/internal/core"
)

// pseudo is how many messages the level above counts for: a few codes more or
// less say nothing yet.
const pseudo = 20

// share is what is expected of a provider: how many of its codes are entered.
type share struct {
	rate   float64
	seen   int64   // messages that it rests on, at its level
	weight float64 // those, the old ones counting less
	level  level   // the nearest at which anything was seen
	error  float64 // by how much it may well be wrong: a standard deviation
}

// level is how near to a number something was seen.
type level int

const (
	levelNone     level = iota
	levelProvider       // anywhere
	levelCountry
	levelPrefix // numbers that begin the same
)

// shares is what was learnt, by provider ("": all), channel, country ("": all)
// and prefix ("": all).
type shares map[shareKey]evidence

type shareKey struct {
	level    level
	provider string
	channel  core.Channel
	country  string
	prefix   string
}

// evidence counts messages, the old ones for less than one.
type evidence struct {
	sent, redeemed float64
	seen           int64
}

// add counts what the store tells of an age of messages.
func (s shares) add(stats []core.RouteStat, weight float64) {
	for _, stat := range stats {
		for _, key := range []shareKey{
			{channel: stat.Channel},
			{level: levelProvider, provider: stat.Provider, channel: stat.Channel},
			{level: levelCountry, provider: stat.Provider, channel: stat.Channel, country: stat.Country},
			{level: levelPrefix, provider: stat.Provider, channel: stat.Channel, country: stat.Country, prefix: stat.PrefixKey},
		} {
			e := s[key]
			e.sent += weight * float64(stat.Sent)
			e.redeemed += weight * float64(stat.Redeemed)
			e.seen += stat.Sent
			s[key] = e
		}
	}
}

// of is what is expected of a provider for a message: what was seen of numbers
// that begin the same; beside it, as pseudo messages, what was seen of others in the
// country, beside that of the provider elsewhere, and beside that of all others.
// Nothing counts twice.
func (s shares) of(provider string, w want) share {
	levels := []evidence{
		s[shareKey{channel: w.channel}],
		s[shareKey{level: levelProvider, provider: provider, channel: w.channel}],
		s[shareKey{level: levelCountry, provider: provider, channel: w.channel, country: w.country}],
		s[shareKey{level: levelPrefix, provider: provider, channel: w.channel, country: w.country, prefix: w.prefixKey}],
		{},
	}
	found := share{rate: 0.5}
	for i, e := range levels[:len(levels)-1] {
		nearer := levels[i+1]
		found.rate = (e.redeemed - nearer.redeemed + pseudo*found.rate) / (e.sent - nearer.sent + pseudo)
		if i > 0 && e.seen > 0 {
			found.seen, found.weight, found.level = e.seen, e.sent, level(i)
		}
	}
	found.error = math.Sqrt(found.rate * (1 - found.rate) / (found.weight + pseudo))
	return found
}
