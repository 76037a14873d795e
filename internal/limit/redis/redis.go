package redis

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/countersign/countersign/internal/limit"
)

// Options say where Redis is and how to ask it.
//
// URL is redis://user:password@host:6379/0, rediss:// for TLS, unix:// for a
// socket. More addresses (of a cluster, or of sentinels) follow as
// ?addr=host2:6379&addr=host3:6379; with &master_set=name the addresses are those
// of sentinels, which are asked with the same user, password and TLS.
type Options struct {
	URL    string
	Secret []byte           // keys the hashes; of all instances and for ever the same, else counts begin anew
	Prefix string           // of all keys (default "cs")
	Bound  time.Duration    // the longest a call may take (default 250 ms)
	Now    func() time.Time // the clock of those who call (default time.Now)
	Roots  *x509.CertPool   // who may vouch for the server under TLS (default: the system's)

	// CallersTime counts by the time that callers give. It is for tests, whose
	// clock is their own: instances whose clocks differ would not agree.
	CallersTime bool
}

// Limiter counts in Redis. It is asked for the first time when something is to
// be counted: that it is away is no error of New.
type Limiter struct {
	secret []byte
	prefix string
	bound  time.Duration
	now    func() time.Time
	theirs bool
	link   link
	born   string       // the key that tells when Redis began to count
	bornAt atomic.Int64 // as last seen; 0: not yet

	take, back, tally *rueidis.Lua
}

// New makes a Limiter; it fails if the options make no sense. Close ends it.
func New(o Options) (*Limiter, error) {
	if len(o.Secret) < 16 {
		return nil, errors.New("redis: a secret of 16 bytes or more is needed")
	}
	if o.Prefix == "" {
		o.Prefix = "cs"
	}
	if o.Bound <= 0 {
		o.Bound = 250 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	option, err := clientOption(o.URL, o.Bound, o.Roots)
	if err != nil {
		return nil, err
	}
	return &Limiter{
		secret: o.Secret, prefix: o.Prefix, bound: o.Bound, now: o.Now, theirs: o.CallersTime, born: o.Prefix + ":born",
		link: link{option: option},
		take: rueidis.NewLuaScript(commonScript + takeScript),
		back: rueidis.NewLuaScript(commonScript + backScript), tally: rueidis.NewLuaScript(commonScript + tallyScript),
	}, nil
}

// Close ends the connections. Calls that wait fail.
func (l *Limiter) Close() { l.link.close() }

// Take is limit.Limiter's. An error may hide that it was counted: its answer was
// lost. All calls err once when Redis has forgotten what it counted, as after a
// restart: who asks must not begin anew with it (limit.Fallback). In a cluster
// that does not show.
func (l *Limiter) Take(ctx context.Context, now time.Time, counts ...limit.Count) (limit.Decision, error) {
	asked, refusal := l.ask(counts)
	if len(asked.keys) == 0 {
		return refusal, nil
	}
	ctx, cancel := l.within(ctx)
	defer cancel()
	client, err := l.link.get(ctx)
	if err != nil {
		return limit.Decision{}, fmt.Errorf("redis: connecting: %w", err)
	}
	look := refusal.Refused != ""
	var d limit.Decision
	if clustered(client) {
		d, err = l.takeSpread(ctx, client, now, asked, look)
	} else {
		d, err = l.takeOnce(ctx, client, now, asked, look)
	}
	if err != nil {
		return limit.Decision{}, fmt.Errorf("redis: taking: %w", err)
	}
	return longer(refusal, d), nil
}

// GiveBack is limit.Limiter's. By Redis' time it takes back the earliest of those
// that may be meant: what is kept may count up to a bound longer, never shorter.
// Above N = 256 both go by the slots of the window.
func (l *Limiter) GiveBack(ctx context.Context, taken time.Time, counts ...limit.Count) error {
	asked, _ := l.ask(counts)
	if len(asked.keys) == 0 {
		return nil
	}
	ctx, cancel := l.within(ctx)
	defer cancel()
	client, err := l.link.get(ctx)
	if err != nil {
		return fmt.Errorf("redis: connecting: %w", err)
	}
	groups := []asking{asked}
	if clustered(client) {
		groups = asked.bySlot()
	}
	for _, g := range groups {
		if err := l.giveBack(ctx, client, taken, g); err != nil {
			return fmt.Errorf("redis: giving back: %w", err)
		}
	}
	return nil
}

// Tally is limit.Limiter's.
func (l *Limiter) Tally(ctx context.Context, now time.Time, tallies ...limit.Tally) ([]limit.Tallied, error) {
	sums := make([]limit.Tallied, len(tallies))
	if len(tallies) == 0 {
		return sums, nil
	}
	ctx, cancel := l.within(ctx)
	defer cancel()
	client, err := l.link.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis: connecting: %w", err)
	}
	step := len(tallies)
	if clustered(client) {
		step = 1
	}
	for i := 0; i < len(tallies); i += step {
		if err := l.tallies(ctx, client, now, tallies[i:i+step], sums[i:]); err != nil {
			return nil, fmt.Errorf("redis: adding up: %w", err)
		}
	}
	return sums, nil
}

func (l *Limiter) tallies(ctx context.Context, client rueidis.Client, now time.Time, tallies []limit.Tally, sums []limit.Tallied) error {
	keys := make([]string, len(tallies))
	args := append(l.begin(client, now, 5+2*len(tallies)), strconv.Itoa(limit.TallySlots))
	for i, t := range tallies {
		keys[i] = l.key('t', t.Name, t.Key)
		args = append(args, number(max(1, micros(t.Window)/limit.TallySlots)), number(t.Add))
	}
	got, err := l.run(ctx, client, l.tally, keys, args, 2*len(tallies))
	if err != nil {
		return err
	}
	for i := range tallies {
		sums[i] = limit.Tallied{Sum: got[2*i], Settled: got[2*i+1]}
	}
	return nil
}

// asking is what one script call is about: counts, and the keys they have.
type asking struct {
	keys   []string
	counts []limit.Count
}

// ask finds the keys of the counts. Rules that admit nobody have none: they
// refuse at once.
func (l *Limiter) ask(counts []limit.Count) (asking, limit.Decision) {
	a := asking{keys: make([]string, 0, len(counts)), counts: make([]limit.Count, 0, len(counts))}
	var refusal limit.Decision
	for _, c := range counts {
		if !c.Rule.Counts() {
			refusal = longer(refusal, limit.Decision{Refused: c.Rule.Name, RetryAfter: max(c.Rule.Window, time.Second)})
			continue
		}
		kind := byte('l')
		if c.Rule.Slot() > 0 {
			kind = 's'
		}
		a.keys = append(a.keys, l.key(kind, c.Rule.Name, c.Key))
		a.counts = append(a.counts, c)
	}
	return a, refusal
}

// key is where somebody is counted. The braces make all that is counted under
// one Key share a slot of a cluster.
func (l *Limiter) key(kind byte, name, key string) string {
	mac := hmac.New(sha256.New, l.secret)
	mac.Write([]byte(key))
	var sum [sha256.Size]byte
	return l.prefix + ":{" + base64.RawURLEncoding.EncodeToString(mac.Sum(sum[:0])[:16]) + "}" + string(kind) + name
}

// within bounds a call.
func (l *Limiter) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if until, ok := ctx.Deadline(); ok && time.Until(until) <= l.bound {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, l.bound)
}

func longer(a, b limit.Decision) limit.Decision {
	if b.RetryAfter > a.RetryAfter {
		return b
	}
	return a
}
