package storetest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// Random runs of claims within budgets: which messages are claimed must be
// what the definition says, and no window ever holds more than its budget.
func budgetModels(f flow) {
	f.t.Run("random claims", func(t *testing.T) {
		t.Parallel()
		store, chance := f.open(t), seeded()
		begin := midnight
		random(t, func(rt *rapid.T) {
			begin = begin.Add(1000 * day) // nothing that earlier runs spent or queued is seen
			w := newWorld(rt, store, chance)
			w.setClock(begin)
			runBudgets(rt, w)
		})
	})
}

// runBudgets has messages queued and claimed at random.
func runBudgets(rt *rapid.T, w *world) {
	w.claims(core.Budgets{})
	m := &budgetModel{w: w, budgets: core.Budgets{
		Total: drawBudget(rt), Country: drawBudget(rt),
		Countries:   map[string]core.Budget{"DE": drawBudget(rt)},
		StrangerPct: rapid.SampledFrom([]int{50, 100}).Draw(rt, "strangers"),
	}}
	rt.Repeat(map[string]func(*rapid.T){
		"":        m.check,
		"queue":   m.queue,
		"claim":   m.claim,
		"settle":  m.settle,
		"advance": m.advance,
	})
}

func drawBudget(rt *rapid.T) core.Budget {
	amount := rapid.SampledFrom([]core.Money{0, 7, 20})
	return core.Budget{Hour: amount.Draw(rt, "hour"), Day: amount.Draw(rt, "day"), Month: 2 * amount.Draw(rt, "month")}
}

// queuedOnce is a message of the model.
type queuedOnce struct {
	core.Message
	dueAt    time.Time
	held     bool // by a claimer
	waits    bool // for money
	settled  bool
	reserved *reservation // the last claim's
}

type reservation struct {
	at      time.Time
	country string
	amount  core.Money
}

type budgetModel struct {
	w        *world
	budgets  core.Budgets
	messages []*queuedOnce
	reserved []*reservation
	givenUp  []string // by the claim that is looked at
}

// window is one of a budget's, with the slots that it counts.
type window struct {
	slot, length time.Duration
	bound        core.Money
}

func windowsOf(b core.Budget) []window {
	return []window{{time.Minute, time.Hour, b.Hour}, {time.Hour, day, b.Day}, {day, 31 * day, b.Month}}
}

// spent sums what lies in the slots that a window touches; exactly, only what
// lies in the window.
func (m *budgetModel) spent(country string, of window, exactly bool) (sum core.Money) {
	from := m.w.now.Add(-of.length)
	for _, r := range m.reserved {
		in := r.at.UnixMilli()/of.slot.Milliseconds() >= from.UnixMilli()/of.slot.Milliseconds()
		if exactly {
			in = r.at.After(from)
		}
		if in && (country == "" || r.country == country) {
			sum += r.amount
		}
	}
	return sum
}

// budgetOf gives a country's budget; "" is the total's.
func (m *budgetModel) budgetOf(country string) core.Budget {
	switch country {
	case "":
		return m.budgets.Total
	case "DE":
		return m.budgets.Countries["DE"]
	}
	return m.budgets.Country
}

func (m *budgetModel) check(*rapid.T) {
	var want []core.Spending
	for _, country := range []string{"", "AT", "DE"} {
		var sums []core.Money
		for _, each := range windowsOf(m.budgetOf(country)) {
			sums = append(sums, m.spent(country, each, false))
			m.w.holds("no window has more than its budget", each.bound == 0 || m.spent(country, each, true) <= each.bound)
		}
		if sums[2] > 0 {
			want = append(want, core.Spending{Country: country, Hour: sums[0], Day: sums[1], Month: sums[2]})
		}
	}
	m.w.spending(want...)
	var held int64
	for _, each := range m.messages {
		if each.waits {
			held++
		}
	}
	equal(m.w, "held", m.w.queues().Held, held)
}

func (m *budgetModel) advance(rt *rapid.T) {
	m.w.advance(rapid.SampledFrom([]time.Duration{
		time.Second, holdFor - time.Millisecond, holdFor, time.Minute, 13 * time.Minute, 59 * time.Minute, 23 * time.Hour, 9 * day,
	}).Draw(rt, "by"))
}

func (m *budgetModel) queue(rt *rapid.T) {
	c := m.w.newChallenge(core.PurposeSignup, m.w.newNumber())
	c.ExpiresAt = m.w.now.Add(2 * day)
	c.Decoy = rapid.IntRange(0, 4).Draw(rt, "decoy") == 4
	in := m.w.openChallenge(c)
	in.Message.Price = core.Money(rapid.SampledFrom([]int{0, 1, 3, 8}).Draw(rt, "price"))
	in.Message.Country = rapid.SampledFrom([]string{"DE", "AT", ""}).Draw(rt, "country")
	in.Message.Bucket = rapid.SampledFrom([]string{"", "", "device", core.BucketSolved}).Draw(rt, "bucket")
	in.Event = event.Event{}
	m.w.outcome(do(m.w, m.w.store.OpenChallenge, in).Outcome, core.Done)
	m.messages = append(m.messages, &queuedOnce{Message: in.Message, dueAt: m.w.now})
}

func (m *budgetModel) claim(rt *rapid.T) {
	in := m.w.claimInput("a", rapid.IntRange(1, 4).Draw(rt, "limit"), m.budgets)
	var want, got, givenUp []string
	m.givenUp = nil
	for _, each := range m.messages {
		if len(want) == in.Limit {
			break
		}
		if !each.settled && !each.dueAt.After(m.w.now) && m.claimed(each) {
			want = append(want, each.ID)
		}
	}
	claimed := do(m.w, m.w.store.ClaimMessages, in)
	for _, each := range claimed.Messages {
		got = append(got, each.ID)
	}
	for _, each := range claimed.GivenUp {
		givenUp = append(givenUp, each.ID+" "+string(each.State))
	}
	equal(m.w, "claimed", got, want)
	equal(m.w, "given up", givenUp, m.givenUp)
}

// claimed looks at a due message as a claim does.
func (m *budgetModel) claimed(each *queuedOnce) bool {
	price := each.Price
	if each.State == core.MessageWithheld {
		price = 0
	}
	stranger := each.Bucket == "" || each.Bucket == core.BucketSolved
	switch {
	case !m.w.now.Before(each.ExpiresAt):
		m.giveUp(each, core.MessageExpired)
		return false
	case each.Tries == core.MaxSendTries:
		m.giveUp(each, core.MessageFailed)
		return false
	case !m.fits("", price, stranger), each.Country != "" && !m.fits(each.Country, price, stranger):
		each.dueAt, each.held, each.waits = m.w.now.Add(holdFor), false, true
		return false
	}
	each.waits = false
	each.Tries++
	each.dueAt, each.held = m.w.now.Add(time.Minute), true
	each.reserved = &reservation{at: m.w.now, country: each.Country, amount: price}
	m.reserved = append(m.reserved, each.reserved)
	return true
}

func (m *budgetModel) giveUp(each *queuedOnce, state core.MessageState) {
	each.settled, each.waits = true, false
	if each.State != core.MessageWithheld {
		m.givenUp = append(m.givenUp, each.ID+" "+string(state))
	}
}

func (m *budgetModel) fits(country string, price core.Money, stranger bool) bool {
	for _, each := range windowsOf(m.budgetOf(country)) {
		bound := each.bound
		if stranger {
			bound = bound * core.Money(m.budgets.StrangerPct) / 100
		}
		if price > 0 && each.bound > 0 && m.spent(country, each, false)+price > bound {
			return false
		}
	}
	return true
}

func (m *budgetModel) settle(rt *rapid.T) {
	var held []*queuedOnce
	for _, each := range m.messages {
		if each.held && !each.settled {
			held = append(held, each)
		}
	}
	message := pick(rt, "message", held)
	in := m.w.settle(message.Message, "a", core.MessageSent)
	in.Event = event.Event{}
	if rapid.Bool().Draw(rt, "again") {
		in.State, in.RetryAt = core.MessageQueued, m.w.now
	}
	if rapid.Bool().Draw(rt, "known") {
		in.Cost = money(min(message.reserved.amount, core.Money(rapid.IntRange(0, 8).Draw(rt, "cost"))))
		message.reserved.amount = *in.Cost
	}
	m.w.outcome(do(m.w, m.w.store.SettleMessage, in), core.Done)
	message.held, message.dueAt, message.settled = false, m.w.now, in.State == core.MessageSent
}
