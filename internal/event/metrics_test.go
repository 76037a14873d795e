package event

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// scrape gives what a Prometheus server would see.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("the scrape answered %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// ours are the lines of a scrape that are Countersign's.
func ours(t *testing.T, m *Metrics) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(scrape(t, m)) {
		if strings.HasPrefix(line, "countersign_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func write(t *testing.T, s Sink, events ...Event) {
	t.Helper()
	if head, err := s.Write(t.Context(), events); err != nil || head != (Head{}) {
		t.Fatalf("%s: Write gave %+v, %v", s.Name(), head, err)
	}
}

func TestC79MetricsCountWhatOperatorsAsk(t *testing.T) {
	sms := Attributes{"provider": "inbox", "country": "DE", "purpose": "login"}
	for _, c := range []struct {
		event Event
		want  string // the line that is 1 after it
	}{
		{Event{Name: SuccessfulLogin, Outcome: Success, Method: "password"}, `countersign_signins_total{method="password",outcome="success",reason=""} 1`},
		{Event{Name: FailedLogin, Outcome: Failure, Method: "password", Reason: "wrong_password"}, `countersign_signins_total{method="password",outcome="failure",reason="wrong_password"} 1`},
		{Event{Name: CodeFailed, Outcome: Failure, Method: "sms", Reason: "wrong_code"}, `countersign_signins_total{method="sms",outcome="failure",reason="wrong_code"} 1`},
		{Event{Name: CodeRefused, Outcome: Failure, Method: "sms", Reason: "expired"}, `countersign_signins_total{method="sms",outcome="failure",reason="expired"} 1`},
		{Event{Name: SMSSent, Outcome: Success, Attributes: sms}, `countersign_codes_sent_total{country="DE",outcome="success",provider="inbox"} 1`},
		{Event{Name: SMSSendFailed, Outcome: Failure, Attributes: sms}, `countersign_codes_sent_total{country="DE",outcome="failure",provider="inbox"} 1`},
		{Event{Name: SMSWithheld, Outcome: Success, Attributes: sms}, `countersign_codes_sent_total{country="DE",outcome="withheld",provider="inbox"} 1`},
		{Event{Name: SuccessfulLogin, Outcome: Success, Method: "sms", Attributes: sms}, `countersign_codes_redeemed_total{country="DE"} 1`},
		{Event{Name: PhoneNumberChanged, Outcome: Success, Method: "sms"}, `countersign_codes_redeemed_total{country=""} 1`},
		{Event{Name: CodeFailed, Outcome: Failure, Reason: "wrong_code"}, `countersign_codes_failed_total{reason="wrong_code"} 1`},
		{Event{Name: CodeRefused, Outcome: Failure, Reason: "spent"}, `countersign_codes_failed_total{reason="spent"} 1`},
		{Event{Name: AccountLocked, Outcome: Failure, Method: "password"}, `countersign_locks_total{method="password"} 1`},
		{Event{Name: AccountUnlocked, Outcome: Success}, `countersign_unlocks_total 1`},
		{Event{Name: TokenRefreshed, Outcome: Success, Reason: "repeated"}, `countersign_refreshes_total{outcome="success",reason="repeated"} 1`},
		{Event{Name: TokenRefreshFailed, Outcome: Failure, Reason: "logout"}, `countersign_refreshes_total{outcome="failure",reason="logout"} 1`},
		{Event{Name: RefreshTokenReused, Outcome: Failure}, `countersign_refresh_token_reuse_total 1`},
		{Event{Name: RateLimited, Outcome: Failure, Reason: "begin_address"}, `countersign_limit_refusals_total{limit="begin_address"} 1`},
		{Event{Name: AccountCreated, Outcome: Success}, `countersign_accounts_total{change="created"} 1`},
		{Event{Name: Alert, Outcome: Failure, Reason: "lock_wave"}, `countersign_alerts_total{alert="lock_wave"} 1`},
		{Event{Name: AdminAction, Outcome: Failure, Reason: "insufficient_scope"}, `countersign_admin_actions_total{outcome="failure",reason="insufficient_scope"} 1`},
		{Event{Name: AdminAction, Outcome: Failure, Reason: "unknown_key"}, `countersign_admin_actions_total{outcome="failure",reason="unknown_key"} 1`},
		{Event{Name: SendingPaused, Outcome: Failure, Attributes: Attributes{"scope": "prefix"}}, `countersign_sending_paused_total{scope="prefix"} 1`},
		{Event{Name: SMSDelivered, Outcome: Success, Attributes: Attributes{"provider": "acme-us", "country": "US", "state": "delivered", "took_ms": int64(2500)}},
			`countersign_deliveries_total{country="US",provider="acme-us",state="delivered"} 1`},
		{Event{Name: SMSDelivered, Outcome: Success, Attributes: Attributes{"provider": "acme-us", "state": "delivered", "took_ms": int64(2500)}},
			`countersign_delivery_seconds_bucket{provider="acme-us",le="4"} 1`},
		{Event{Name: SMSSendFailed, Outcome: Failure, Reason: "undelivered", Attributes: Attributes{"provider": "their words", "state": "undelivered"}},
			`countersign_deliveries_total{country="",provider="other",state="undelivered"} 1`},
		{Event{Name: ReceiptRefused, Outcome: Failure, Reason: "forged", Attributes: Attributes{"provider": "acme-us"}},
			`countersign_receipts_refused_total{provider="acme-us",reason="forged"} 1`},
		{Event{Name: Logout, Outcome: Success}, `countersign_events_total{event="logout",outcome="success"} 1`},
	} {
		m := NewMetrics(MetricsOptions{Version: "1.2.3", Providers: NewProviders("inbox", "acme-us")})
		write(t, m, c.event)
		if got := strings.Join(ours(t, m), "\n"); !strings.Contains(got+"\n", c.want+"\n") {
			t.Errorf("%+v: no line %s in\n%s", c.event, c.want, got)
		}
	}
}

// Whoever sends the public listener keys that never were any raises no alarm by
// it, here no more than inside (TestC80WhatIsNoAlarm).
func TestC79WhatAnybodyCanCauseIsNoDenial(t *testing.T) {
	m := NewMetrics(MetricsOptions{})
	foreign := Event{Name: AdminAction, Outcome: Failure, Reason: "unknown_key", Attributes: Attributes{"scope": "clients:forward"}}
	write(t, m, foreign, foreign)
	got := scrape(t, m)
	for _, want := range []string{
		`countersign_admin_actions_total{outcome="failure",reason="unknown_key"} 0`, "countersign_foreign_keys_total 2",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
}

func TestC79NoticesAreNoCodes(t *testing.T) {
	m := NewMetrics(MetricsOptions{})
	write(t, m, Event{Name: SMSSent, Outcome: Success, Attributes: Attributes{"purpose": "password_reset_notice"}})
	if got := scrape(t, m); strings.Contains(got, "codes_sent_total{") {
		t.Error("a notice was counted as a code")
	}
}

// A receipt that says how a message ended is no other try to send it.
func TestC79AReceiptIsNoTry(t *testing.T) {
	m := NewMetrics(MetricsOptions{})
	write(t, m, Event{Name: SMSSendFailed, Outcome: Failure, Attributes: Attributes{"state": "failed"}})
	if got := scrape(t, m); strings.Contains(got, "codes_sent_total{") {
		t.Error("a receipt was counted as a try")
	}
}

func TestC79AnEventThatComesAgainCountsOnce(t *testing.T) {
	m := NewMetrics(MetricsOptions{})
	again := Event{ID: "one", Name: Logout, Outcome: Success}
	write(t, m, again, again)
	write(t, m, again)
	write(t, m, Event{Name: Logout, Outcome: Success}, Event{Name: Logout, Outcome: Success}) // these have no id
	if want := `countersign_events_total{event="logout",outcome="success"} 3`; !strings.Contains(scrape(t, m), want) {
		t.Errorf("no line %s", want)
	}
}

func TestC79ScrapeReadsGaugesAndTellsOfTheProcess(t *testing.T) {
	m := NewMetrics(MetricsOptions{Version: "1.2.3", Routes: []string{"signup"}})
	waiting := 3.0
	m.Gauge(GaugeEventsBehind, "Behind.", map[string]string{"sink": "file"}, func() float64 { return waiting })
	m.Gauge(GaugeEventsBehind, "Behind.", map[string]string{"sink": "watch"}, func() float64 { return 1 })
	m.Total(StoreCommitsTotal, "Commits.", nil, func() float64 { return 70 })
	waiting = 4
	m.ObserveHTTP("signup", 202, 30*time.Millisecond)
	m.ObserveHTTP("/v1/+4915112345678", 999, time.Second)
	got := scrape(t, m)
	for _, want := range []string{
		`countersign_outbox_events_behind{sink="file"} 4`,
		`countersign_outbox_events_behind{sink="watch"} 1`,
		"# TYPE countersign_store_commits_total counter\ncountersign_store_commits_total 70",
		`countersign_http_request_duration_seconds_bucket{route="signup",status="2xx",le="0.025"} 0`,
		`countersign_http_request_duration_seconds_bucket{route="signup",status="2xx",le="0.05"} 1`,
		`countersign_http_request_duration_seconds_count{route="other",status="other"} 1`,
		`version="1.2.3"} 1`, "go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
}

// What comes from outside becomes neither a label nor another series.
func TestC75MetricsShowNothingFromOutside(t *testing.T) {
	const canary = "canary-4711"
	m := NewMetrics(MetricsOptions{Routes: []string{"signup"}})
	hostile := func(name Name, n int) Event {
		evil := fmt.Sprintf("%s %d \"}\n", canary, n)
		return Event{
			ID: evil, Name: name, Outcome: Outcome(evil), Reason: evil, Method: evil, UserID: evil, SessionID: evil,
			PhoneNumber: evil, PhonePseudonym: evil, IPAddress: evil, UserAgent: evil, RequestID: evil,
			Attributes: Attributes{"country": evil, "provider": evil, "purpose": evil, "scope": evil, "alert": evil, evil: evil},
		}
	}
	one := func(n int) {
		for name := range names {
			e := hostile(name, n)
			e.ID = fmt.Sprint(n, name)
			write(t, m, e)
		}
		write(t, m, hostile(Name(fmt.Sprint(canary, n)), n))
		m.ObserveHTTP(fmt.Sprint("/", canary, n), 200+n, time.Second)
	}
	one(0)
	before := len(ours(t, m))
	for n := range 10_000 {
		write(t, m, hostile(FailedLogin, n), hostile(RateLimited, n), hostile(SMSSent, n), hostile(Alert, n))
		if n < 300 {
			one(n)
		}
	}
	after := ours(t, m)
	if strings.Contains(strings.Join(after, "\n"), canary) {
		t.Error("a label shows what came from outside")
	}
	// Statuses alone are another 3 classes and "other", of 16 lines each.
	if grown := len(after) - before; grown > 4*16 {
		t.Errorf("the series grew by %d", grown)
	}
}

func TestSeriesOfKeepsWordsOfTheHouseAlone(t *testing.T) {
	for _, c := range []struct {
		event Event
		want  Series
	}{
		{
			Event{Name: FailedLogin, Outcome: Failure, Method: "password", Reason: "wrong_password"},
			Series{Name: FailedLogin, Outcome: Failure, Method: "password", Reason: "wrong_password"},
		},
		{
			Event{Name: AccountDisabled, Outcome: Success, Reason: "ticket 7 of Ms Jones"},
			Series{Name: AccountDisabled, Outcome: Success, Reason: OtherReason},
		},
		{
			Event{Name: RateLimited, Outcome: Failure, Reason: "send_prefix"},
			Series{Name: RateLimited, Outcome: Failure, Reason: "send_prefix"},
		},
		{ // a reason, and no limit
			Event{Name: RateLimited, Outcome: Failure, Reason: "wrong_code"},
			Series{Name: RateLimited, Outcome: Failure, Reason: OtherReason},
		},
		{
			Event{Name: SMSSent, Outcome: Success, Attributes: Attributes{"country": "DE", "provider": "inbox"}},
			Series{Name: SMSSent, Outcome: Success, Country: "DE", Provider: "inbox"},
		},
		{
			Event{Name: SMSSent, Attributes: Attributes{"country": "de", "provider": "acme"}},
			Series{Name: SMSSent, Provider: OtherReason},
		},
		{Event{Name: SMSSent, Attributes: Attributes{"country": "DEU", "provider": 7}}, Series{Name: SMSSent}},
		{Event{Name: "party", Outcome: "maybe", Method: "luck"}, Series{Name: OtherReason, Outcome: OtherReason, Method: OtherReason}},
		{Event{}, Series{}},
	} {
		if got := SeriesOf(c.event, NewProviders("inbox")); got != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.event, got, c.want)
		}
	}
}
