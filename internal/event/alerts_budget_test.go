package event

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A budget is told of level by level, once each: reserving and giving back around
// a level is no news.
func TestC80ABudgetIsToldLevelByLevel(t *testing.T) {
	var told []string
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a := NewAlerts(AlertOptions{Now: func() time.Time { return now }, Rand: strings.NewReader(strings.Repeat("chance", 1000)), Tell: func(e Event) {
		told = append(told, fmt.Sprint(e.Reason, " ", e.Attributes["subject"], " ", e.Attributes["seen"], " ", e.Attributes["severity"], " ", e.Attributes["window_seconds"]))
	}})
	day := BudgetKey{Window: 24 * time.Hour}
	for _, use := range []BudgetUse{
		{BudgetKey: day, Percent: 49},
		{BudgetKey: day, Percent: 50},                                                               // told
		{BudgetKey: day, Percent: 49}, {BudgetKey: day, Percent: 50}, {BudgetKey: day, Percent: 46}, // flapping
		{BudgetKey: day, Percent: 51},
		{BudgetKey: BudgetKey{"DE", time.Hour}, Percent: 60},                 // told, another's
		{BudgetKey: day, Percent: 30, ClosedToStrangers: true},               // told
		{BudgetKey: day, Percent: 99, ClosedToStrangers: true, Closed: true}, // told
		{BudgetKey: day, Percent: 10},                                        // it has fallen
		{BudgetKey: day, Percent: 50},                                        // told again
	} {
		a.Budget(use)
		now = now.Add(time.Second)
	}
	want := "budget  50 warning 86400\nbudget DE 60 warning 3600\nbudget  30 critical 86400\nbudget  99 critical 86400\nbudget  50 warning 86400"
	if got := strings.Join(told, "\n"); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
}

func TestC80AFullLimiterIsToldAndThenQuiet(t *testing.T) {
	told := 0
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a := NewAlerts(AlertOptions{Now: func() time.Time { return now }, Rand: strings.NewReader(strings.Repeat("chance", 1000)), Tell: func(e Event) {
		if e.Reason != AlertLimiterFull || e.Attributes["advice"] == "" {
			t.Errorf("told %+v", e)
		}
		told++
	}})
	for range 10 {
		a.LimiterFull(0)
		a.LimiterFull(5)
		now = now.Add(time.Minute)
	}
	if told != 1 {
		t.Errorf("told %d times in ten minutes, want once", told)
	}
}
