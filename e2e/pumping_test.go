package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

const dollar core.Money = 1_000_000

// What the operator lets messages cost.
var pumpBudgets = core.Budgets{
	Total:       core.Budget{Hour: 60 * dollar, Day: 300 * dollar},
	Country:     core.Budget{Hour: 20 * dollar, Day: 60 * dollar},
	StrangerPct: 80,
}

// Pumping campaigns replayed (C-39, C-47 to C-51), with honest people beside
// them, in the same country and elsewhere: what they cost never passes the
// budget, the guard pauses them, and people elsewhere get their codes.
func TestPumping(t *testing.T) {
	all := campaigns()
	rows := make([][]string, len(all))
	t.Run("campaigns", func(t *testing.T) {
		for i, c := range all {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				rows[i] = c.play(t)
			})
		}
	})
	made := table([]string{
		"campaign", "simulated", "asked for", "sent", "spent", "until the guard paused", "most in an hour, in a day", "honest people elsewhere who got a code", "in the same country",
	}, rows)
	t.Log("\n" + made)
	if !raced && whole(rows) {
		onPage(t, "pumping", made)
	}
}

func (c campaign) play(t *testing.T) []string {
	s := newSiege(t, newGivenAway, func(s *core.Settings) {
		s.Prices, s.Budgets, s.GuardMonitor, s.CaptchaLifts = core.RoughPrices(), pumpBudgets, c.monitor, c.lifts
	})
	s.orderly = true
	p := &pump{siege: s, campaign: c, mine: map[string]bool{}, caller: func(i int) core.Caller { return from(botnet(i)) }}
	if c.prepare != nil {
		c.prepare(p)
	}
	s.sent = nil
	elsewhere := &crowd{siege: s, land: homeLand, every: max(c.tick, time.Minute)}
	same := &crowd{siege: s, land: pumpedLand, every: 3 * time.Minute}
	length := c.long
	if raced {
		length = c.short
	}
	s.run(s.clock.read().Add(length), p.outbox, elsewhere.act, same.act, p.act)

	p.keptBudgets(t)
	p.guarded(t, length)
	if elsewhere.share() < 100 {
		t.Errorf("elsewhere %d of %d honest people got a code", elsewhere.served, elsewhere.came-1)
	}
	return p.row(length, elsewhere, same)
}

// outbox does what the server does beside requests.
func (p *pump) outbox() time.Duration {
	p.deliver()
	if _, err := p.ReviewBudgets(context.Background()); err != nil {
		p.t.Error(err)
	}
	return p.tick
}

// keptBudgets wants no window to hold more than its budget, and what strangers
// may use up of it.
func (p *pump) keptBudgets(t *testing.T) {
	t.Helper()
	for _, b := range []struct {
		country string
		budget  core.Budget
	}{{"", pumpBudgets.Total}, {"ES", pumpBudgets.Country}, {"US", pumpBudgets.Country}} {
		hour, whole := most(p.sent, b.country, time.Hour), most(p.sent, b.country, day)
		if hour > b.budget.Hour*80/100 || whole > b.budget.Day*80/100 {
			t.Errorf("%q: %s in an hour and %s in a day were spent on strangers", b.country, money(hour), money(whole))
		}
	}
}

// most is the most that any window of the length cost.
func most(sent []sentMessage, country string, window time.Duration) (most core.Money) {
	var sum core.Money
	first := 0
	for _, m := range sent {
		if country != "" && m.country != country {
			continue
		}
		sum += m.cost
		for ; m.at.Sub(sent[first].at) >= window; first++ {
			if country == "" || sent[first].country == country {
				sum -= sent[first].cost
			}
		}
		most = max(most, sum)
	}
	return most
}

// guarded wants the guard to have spoken, and where it is in force to have been
// heard.
func (p *pump) guarded(t *testing.T, length time.Duration) {
	t.Helper()
	if p.quiet || length < p.long {
		return
	}
	if len(p.paused) == 0 {
		t.Fatal("the guard noticed nothing")
	}
	refused := p.refusedBy("guard_prefix") + p.refusedBy("guard_country") + p.refusedBy("guard_address")
	if p.paused[0].Attributes["monitor"] != p.monitor || (refused == 0) != p.monitor {
		t.Errorf("the guard refused %d, and said %v", refused, p.paused[0].Attributes)
	}
	for _, e := range p.paused {
		if e.Attributes["subject"] == "US" {
			t.Errorf("honest people's country was paused: %v", e.Attributes)
		}
	}
}

func (p *pump) row(length time.Duration, elsewhere, same *crowd) []string {
	var sent, before int
	var spent, spentBefore core.Money
	for _, m := range p.sent {
		if !p.mine[m.challenge] {
			continue
		}
		sent, spent = sent+1, spent+m.cost
		if len(p.paused) > 0 && m.at.Before(p.paused[0].Time) {
			before, spentBefore = before+1, spentBefore+m.cost
		}
	}
	until := "never paused"
	if len(p.paused) > 0 {
		until = fmt.Sprintf("%d messages, %s (%s)", before, money(spentBefore), p.paused[0].Attributes["scope"])
	}
	return []string{
		p.name, span(length), thousands(p.asked), thousands(sent), money(spent), until,
		money(most(p.sent, "", time.Hour)) + ", " + money(most(p.sent, "", day)),
		fmt.Sprintf("%.0f %%", elsewhere.share()), fmt.Sprintf("%.0f %%", same.share()),
	}
}

func money(m core.Money) string { return fmt.Sprintf("%.2f", float64(m)/float64(dollar)) }
