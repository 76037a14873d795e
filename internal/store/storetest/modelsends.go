package storetest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
)

// Random runs of sends to one number, against the definition of SendLimits
// taken at its word: each judgement looks at all that was ever sent.
func sendModels(f flow) {
	f.t.Run("random sends", func(t *testing.T) {
		t.Parallel()
		store, chance := f.open(t), seeded()
		random(t, func(rt *rapid.T) { runSends(rt, newWorld(rt, store, chance)) })
	})
}

// runSends has messages sent to a new number at random.
func runSends(rt *rapid.T, w *world) {
	m := &sendModel{w: w, phone: w.newNumber(), limits: drawLimits(rt)}
	if rapid.Bool().Draw(rt, "spare") {
		spare := drawLimits(rt)
		m.limits.Spare = &spare
	}
	rt.Repeat(map[string]func(*rapid.T){
		"":        m.check,
		"open":    m.open,
		"resend":  m.resend,
		"redeem":  m.redeem,
		"erase":   m.erase,
		"advance": m.advance,
	})
}

// drawLimits draws limits that refuse soon.
func drawLimits(rt *rapid.T) core.SendLimits {
	waits := []time.Duration{30 * time.Second, time.Minute, 10 * time.Minute, 2 * time.Hour}
	return core.SendLimits{
		Waits: waits[:rapid.IntRange(0, len(waits)).Draw(rt, "waits")],
		Hour:  rapid.IntRange(0, 4).Draw(rt, "hour"),
		Day:   rapid.IntRange(0, 7).Draw(rt, "day"),
	}
}

// sentOnce is one message of a challenge.
type sentOnce struct {
	at     time.Time
	bucket string
	of     *core.Challenge
}

type sendModel struct {
	w          *world
	phone      core.SealedPhone
	limits     core.SendLimits
	challenges []*core.Challenge
	sent       []sentOnce
	session    string // of the number's account; "": nobody has it
}

// check holds every window that ends now against its limit.
func (m *sendModel) check(*rapid.T) {
	for bucket, l := range map[string]*core.SendLimits{"": &m.limits, "device": &m.limits, core.BucketSolved: m.limits.Spare} {
		if l == nil {
			continue
		}
		m.w.holds("an hour has no more than its limit", l.Hour == 0 || m.within(bucket, m.w.now, time.Hour) <= l.Hour)
		m.w.holds("a day has no more than its limit", l.Day == 0 || m.within(bucket, m.w.now, day) <= l.Day)
	}
	equal(m.w, "messages", len(m.w.messagesOf(m.phone.Key)), len(m.sent))
}

func (m *sendModel) advance(rt *rapid.T) {
	m.w.advance(rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Second, 30 * time.Second, 5 * time.Minute, 20 * time.Minute,
		time.Hour - time.Millisecond, 7 * time.Hour,
	}).Draw(rt, "by"))
}

func (m *sendModel) open(rt *rapid.T) {
	in := m.w.sending(m.phone, rapid.SampledFrom([]string{"", "", "", "device"}).Draw(rt, "bucket"), m.limits)
	in.Challenge.Decoy = rapid.Bool().Draw(rt, "decoy")
	in.Challenge.ResendAt = m.w.now
	want := m.judge(in.Message.Bucket)
	got := do(m.w, m.w.store.OpenChallenge, in)
	equal(m.w, "the answer", sendAnswer{got.Outcome, got.Limit, got.RetryAt, got.Bucket}, want)
	if want.Outcome == core.Done {
		m.challenges = append(m.challenges, &in.Challenge)
		m.sent = append(m.sent, sentOnce{at: m.w.now, bucket: want.Bucket, of: &in.Challenge})
	}
}

func (m *sendModel) resend(rt *rapid.T) {
	c := pick(rt, "challenge", m.living())
	in := m.w.resend(*c)
	in.Sends, in.NextResendAt = m.limits, m.w.now
	want := m.judge("")
	got := do(m.w, m.w.store.ResendChallenge, in)
	equal(m.w, "the answer", sendAnswer{got.Outcome, got.Limit, got.RetryAt, got.Bucket}, want)
	if want.Outcome == core.Done {
		c.Resends++
		m.sent = append(m.sent, sentOnce{at: m.w.now, bucket: want.Bucket, of: c})
	}
}

// living gives the challenges that may be redeemed or sent again.
func (m *sendModel) living() []*core.Challenge {
	return slices.DeleteFunc(slices.Clone(m.challenges), func(c *core.Challenge) bool {
		return !c.RedeemedAt.IsZero() || !c.VoidedAt.IsZero() || !m.w.now.Before(c.ExpiresAt)
	})
}

func (m *sendModel) redeem(rt *rapid.T) {
	c := pick(rt, "challenge", m.living())
	if c.Decoy {
		return
	}
	in := m.w.redeemSignup(*c)
	in.Guess = quiet(in.Guess)
	in.MaxSessions = 1000
	got := do(m.w, m.w.store.RedeemSignup, in)
	m.w.outcome(got.Outcome, core.Done)
	m.session = got.Session.ID
	for _, other := range m.living() {
		other.VoidedAt = m.w.now
	}
	c.RedeemedAt, c.VoidedAt = m.w.now, time.Time{}
}

// erase deletes the account. What was sent in the last day counts on.
func (m *sendModel) erase(rt *rapid.T) {
	if m.session == "" {
		rt.Skip("nobody has the number")
	}
	m.w.outcome(do(m.w, m.w.store.DeleteUser, core.DeleteUser{SessionID: m.session, Now: m.w.now}), core.Done)
	m.session, m.challenges = "", nil
	m.sent = slices.DeleteFunc(m.sent, func(s sentOnce) bool { return !m.w.now.Before(s.at.Add(day)) })
}

// sendAnswer is how a send ends.
type sendAnswer struct {
	Outcome core.Outcome
	Limit   core.SendLimit
	RetryAt time.Time
	Bucket  string
}

func (m *sendModel) judge(bucket string) sendAnswer {
	l := m.limits
	full := l.Hour > 0 && m.within(bucket, m.w.now, time.Hour) >= l.Hour || l.Day > 0 && m.within(bucket, m.w.now, day) >= l.Day
	if full && l.Spare != nil {
		bucket, l = core.BucketSolved, *l.Spare
	}
	limit := m.refuses(bucket, l, m.w.now)
	if limit == "" {
		return sendAnswer{Outcome: core.Done, Bucket: bucket}
	}
	return sendAnswer{Outcome: core.Limited, Limit: limit, RetryAt: m.admits(bucket, l)}
}

// within counts a bucket's sends in the window that ends at a time.
func (m *sendModel) within(bucket string, end time.Time, window time.Duration) (n int) {
	for _, each := range m.sent {
		if each.bucket == bucket && end.Before(each.at.Add(window)) {
			n++
		}
	}
	return n
}

// refuses names the limit that refuses a send at a time.
func (m *sendModel) refuses(bucket string, l core.SendLimits, at time.Time) core.SendLimit {
	var waiting []time.Time
	for _, each := range m.sent {
		if each.bucket == bucket && each.of.RedeemedAt.IsZero() && at.Before(each.at.Add(time.Hour)) {
			waiting = append(waiting, each.at)
		}
	}
	if n := min(len(waiting), len(l.Waits)); n > 0 && at.Before(slices.MaxFunc(waiting, time.Time.Compare).Add(l.Waits[n-1])) {
		return core.SendWait
	}
	if l.Hour > 0 && m.within(bucket, at, time.Hour) >= l.Hour {
		return core.SendHour
	}
	if l.Day > 0 && m.within(bucket, at, day) >= l.Day {
		return core.SendDay
	}
	return ""
}

// admits finds the first time at which nothing refuses: it is one at which a
// wait ends or a send leaves a window.
func (m *sendModel) admits(bucket string, l core.SendLimits) time.Time {
	var times []time.Time
	for _, each := range m.sent {
		for _, after := range append([]time.Duration{time.Hour, day}, l.Waits...) {
			times = append(times, each.at.Add(after))
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, at := range times {
		if at.After(m.w.now) && m.refuses(bucket, l, at) == "" {
			return at
		}
	}
	m.w.t.Fatalf("no time admits")
	return time.Time{}
}
