package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

// What happens is counted three times: for Prometheus, for operators' numbers
// and for alerts.
func TestC79WhatHappensIsCounted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := startHouseIn(t, dir, io.Discard)
	h.signUp(t, number(1), goodPassword)
	for range 3 {
		h.must(t, http.StatusUnauthorized, http.MethodPost, "/v1/login/password",
			ask{body: members{"phone_number": number(1), "password": "not the password 1"}})
	}
	h.must(t, http.StatusTooManyRequests, http.MethodPost, "/v1/login/password",
		ask{body: members{"phone_number": number(1), "password": goodPassword}})

	for _, series := range []string{
		`countersign_signins_total{method="sms",outcome="success",reason=""} 1`,
		`countersign_signins_total{method="password",outcome="failure",reason="wrong_password"} 3`,
		`countersign_codes_sent_total{country="US",outcome="success",provider="inbox"} 1`,
		`countersign_codes_redeemed_total{country="US"} 1`,
		`countersign_locks_total{method="password"} 1`,
		`countersign_limit_refusals_total{limit="failed_passwords"} 1`,
		`countersign_http_request_duration_seconds_count{route="loginPassword",status="4xx"} 4`,
		`countersign_password_hash_slots `,
		`countersign_outbox_events_behind{sink="file"} `,
		`countersign_limiter_bytes `,
	} {
		if text := ""; !within(func() bool { text = h.metrics(t); return strings.Contains(text, series) }) {
			t.Fatalf("no %s in\n%s", series, text)
		}
	}
	if text := h.metrics(t); strings.Contains(text, number(1)) || strings.Contains(text, "127.0.0.1") {
		t.Error("a metric names a number or an address")
	}
	if got := h.logged(t, dir, "alert"); len(got) != 1 || got[0]["reason"] != "account_lock" {
		t.Errorf("alerts: %v", got)
	}

	// The counts are kept when the server stops, and whoever asks gets them.
	if err := h.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Sources{Env: []string{"COUNTERSIGN_DATA_DIR=" + dir}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := server.Stats(context.Background(), c, time.Hour, true, &out); err != nil {
		t.Fatal(err)
	}
	var stats bytes.Buffer
	if err := json.Compact(&stats, out.Bytes()); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`{"method":"password","successes":0,"failures":3,"success_rate":0,"reasons":[{"name":"wrong_password","count":3}]}`,
		`{"method":"sms","successes":1,"failures":0,"success_rate":1,`,
		`{"country":"US","sent":1,"delivered":0,"failed":0,"withheld":0,"redeemed":1,"conversion":1,`,
	} {
		if !strings.Contains(stats.String(), part) {
			t.Errorf("stats lack %s:\n%s", part, stats.String())
		}
	}
}

// A budget of money closes to strangers first, and never is passed.
func TestC49ABudgetClosesAndTells(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := startHouseIn(t, dir, io.Discard, "COUNTERSIGN_SMS_PRICES=*=1", "COUNTERSIGN_SMS_BUDGET=hour=10", "COUNTERSIGN_SMS_BUDGET_STRANGERS_PCT=80")
	known := h.signUp(t, number(1), goodPassword)
	begun := 1
	eventually(t, "the budget closing to strangers", func() bool {
		got, err := h.call(http.MethodPost, "/v1/signup", ask{body: members{"phone_number": number(100 + begun)}})
		if err != nil {
			t.Fatal(err)
		}
		if got.status == http.StatusServiceUnavailable {
			if got.text("code") != "delivery_unavailable" || got.header.Get("Retry-After") == "" {
				t.Errorf("refused as %s", got.raw)
			}
			return true
		}
		begun++
		time.Sleep(50 * time.Millisecond) // the server looks at its money every few seconds
		return false
	})
	again := h.must(t, http.StatusServiceUnavailable, http.MethodPost, "/v1/login/sms", ask{body: members{"phone_number": number(999)}})
	if again.text("code") != "delivery_unavailable" {
		t.Errorf("a number that nobody has: %s", again.raw)
	}
	sent, err := h.inbox("")
	if err != nil {
		t.Fatal(err)
	}
	if len(sent) != 8 {
		t.Errorf("%d messages went out, want the 8 that strangers may have of 10", len(sent))
	}
	challenge := h.must(t, http.StatusAccepted, http.MethodPost, "/v1/login/sms",
		ask{body: members{"phone_number": number(1), "device": members{"token": known.text("device_token")}}})
	h.code(t, challenge.text("challenge_id"))
	eventually(t, "an alert about the budget", func() bool {
		for _, alert := range h.logged(t, dir, "alert") {
			if alert["reason"] == "budget" {
				return true
			}
		}
		return false
	})
}

// metrics is what Prometheus is told.
func (h *house) metrics(t testing.TB) string {
	t.Helper()
	answer, err := http.Get(h.operator + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d: %s", answer.StatusCode, body)
	}
	return string(body)
}

// logged are the lines of the security log that tell an event.
func (h *house) logged(t testing.TB, dir, event string) []map[string]any {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, "security.log"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for line := range strings.Lines(string(log)) {
		var members map[string]any
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &members) != nil {
			continue // being written
		}
		if members["event"] == event {
			lines = append(lines, members)
		}
	}
	return lines
}
