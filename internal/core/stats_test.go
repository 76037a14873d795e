package core_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// counted adds counts of one minute to an instance's.
func (h *house) counted(instance string, at time.Time, counts map[event.Series]int64) {
	h.t.Helper()
	var rollups []event.Rollup
	for series, n := range counts {
		rollups = append(rollups, event.Rollup{Minute: at.Truncate(time.Minute), Series: series, N: n})
	}
	if err := h.store.AddRollups(context.Background(), core.AddRollups{Instance: instance, Rollups: rollups}); err != nil {
		h.t.Fatal(err)
	}
}

func series(name event.Name, method string, outcome event.Outcome, reason string) event.Series {
	return event.Series{Name: name, Method: method, Outcome: outcome, Reason: reason}
}

func sent(name event.Name, country, provider string) event.Series {
	return event.Series{Name: name, Method: "sms", Outcome: event.Success, Country: country, Provider: provider}
}

func redeemed(name event.Name, country string) event.Series {
	return event.Series{Name: name, Method: "sms", Outcome: event.Success, Country: country}
}

func (h *house) stats(window time.Duration) core.Stats {
	h.t.Helper()
	s, err := h.Stats(context.Background(), core.StatsIn{Window: window})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func TestStatsSumUpEvents(t *testing.T) {
	h := newHouse(t)
	h.counted("one", h.clock(), map[event.Series]int64{
		redeemed(event.SuccessfulLogin, "US"):                                  6,
		series(event.SuccessfulLogin, "password", event.Success, ""):           30,
		series(event.FailedLogin, "password", event.Failure, "wrong_password"): 8,
		series(event.FailedLogin, "password", event.Failure, "no_password"):    2,
		series(event.CodeFailed, "sms", event.Failure, "wrong_code"):           3,
		sent(event.SMSSent, "US", "acme"):                                      8,
		sent(event.SMSSent, "DE", "acme"):                                      20,
		series(event.RateLimited, "sms", event.Failure, "begin_address"):       4,
		series(event.RateLimited, "password", event.Failure, "send_total"):     4,
		series(event.RateLimited, "password", event.Failure, "begin_device"):   9,
	})
	h.counted("two", h.clock().Add(-30*time.Minute), map[event.Series]int64{
		redeemed(event.SuccessfulLogin, "US"):                                       1,
		redeemed(event.Reauthenticated, "US"):                                       1,
		redeemed(event.PhoneNumberChanged, "DE"):                                    5,
		series(event.Reauthenticated, "password", event.Success, ""):                7, // no code
		series(event.CodeRefused, "sms", event.Failure, "expired"):                  4,
		sent(event.SMSSent, "US", "bell"):                                           2,
		sent("sms_delivered", "US", "bell"):                                         1,
		sent(event.SMSSendFailed, "US", "bell"):                                     3,
		sent(event.SMSWithheld, "US", "bell"):                                       5,
		series(event.AccountCreated, "sms", event.Success, ""):                      2,
		series(event.AccountLocked, "password", event.Failure, ""):                  1,
		series(event.TokenRefreshed, "refresh_token", event.Success, ""):            100,
		series(event.TokenRefreshed, "refresh_token", event.Success, "repeated"):    5,
		series(event.TokenRefreshFailed, "refresh_token", event.Failure, "expired"): 6,
		series(event.RefreshTokenReused, "refresh_token", event.Failure, ""):        1,
		series(event.Logout, "", event.Success, ""):                                 50, // no part of it
	})
	want := core.Stats{
		Since: h.clock().Add(-time.Hour), Until: h.clock().Add(time.Minute),
		SignIns: []core.SignInStats{
			{Method: "password", Successes: 30, Failures: 10, SuccessRate: new(0.75), Reasons: []core.NamedStat{{"wrong_password", 8}, {"no_password", 2}}},
			{Method: "sms", Successes: 7, Failures: 7, SuccessRate: new(0.5), Reasons: []core.NamedStat{{"expired", 4}, {"wrong_code", 3}}},
		},
		Codes: []core.CodeStats{
			{Country: "DE", Sent: 20, Redeemed: 5, Conversion: new(0.25), Providers: []core.ProviderStats{{Provider: "acme", Sent: 20}}},
			{Country: "US", Sent: 10, Delivered: 1, Failed: 3, Withheld: 5, Redeemed: 8, Conversion: new(0.8), Providers: []core.ProviderStats{
				{Provider: "acme", Sent: 8}, {Provider: "bell", Sent: 2, Delivered: 1, Failed: 3},
			}},
		},
		Accounts: 2, Locks: 1, Refreshes: 105, RefreshFails: 6, Reuses: 1,
		Refusals: []core.NamedStat{{"begin_device", 9}, {"begin_address", 4}, {"send_total", 4}},
	}
	if diff := cmp.Diff(want, h.stats(0)); diff != "" {
		t.Error(diff)
	}
}

func TestStatsOfNothing(t *testing.T) {
	h := newHouse(t)
	s := h.stats(time.Minute)
	if len(s.SignIns)+len(s.Codes)+len(s.Refusals) != 0 {
		t.Errorf("%+v", s)
	}
	// A rate of nothing is none: neither 0 nor a division by it.
	h.counted("one", h.clock(), map[event.Series]int64{sent(event.SMSWithheld, "US", "acme"): 1})
	if s = h.stats(time.Minute); len(s.Codes) != 1 || s.Codes[0].Conversion != nil {
		t.Errorf("%+v", s.Codes)
	}
}

// A window holds what has just happened, and what happened at its beginning,
// whatever slots it is counted in.
func TestStatsWindows(t *testing.T) {
	for _, window := range []time.Duration{
		time.Minute, time.Hour, 2 * time.Hour, 2*time.Hour + time.Minute, 24 * time.Hour, 47 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 8 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour,
	} {
		h := newHouse(t)
		h.pass(37*time.Minute + 42*time.Second)
		one := map[event.Series]int64{series(event.AccountCreated, "sms", event.Success, ""): 1}
		h.counted("one", h.clock(), one)
		h.counted("one", h.clock().Add(-window), one)
		h.counted("one", h.clock().Add(-window-time.Hour-time.Minute), one)
		s := h.stats(window)
		if s.Accounts != 2 {
			t.Errorf("%s: %d of 2, in %s to %s", window, s.Accounts, s.Since, s.Until)
		}
		if s.Since.After(h.clock().Add(-window)) || !s.Until.After(h.clock()) || s.Until.Sub(s.Since) > window+2*time.Hour {
			t.Errorf("%s: %s to %s", window, s.Since, s.Until)
		}
	}
	h := newHouse(t)
	for _, window := range []time.Duration{-1, time.Minute - 1, 90*24*time.Hour + 1} {
		_, err := h.Stats(context.Background(), core.StatsIn{Window: window})
		if e := want(t, err, core.CodeInvalidRequest); e.Fields[0].Name != "window" {
			t.Errorf("%s: %+v", window, e.Fields)
		}
	}
}

// Ten reasons at most: a table for people.
func TestStatsTellTheTopReasons(t *testing.T) {
	h := newHouse(t)
	counts := map[event.Series]int64{}
	for i, reason := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		counts[series(event.FailedLogin, "password", event.Failure, reason)] = int64(i + 1)
	}
	h.counted("one", h.clock(), counts)
	reasons := h.stats(0).SignIns[0].Reasons
	first := slices.IndexFunc(reasons, func(s core.NamedStat) bool { return s.Name == "l" })
	if len(reasons) != 10 || first != 0 || reasons[9].Name != "c" {
		t.Errorf("%v", reasons)
	}
}
