package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The file and the environment say the same in their own forms.
func TestLimitsAndMoney(t *testing.T) {
	byEnv, err := load(
		"LIMITS=begin_address=600/1h, send_prefix = 40/30m", "ALERTS=reuse=0/24h",
		"SMS_PRICES=US=0.008,+49151=0.07,NO=1,*=0.2", "SMS_BUDGET=hour=20,month=1000.5,US/day=50,*/hour=5",
		"CAPTCHA_PROVIDER=turnstile", "CAPTCHA_SITE_KEY=k", "CAPTCHA_SECRET=s", "CAPTCHA_FAIL_OPEN=true",
	)
	if err != nil {
		t.Fatal(err)
	}
	from := named()
	from.File = writeFile(t, "c.yaml", strings.Join([]string{
		"limits: {begin_address: 600/1h, send_prefix: 40/30m}",
		"alerts:",
		"  reuse: 0/24h",
		"sms_prices: {US: 0.008, +49151: 0.07, NO: 1, '*': 0.2}",
		"sms_budget:",
		"  hour: 20",
		"  month: 1000.5",
		"  US/day: 50",
		"  '*/hour': 5",
		"captcha_provider: turnstile",
		"captcha_site_key: k",
		"captcha_secret: s",
		"captcha_fail_open: true",
	}, "\n"))
	byFile, err := Load(from)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byEnv, byFile); diff != "" {
		t.Errorf("(-environment +file):\n%s", diff)
	}
	for _, c := range []struct{ got, want any }{
		{byEnv.Limits, map[string]Rate{"begin_address": {600, time.Hour}, "send_prefix": {40, 30 * time.Minute}}},
		{byEnv.Alerts, map[string]Rate{"reuse": {0, 24 * time.Hour}}},
		{byEnv.SMSPrices, map[string]Decimal{"US": 8000, "+49151": 70_000, "NO": 1_000_000, "*": 200_000}},
		{byEnv.SMSBudget, map[string]Budget{
			BudgetTotal: {Hour: 20_000_000, Month: 1_000_500_000}, "US": {Day: 50_000_000}, BudgetElsewhere: {Hour: 5_000_000},
		}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestTestNumbersEnd(t *testing.T) {
	const number = "TEST_NUMBERS=+15005550006=123456"
	for text, want := range map[string]time.Time{
		"2026-08-01":                time.Date(2026, 8, 2, 0, 0, 0, 0, time.UTC), // today: to its end
		"2026-08-01T14:00:01+02:00": time.Date(2026, 8, 1, 12, 0, 1, 0, time.UTC),
	} {
		c, err := load(number, "TEST_NUMBERS_UNTIL="+text)
		if err != nil || !c.TestNumbersUntil.Equal(want) || c.TestNumbersUntil.Location() != time.UTC {
			t.Errorf("%s: %v, %v, want %v", text, c.TestNumbersUntil, err, want)
		}
	}
	if _, err := load(number, "TEST_NUMBERS_UNTIL=2026-08-01T12:00:00Z"); err == nil {
		t.Error("a time that is now was let through")
	}
	if _, err := load("TEST_NUMBERS_UNTIL=2020-01-01"); err != nil {
		t.Errorf("without test numbers nothing has ended: %v", err)
	}
	// A server that starts again later goes on without them.
	if _, err := Load(Sources{Env: []string{EnvPrefix + number, EnvPrefix + "TEST_NUMBERS_UNTIL=2020-01-01"}}); err != nil {
		t.Errorf("without a clock: %v", err)
	}
}

func TestRatesAreWrittenAsTheyAreRead(t *testing.T) {
	for _, text := range []string{"600/1h", "0/1s", "40/30m", "1/1h30m", "7/1m30s", "5/744h", "1/1h0m1s", "3/2m0.5s"} {
		rate, err := parseRate(text)
		if err != nil || rate.String() != text {
			t.Errorf("%s: %v, %v", text, rate, err)
		}
	}
}

// sane tells whether amounts and rates are within what they may be.
func sane(c Config) bool {
	for _, rates := range []map[string]Rate{c.Limits, c.Alerts} {
		for _, r := range rates {
			again, err := parseRate(r.String())
			if err != nil || again != r || r.N < 0 || r.N > mostN || r.Window < leastWindow || r.Window > mostWindow {
				return false
			}
		}
	}
	for _, price := range c.SMSPrices {
		if price < 0 {
			return false
		}
	}
	for _, b := range c.SMSBudget {
		if min(b.Hour, b.Day, b.Month) < 0 || b == (Budget{}) {
			return false
		}
	}
	return true
}
