package core_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
)

func TestWhatBudgetsHaveRoomFor(t *testing.T) {
	total := core.Budgets{Total: core.Budget{Hour: 100, Day: 200}, StrangerPct: 50}
	named := core.Budgets{Country: core.Budget{Month: 100}, Countries: map[string]core.Budget{"FR": {Month: 10}}, StrangerPct: 50}
	for name, c := range map[string]struct {
		budgets core.Budgets
		spent   core.Amounts // everywhere, and in each country
		message core.Message
		room    bool
	}{
		"unbounded":                {core.Budgets{}, core.Amounts{1000, 1000, 1000}, core.Message{Price: 10}, true},
		"just so":                  {total, core.Amounts{90, 90, 1000}, core.Message{Price: 10}, true},
		"past the hour":            {total, core.Amounts{91, 91, 91}, core.Message{Price: 10}, false},
		"past the day":             {total, core.Amounts{0, 191, 191}, core.Message{Price: 10}, false},
		"costs nothing":            {total, core.Amounts{100, 100, 100}, core.Message{}, true},
		"withheld":                 {total, core.Amounts{100, 100, 100}, core.Message{Price: 10, State: core.MessageWithheld}, true},
		"a stranger, just so":      {total, core.Amounts{40, 40, 40}, core.Message{ChallengeID: "c", Price: 10}, true},
		"a stranger, past":         {total, core.Amounts{41, 41, 41}, core.Message{ChallengeID: "c", Price: 10}, false},
		"who solved is one":        {total, core.Amounts{41, 41, 41}, core.Message{ChallengeID: "c", Bucket: core.BucketSolved, Price: 10}, false},
		"a device is none":         {total, core.Amounts{41, 41, 41}, core.Message{ChallengeID: "c", Bucket: "device", Price: 10}, true},
		"past its country":         {named, core.Amounts{0, 0, 91}, core.Message{Country: "DE", Price: 10}, false},
		"past a named country":     {named, core.Amounts{0, 0, 1}, core.Message{Country: "FR", Price: 10}, false},
		"countries bound no total": {named, core.Amounts{0, 0, 91}, core.Message{Price: 10}, true},
	} {
		till := core.NewTill(c.budgets)
		till.Look(c.message, func(spent *core.Amounts, _ string) { *spent = c.spent })
		if got := till.Reserve(c.message); got != c.room {
			t.Errorf("%s: reserved %v, want %v", name, got, c.room)
		}
	}
}

func TestTillAddsUp(t *testing.T) {
	till := core.NewTill(core.Budgets{Total: core.Budget{Hour: 25}, Countries: map[string]core.Budget{"DE": {Hour: 15}}})
	looked := map[string]int{}
	want := []bool{true, false, true, false} // DE 10, DE 20 is past, FR 20 in all, FR 30 is past
	for i, country := range []string{"DE", "DE", "FR", "FR"} {
		m := core.Message{Country: country, Price: 10}
		till.Look(m, func(_ *core.Amounts, country string) { looked[country]++ })
		if got := till.Reserve(m); got != want[i] {
			t.Errorf("message %d: reserved %v", i, got)
		}
	}
	if diff := cmp.Diff(map[string]int{"": 1, "DE": 1}, looked); diff != "" {
		t.Errorf("looked at (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]core.Money{"": 20, "DE": 10, "FR": 10}, till.Reserved()); diff != "" {
		t.Errorf("reserved (-want +got):\n%s", diff)
	}
}

func TestCorrections(t *testing.T) {
	c := core.Correction{From: 10, To: 7}
	if diff := cmp.Diff(map[string]core.Money{"": -3, "DE": -3}, c.In("DE")); diff != "" {
		t.Errorf("of a country (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]core.Money{"": -3}, c.In("")); diff != "" {
		t.Errorf("of none (-want +got):\n%s", diff)
	}
	if got := (core.Correction{From: 7, To: 7}).In("DE"); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func TestSlotsOfSpending(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 34, 56, 0, time.UTC)
	want := []time.Time{
		time.Date(2026, 11, 24, 11, 34, 0, 0, time.UTC),
		time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC),
	}
	for i, span := range core.SpendingSpans() {
		if got := span.Since(now); !got.Equal(want[i]) {
			t.Errorf("slots of %v since %v, want %v", span.Slot, got, want[i])
		}
	}
}
