package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What core.Budgets mean: ClaimMessages within them, SettleMessage's Cost, and
// Spending.
func budgets(f flow) {
	f.shows("C49 a claim reserves each message's price", budgetReserves)
	f.shows("C49 a message that would pass a budget waits", budgetHolds)
	f.shows("C49 a window counts every slot that it touches", budgetWindows)
	f.shows("C49 each country has its budget", budgetCountries)
	f.shows("C42 strangers leave a part of each budget", budgetStrangers)
	f.shows("a withheld message reserves nothing", budgetWithheld)
	f.shows("without prices nothing is kept", budgetFree)
	f.shows("C49 what is held does not hold others up", budgetOthers)
	f.shows("C51 a held message expires, and is told", budgetExpires)
	f.shows("C49 each claim reserves anew", budgetClaimsAnew)
	f.shows("C49 what it cost takes the place of the price", budgetCost)
	f.shows("C49 a cost counts when it was claimed", budgetCostTime)
	f.shows("only the holder corrects a price", budgetNotHolder)
	f.shows("C49 what was spent outlives its account and the sweep", budgetSwept)
	f.shows("C49 24 claims at once, no budget passed", raceBudgets)
	f.shows("C49 24 settled at once, every cost counted", raceCosts)
}

// holdFor is how long these cases have messages wait for money.
const holdFor = 30 * time.Second

// whole lets strangers use all of a budget for everything.
func whole(b core.Budget) core.Budgets { return core.Budgets{Total: b, StrangerPct: 100} }

// priced queues a message of a challenge that lives for long enough.
func (w *world) priced(price core.Money, country, bucket string) core.Message {
	w.t.Helper()
	c := w.newChallenge(core.PurposeSignup, w.newNumber())
	c.ExpiresAt = w.now.Add(365 * day)
	in := w.openChallenge(c)
	in.Message.Price, in.Message.Country, in.Message.Bucket, in.Event = price, country, bucket, event.Event{}
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	return in.Message
}

func (w *world) claimInput(holder string, limit int, b core.Budgets) core.ClaimMessages {
	return core.ClaimMessages{
		Claim:   core.Claim{Holder: holder, Limit: limit, Lease: time.Minute, Now: w.now},
		Budgets: b, HoldFor: holdFor,
	}
}

// claims fails the test unless exactly these are claimed, in order.
func (w *world) claims(b core.Budgets, want ...core.Message) []core.Message {
	w.t.Helper()
	got := do(w, w.store.ClaimMessages, w.claimInput("a", 100, b)).Messages
	var gotIDs, wantIDs []string
	for _, m := range got {
		gotIDs = append(gotIDs, m.ID)
	}
	for _, m := range want {
		wantIDs = append(wantIDs, m.ID)
	}
	equal(w, "claimed", gotIDs, wantIDs)
	return got
}

// costs settles a claimed message for so much; nil is not known.
func (w *world) costs(m core.Message, state core.MessageState, cost *core.Money) {
	w.t.Helper()
	in := w.settle(m, "a", state)
	in.Cost, in.RetryAt, in.Event = cost, w.now, event.Event{}
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
}

func money(m core.Money) *core.Money { return &m }

// spending fails the test unless this was spent; the same in all windows
// where only one amount is given.
func (w *world) spending(want ...core.Spending) {
	w.t.Helper()
	equal(w, "spending", do(w, w.store.Spending, w.now), want)
}

// spent is a country's spending, all of it a moment ago.
func spentNow(country string, m core.Money) core.Spending {
	return core.Spending{Country: country, Hour: m, Day: m, Month: m}
}

func budgetReserves(w *world) {
	w.spending()
	first, second, third := w.priced(100, "DE", ""), w.priced(20, "AT", ""), w.priced(3, "", "")
	w.spending() // nothing before the claim
	for _, m := range w.claims(core.Budgets{}, first, second, third) {
		w.costs(m, core.MessageSent, nil)
	}
	w.spending(spentNow("", 123), spentNow("AT", 20), spentNow("DE", 100))
	w.advance(3 * time.Hour)
	w.claims(whole(core.Budget{Hour: 1000}), w.priced(1, "AT", ""))
	w.spending(core.Spending{Hour: 1, Day: 124, Month: 124}, core.Spending{Country: "AT", Hour: 1, Day: 21, Month: 21},
		core.Spending{Country: "DE", Day: 100, Month: 100})
}

func budgetHolds(w *world) {
	for _, b := range []core.Budget{{Hour: 100}, {Day: 100}, {Month: 100}} {
		w.advance(100 * day)
		fits, passes := w.priced(40, "DE", ""), w.priced(61, "DE", "")
		w.costs(w.claims(whole(b), fits)[0], core.MessageSent, nil)
		w.spending(spentNow("", 40), spentNow("DE", 40))
		w.advance(holdFor - time.Millisecond)
		w.claims(whole(core.Budget{})) // it waits, whatever the budget is by now
		w.advance(time.Millisecond)
		w.claims(whole(b))
		w.advance(holdFor)
		waiting := w.message(passes.PhoneKey, passes.ID)
		equal(w, "tries", waiting.Tries, 0)
		w.holds("it is told as held", waiting.Held)
		equal(w, "held", w.queues().Held, int64(1))
		b.Hour, b.Day, b.Month = b.Hour+b.Hour/100, b.Day+b.Day/100, b.Month+b.Month/100
		claimed := w.claims(whole(b), passes) // to the last millionth
		equal(w, "the first try", claimed[0].Tries, 1)
		w.holds("it was held once", claimed[0].Held)
		equal(w, "held now", w.queues().Held, int64(0))
		w.costs(passes, core.MessageSent, nil)
	}
}

func budgetWindows(w *world) {
	for _, each := range []struct {
		budget core.Budget
		slot   time.Duration
		slots  int
	}{
		{core.Budget{Hour: 10}, time.Minute, 61},
		{core.Budget{Day: 10}, time.Hour, 25},
		{core.Budget{Month: 10}, day, 32},
	} {
		w.advance(100 * day)
		w.setClock(w.now.Truncate(each.slot).Add(each.slot / 3))
		first := w.claims(whole(each.budget), w.priced(10, "", ""))[0]
		w.costs(first, core.MessageSent, nil)
		second := w.priced(10, "", "")
		free := w.now.Truncate(each.slot).Add(time.Duration(each.slots) * each.slot)
		w.setClock(free.Add(-time.Millisecond))
		w.claims(whole(each.budget))
		w.setClock(free)
		w.advance(holdFor)
		w.costs(w.claims(whole(each.budget), second)[0], core.MessageSent, nil)
	}
	// Spending tells by the same windows.
	from := w.now.Truncate(day)
	w.setClock(from.Add(32*day - time.Millisecond))
	w.spending(core.Spending{Month: 10})
	w.advance(time.Millisecond)
	w.spending()
}

func budgetCountries(w *world) {
	b := core.Budgets{
		Total: core.Budget{Hour: 500}, Country: core.Budget{Hour: 10}, StrangerPct: 100,
		Countries: map[string]core.Budget{"DE": {Hour: 100}, "FR": {}},
	}
	german, austrian, french, nowhere := w.priced(100, "DE", ""), w.priced(10, "AT", ""), w.priced(200, "FR", ""), w.priced(100, "", "")
	w.claims(b, german, austrian, french, nowhere)
	for _, country := range []string{"DE", "AT"} {
		w.priced(1, country, "") // full
	}
	swiss := w.priced(10, "CH", "") // each country for itself
	w.claims(b, swiss)
	w.priced(81, "FR", "") // no bound of its own, but the total's
	last := w.priced(80, "FR", "")
	w.claims(b, last)
	w.spending(spentNow("", 500), spentNow("AT", 10), spentNow("CH", 10), spentNow("DE", 100), spentNow("FR", 280))
}

func budgetStrangers(w *world) {
	for _, b := range []core.Budgets{
		{Total: core.Budget{Hour: 100}}, {Total: core.Budget{Day: 100}}, {Total: core.Budget{Month: 100}},
		{Country: core.Budget{Hour: 100}}, {Countries: map[string]core.Budget{"DE": {Hour: 100}}},
	} {
		b.StrangerPct = 80
		w.advance(100 * day)
		first, passes, fits := w.priced(50, "DE", "device"), w.priced(31, "DE", ""), w.priced(30, "DE", "")
		w.claims(b, first, fits) // 80 of 100 are used up, by whomever
		stranger, solved, device := w.priced(1, "DE", ""), w.priced(1, "DE", core.BucketSolved), w.priced(19, "DE", "device")
		w.claims(b, device) // a solved captcha makes nobody known
		owner, notice := w.pricedNotice(1, "DE")
		w.claims(b, notice)
		w.advance(holdFor)
		w.priced(1, "DE", "device") // the whole is used up
		w.claims(b)
		for _, m := range []core.Message{passes, stranger, solved} {
			equal(w, "tries of a stranger's", w.message(m.PhoneKey, m.ID).Tries, 0)
		}
		equal(w, "tries of the notice", w.message(owner.Phone.Key, notice.ID).Tries, 1)
		w.giveUpAll()
	}
}

// pricedNotice queues a notice, alone in the outbox.
func (w *world) pricedNotice(price core.Money, country string) (account, core.Message) {
	w.t.Helper()
	owner := w.account()
	in := w.redeemReset(w.beginFor(owner, core.PurposePasswordReset))
	in.Notice.Price, in.Notice.Country = price, country
	w.outcome(do(w, w.store.RedeemReset, in).Outcome, core.Done)
	return owner, in.Notice
}

// giveUpAll takes all messages out of the outbox.
func (w *world) giveUpAll() {
	w.t.Helper()
	w.advance(366 * day)
	w.claims(core.Budgets{})
}

func budgetWithheld(w *world) {
	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.Decoy = true
	in := w.openChallenge(c)
	in.Message.Price, in.Message.Country = 100, "DE"
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	w.claims(whole(core.Budget{Hour: 1}), in.Message)
	w.spending()
	w.costs(in.Message, core.MessageWithheld, money(0))
	w.spending()
}

func budgetFree(w *world) {
	m := w.priced(0, "DE", "")
	w.claims(whole(core.Budget{Hour: 1}), m)
	w.spending()
	w.costs(m, core.MessageQueued, money(0))
	w.spending()
	w.claims(whole(core.Budget{Hour: 1}), m)
	w.costs(m, core.MessageSent, money(70)) // the gateway knows better
	w.spending(spentNow("", 70), spentNow("DE", 70))
	w.claims(whole(core.Budget{Hour: 1}), w.priced(0, "DE", "")) // nothing more does not pass it
}

func budgetOthers(w *world) {
	b := core.Budgets{Total: core.Budget{Hour: 100}, Countries: map[string]core.Budget{"DE": {Hour: 10}}, StrangerPct: 100}
	var fit []core.Message
	for range 30 {
		w.priced(11, "DE", "")
		w.priced(101, "AT", "")
		fit = append(fit, w.priced(1, "AT", ""))
	}
	for _, want := range fit[:20] { // those that wait do not use up the limit
		got := do(w, w.store.ClaimMessages, w.claimInput("a", 1, b)).Messages
		w.holds("the oldest that fits is claimed", len(got) == 1 && got[0].ID == want.ID)
	}
	w.claims(b, fit[20:]...)
}

func budgetExpires(w *world) {
	in := w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
	in.Message.Price = 100
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	for range 25 {
		equal(w, "state", w.messagesOf(in.Message.PhoneKey)[0].State, core.MessageQueued)
		w.claims(whole(core.Budget{Hour: 99}))
		w.advance(holdFor)
		if !w.now.Before(in.Message.ExpiresAt) {
			break
		}
	}
	equal(w, "held", w.queues().Held, int64(1))
	want := in.Message
	want.State, want.Held = core.MessageExpired, true
	got := do(w, w.store.ClaimMessages, w.claimInput("a", 100, whole(core.Budget{})))
	equal(w, "what becomes of it", got, core.Claimed{GivenUp: []core.Message{want}})
	equal(w, "state", w.messagesOf(in.Message.PhoneKey)[0].State, core.MessageExpired)
	equal(w, "held in the end", w.queues().Held, int64(0))
}

func budgetClaimsAnew(w *world) {
	m := w.priced(40, "", "")
	w.claims(whole(core.Budget{Hour: 80}), m)
	w.advance(time.Minute) // the claimer is gone, and nobody knows what it spent
	w.claims(whole(core.Budget{Hour: 80}), m)
	w.spending(spentNow("", 80))
	w.advance(time.Minute)
	w.claims(whole(core.Budget{Hour: 80}))
	equal(w, "tries", w.message(m.PhoneKey, m.ID).Tries, 2)
	w.advance(holdFor)
	w.claims(whole(core.Budget{Hour: 120}), m)
	w.costs(m, core.MessageSent, money(0)) // corrects the last claim alone
	w.spending(spentNow("", 80))
}

func budgetCost(w *world) {
	unknown, less, more, failed := w.priced(10, "DE", ""), w.priced(10, "DE", ""), w.priced(10, "AT", ""), w.priced(10, "AT", "")
	b := whole(core.Budget{Hour: 40})
	w.claims(b, unknown, less, more, failed)
	w.costs(unknown, core.MessageSent, nil)
	w.spending(spentNow("", 40), spentNow("AT", 20), spentNow("DE", 20))
	w.costs(less, core.MessageSent, money(4))
	w.spending(spentNow("", 34), spentNow("AT", 20), spentNow("DE", 14))
	w.costs(more, core.MessageSent, money(13))
	w.spending(spentNow("", 37), spentNow("AT", 23), spentNow("DE", 14))
	w.costs(failed, core.MessageQueued, money(0))
	w.spending(spentNow("", 27), spentNow("AT", 13), spentNow("DE", 14))
	other := w.priced(3, "DE", "")
	w.claims(b, failed, other) // there is room again
	w.spending(spentNow("", 40), spentNow("AT", 23), spentNow("DE", 17))
}

func budgetCostTime(w *world) {
	w.setClock(w.now.Truncate(time.Minute))
	begun, m := w.now, w.priced(10, "DE", "")
	w.claims(core.Budgets{}, m)
	w.advance(59 * time.Second) // within its lease, and in the claim's last second
	w.costs(m, core.MessageSent, money(50))
	w.setClock(begun.Add(61*time.Minute - time.Millisecond))
	w.spending(spentNow("", 50), spentNow("DE", 50))
	w.advance(time.Millisecond)
	w.spending(core.Spending{Day: 50, Month: 50}, core.Spending{Country: "DE", Day: 50, Month: 50})

	late := w.priced(10, "", "") // settled in another minute than claimed
	w.setClock(begun.Add(5*time.Hour - time.Second))
	w.claims(core.Budgets{}, late)
	w.advance(2 * time.Second)
	w.costs(late, core.MessageSent, money(0))
	w.spending(core.Spending{Day: 50, Month: 50}, core.Spending{Country: "DE", Day: 50, Month: 50})
	w.setClock(begun.Add(6 * time.Hour)) // when the claim's minute has left, and that of the settling has not
	w.spending(core.Spending{Day: 50, Month: 50}, core.Spending{Country: "DE", Day: 50, Month: 50})
}

func budgetNotHolder(w *world) {
	m := w.priced(10, "", "")
	w.claims(core.Budgets{}, m)
	in := w.settle(m, "b", core.MessageSent)
	in.Cost = money(1)
	w.outcome(do(w, w.store.SettleMessage, in), core.NotHolder)
	w.spending(spentNow("", 10))
	w.costs(m, core.MessageSent, money(4))
	in.Holder = "a"
	w.outcome(do(w, w.store.SettleMessage, in), core.NotHolder) // once only
	w.spending(spentNow("", 4))
}

func budgetSwept(w *world) {
	owner := w.account()
	in := w.openChallenge(w.challengeFor(owner, core.PurposeLogin))
	in.Message.Price, in.Message.Country = 10, "DE"
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	w.claims(core.Budgets{}, in.Message)
	w.outcome(do(w, w.store.DeleteUser, core.DeleteUser{SessionID: owner.session.ID, Now: w.now}), core.Done)
	w.outcome(do(w, w.store.SettleMessage, w.settle(in.Message, "a", core.MessageSent)), core.NotHolder)
	w.spending(spentNow("", 10), spentNow("DE", 10))

	from := w.now.Truncate(day)
	w.sweepAt(w.now.Truncate(time.Minute).Add(61*time.Minute - time.Millisecond))
	w.spending(spentNow("", 10), spentNow("DE", 10))
	w.sweepAt(from.Add(32*day - time.Millisecond))
	w.spending(core.Spending{Month: 10}, core.Spending{Country: "DE", Month: 10})
	w.sweepAt(from.Add(32 * day))
	w.spending()
}

func raceBudgets(w *world) {
	for i := range 40 {
		w.priced(10, []string{"DE", "AT"}[i%2], "")
	}
	b := core.Budgets{Total: core.Budget{Hour: 129}, Countries: map[string]core.Budget{"DE": {Day: 49}}, StrangerPct: 100}
	got := doAtOnce(w, w.store.ClaimMessages, many(24, func(i int) core.ClaimMessages {
		return w.claimInput(string(rune('a'+i)), 3, b)
	}))
	claimed := map[string]int{}
	for _, batch := range got {
		for _, m := range batch.Messages {
			claimed[m.Country]++
		}
	}
	equal(w, "messages claimed", claimed, map[string]int{"DE": 4, "AT": 8})
	w.spending(spentNow("", 120), spentNow("AT", 80), spentNow("DE", 40))
}

func raceCosts(w *world) {
	for range 24 {
		w.priced(10, "DE", "")
	}
	claimed := do(w, w.store.ClaimMessages, w.claimInput("a", 24, core.Budgets{})).Messages
	got := doAtOnce(w, w.store.SettleMessage, many(24, func(i int) core.SettleMessage {
		in := w.settle(claimed[i], "a", core.MessageSent)
		in.Cost = money(core.Money(i))
		return in
	}))
	counts := tally(got, func(o core.Outcome) core.Outcome { return o })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 24})
	w.spending(spentNow("", 23*24/2), spentNow("DE", 23*24/2))
}
