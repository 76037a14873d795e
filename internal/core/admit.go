package core

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/phone"
)

// labelLimit is of the keyed hashes that stand for numbers, and for their
// prefixes, where requests are counted.
const labelLimit keyring.Label = "limit"

// deliveryRetry is what a 503 tells strangers to wait once the money is spent.
const deliveryRetry = time.Minute

// sending is a message to a number on its way past the limits: a begin's, or a
// resend's. Known and unknown numbers go the same way (C-59).
//
// A device on which a code was redeemed passes no count that strangers can fill
// (C-42). One that has shown a password alone is a stranger here: such devices
// are had for nothing by whoever has an account. How it goes: admitDoor, a look at
// who has the number, admit, the commit; then sent, overSent or unsent; then leave.
type sending struct {
	caller   Caller
	now      time.Time
	number   phone.Number
	phone    SealedPhone // Key and Masked
	country  string
	solution captcha.Solution
	key      []byte // keyed hashes of an idempotent request's key, and of the request;
	request  []byte // nil: it is none
	test     bool   // a test number of the operator's

	device   string // a proved device of the number's user; "" for strangers
	ofDevice bool   // a device of theirs, proved or not: its codes are no strangers'
	atDoor   bool   // the address was counted
	door     []limit.Count
	again    *Challenge // what the request began when it came first; nil: look on
	judged   bool       // the solution was looked at
	solved   bool       // and was one
	unjudged error      // why it could not be
	guard    *guarded

	turn  chan struct{} // held until the store has answered; nil: it is not this message's
	taken []limit.Count // what is given back where nothing is sent
}

func (c *Core) sendingTo(caller Caller, now time.Time, number phone.Number, country string, solution captcha.Solution) *sending {
	return &sending{
		caller: caller, now: now, number: number, country: country, solution: solution, test: c.isTest(number),
		phone: SealedPhone{Key: c.ring.Pseudonym(number.E164()), Masked: number.Masked()},
	}
}

// admitDoor is what can be said before the number is looked at. Who shows a
// device is counted later, once it is known whose.
func (c *Core) admitDoor(ctx context.Context, s *sending, showsDevice bool) error {
	if s.test {
		return c.admitCounts(ctx, s, c.limits.counts(nil, limitTestNumber, s.phone.Key))
	}
	if !showsDevice {
		if err := c.admitAddress(ctx, s); err != nil {
			return err
		}
	}
	allowed := c.settings.SMSCountries
	if len(allowed) > 0 && !slices.Contains(allowed, s.country) || len(c.settings.channels(s.number, s.country)) == 0 {
		c.tellRefused(s, string(CodeCountryNotAllowed))
		return &Error{Code: CodeCountryNotAllowed}
	}
	return nil
}

// admit is what is left once it is known whether the device is. It ends with
// the counts of messages, so that unsent has to give back nothing else.
func (c *Core) admit(ctx context.Context, s *sending) error {
	if s.test {
		return nil
	}
	if s.device != "" {
		return c.admitDevice(ctx, s)
	}
	if err := c.admitAddress(ctx, s); err != nil || s.again != nil {
		return err
	}
	if !s.ofDevice {
		if err := c.admitCodes(ctx, s); err != nil {
			return err
		}
	}
	if err := c.admitMoney(s); err != nil {
		return err
	}
	if err := c.admitGuarded(ctx, s); err != nil {
		return err
	}
	counts := c.limits.counts(nil, limitSendPrefix, c.prefixKey(s.number))
	counts = c.limits.counts(counts, limitSendCountry, s.country)
	return c.admitMessage(ctx, s, c.limits.counts(counts, limitSendTotal, ""))
}

// admitDevice is admit for known devices. A device more is easily had, by its
// owner, and so is an account by who pumps messages: together they have an end,
// the devices of a number and those of a prefix. The guard watches them, too.
func (c *Core) admitDevice(ctx context.Context, s *sending) error {
	if err := c.admitMoney(s); err != nil {
		return err
	}
	if _, err := c.watch(ctx, s); err != nil {
		return err
	}
	counts := c.limits.counts(nil, limitBeginDevice, s.device)
	counts = c.limits.counts(counts, limitBeginDevices, s.phone.Key)
	return c.admitMessage(ctx, s, c.limits.counts(counts, limitSendPrefixKnown, c.prefixKey(s.number)))
}

// admitMessage takes the counts of messages, which unsent gives back, in the
// number's turn, which leave ends after that.
func (c *Core) admitMessage(ctx context.Context, s *sending, counts []limit.Count) error {
	if err := c.turns.wait(ctx, s); err != nil {
		return err
	}
	if err := c.admitCounts(ctx, s, counts); err != nil {
		s.leave()
		return err
	}
	s.taken = counts
	return nil
}

// admitAddress counts a stranger's address and network (C-44). Where they are
// exhausted and captchas lift limits, one more such count is open to whoever
// solves one: behind an address that hundreds share, a new device gets in.
func (c *Core) admitAddress(ctx context.Context, s *sending) error {
	if s.atDoor {
		return nil
	}
	s.atDoor = true
	counts := c.limits.places(limitBeginAddress, limitBeginNetwork, s.caller, "")
	full, err := c.take(ctx, s.now, counts...)
	if err != nil {
		return err
	}
	if full.Refused == "" {
		s.door = counts
		return nil
	}
	if err := c.begunBefore(ctx, s); err != nil || s.again != nil {
		return err
	}
	switch {
	case c.captcha == nil || !c.settings.CaptchaLifts:
		return c.overLimit(s, full.Refused, s.now.Add(full.RetryAfter))
	}
	hardness, err := c.hardness(ctx, s)
	if err != nil {
		return err
	}
	if s.solution.Token == "" {
		return c.askCaptcha(s, full.Refused, hardness)
	}
	// Counted before it is judged: judging costs us something.
	counts = c.limits.places(limitBeginAddress, limitBeginNetwork, s.caller, "solved ")
	if err := c.admitCounts(ctx, s, counts); err != nil {
		return err
	}
	s.door = counts
	if err := c.judgeCaptcha(ctx, s, hardness); err != nil {
		return err
	}
	if !s.solved {
		return c.askCaptcha(s, full.Refused, hardness)
	}
	return nil
}

// begunBefore finds the challenge of an idempotent request whose answer was lost:
// it is told again although the address has begun all it may.
func (c *Core) begunBefore(ctx context.Context, s *sending) error {
	if s.key == nil {
		return nil
	}
	ch, err := c.store.Begun(ctx, s.key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return unavailable("reading what a request began", err)
	case !ch.CreatedAt.After(s.now.Add(-idempotencyLife)):
		return nil
	case !bytes.Equal(ch.BeginBody, s.request):
		return &Error{Code: CodeIdempotencyConflict}
	}
	s.again = &ch
	return nil
}

// repeated gives all back that was counted for a request that began nothing new.
func (c *Core) repeated(ctx context.Context, s *sending) {
	_ = c.unsent(ctx, s, nil)
	c.giveBack(ctx, s.now, s.door)
	s.door = nil
}

// admitMoney refuses where the money for a country's messages is spent; what
// is kept for known devices stays theirs.
func (c *Core) admitMoney(s *sending) error {
	b := c.budgetState()
	closed := b.Closed[""] || b.Closed[s.country]
	if s.device == "" {
		closed = closed || b.ClosedToStrangers[""] || b.ClosedToStrangers[s.country]
	}
	if !closed {
		return nil
	}
	c.tellRefused(s, "sms_budget")
	return &Error{Code: CodeDeliveryUnavailable, RetryAfter: deliveryRetry}
}

// sendLimits are what the store bounds the messages to the number by (C-39).
func (c *Core) sendLimits(s *sending) SendLimits {
	if s.test {
		return SendLimits{}
	}
	limits := c.limits.sends
	if s.solved && s.device == "" && c.settings.CaptchaLifts && limits.Hour > 0 {
		limits.Spare = &SendLimits{Waits: limits.Waits, Hour: spareHour, Day: spareDay}
	}
	return limits
}

// overSent refuses what the store found to be one message too many, or asks
// for a captcha where one opens more (C-42).
func (c *Core) overSent(ctx context.Context, s *sending, which SendLimit, until time.Time) error {
	exhausted := which == SendHour || which == SendDay
	switch {
	case !exhausted || s.device != "" || s.solved || c.captcha == nil || !c.settings.CaptchaLifts:
		return c.unsent(ctx, s, c.overLimit(s, string(which), until))
	case s.unjudged != nil:
		return c.unsent(ctx, s, s.unjudged)
	}
	hardness, err := c.hardness(ctx, s)
	if err != nil {
		return c.unsent(ctx, s, err)
	}
	return c.unsent(ctx, s, c.askCaptcha(s, string(which), hardness))
}

// unsent gives back what was counted for a message that is not sent, and
// passes on why. What may have been sent after all stays counted.
func (c *Core) unsent(ctx context.Context, s *sending, why error) error {
	if !isUncertain(why) {
		c.giveBack(ctx, s.now, s.taken)
	}
	s.taken = nil
	return why
}

// admitCounts takes all of the counts or refuses.
func (c *Core) admitCounts(ctx context.Context, s *sending, counts []limit.Count) error {
	full, err := c.take(ctx, s.now, counts...)
	if err != nil {
		return err
	}
	if full.Refused != "" {
		return c.overLimit(s, full.Refused, s.now.Add(full.RetryAfter))
	}
	return nil
}

// overLimit refuses by the limit named, and tells of it.
func (c *Core) overLimit(s *sending, name string, until time.Time) error {
	c.tellRefused(s, name)
	return rateLimited(s.now, until)
}

func (c *Core) tellRefused(s *sending, reason string) {
	e := c.about(c.event(s.caller, s.now, event.RateLimited, event.Failure), s.phone)
	e.Method, e.Reason = MethodSMS, reason
	c.traffic(e)
}

// take counts, or tells what is full. No counts are no question.
func (c *Core) take(ctx context.Context, now time.Time, counts ...limit.Count) (limit.Decision, error) {
	if len(counts) == 0 {
		return limit.Decision{}, nil
	}
	decision, err := c.limiter.Take(ctx, now, counts...)
	if err != nil {
		return decision, unavailable("asking the limiter", err)
	}
	return decision, nil
}

// giveBack takes back what was counted. Where the limiter does not answer, it
// stays counted: the stricter of the two.
func (c *Core) giveBack(ctx context.Context, taken time.Time, counts []limit.Count) {
	if len(counts) > 0 {
		_ = c.limiter.GiveBack(context.WithoutCancel(ctx), taken, counts...)
	}
}

// counts adds somebody to those who are counted under the limit named, where it
// is in force.
func (l limits) counts(counts []limit.Count, name, key string) []limit.Count {
	if rule, ok := l.rules[name]; ok {
		counts = append(counts, limit.Count{Rule: rule, Key: key})
	}
	return counts
}

// places are the address and the network that a caller asks from (C-44).
func (l limits) places(byAddress, byNetwork string, caller Caller, prefix string) []limit.Count {
	counts := l.counts(make([]limit.Count, 0, 2), byAddress, prefix+host(caller.Address))
	return l.counts(counts, byNetwork, prefix+network(caller.Address))
}

// prefixKey stands for a number less its last four digits.
func (c *Core) prefixKey(n phone.Number) string {
	mac := c.ring.Fingerprint(labelLimit, []byte("prefix"), []byte(n.Prefix()))
	return base64.RawURLEncoding.EncodeToString(mac[:16])
}
