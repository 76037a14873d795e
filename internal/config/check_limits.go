package config

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// This file goes on from check.go: limits, captchas, and what messages may cost.

func (l *loader) checkLimits(c *Config) {
	l.checkNamed("limits", "limit", c.Limits, l.limits)
	l.checkNamed("alerts", "alert", c.Alerts, l.alerts)
	l.checkSpan("alert_quiet", c.AlertQuiet, time.Minute, 24*time.Hour)
	l.checkWhole("limiter_memory", c.LimiterMemory, 8, 65536)
	l.checkWord("send_guard", c.SendGuard, "enforce", "monitor")
}

func (l *loader) checkCaptcha(c *Config) {
	l.checkWord("captcha_provider", c.CaptchaProvider, "", "altcha", "hcaptcha", "turnstile", "recaptcha", "off")
	if !l.wasRead("captcha_provider") {
		return
	}
	service := slices.Contains([]string{"hcaptcha", "turnstile", "recaptcha"}, c.CaptchaProvider)
	for _, key := range []struct{ name, value string }{
		{"captcha_site_key", c.CaptchaSiteKey},
		{"captcha_secret", c.CaptchaSecret.Reveal()},
	} {
		if service && key.value == "" {
			l.refuseSetting(key.name, "must be set for captcha_provider %s; that service tells it", c.CaptchaProvider)
		} else if !service && key.value != "" {
			l.refuseSetting(key.name, "goes with captcha_provider hcaptcha, turnstile or recaptcha alone; set one of these, or leave it out")
		}
	}
	if c.CaptchaFailOpen && !service {
		l.refuseSetting("captcha_fail_open", "goes with captcha_provider hcaptcha, turnstile or recaptcha alone: nothing else can be out of reach; leave it out")
	}
}

func (l *loader) checkMoney(c *Config) {
	if key, wrong := wrongPriceKey(c.SMSPrices); wrong {
		l.refuseSetting("sms_prices", "%q %s", key, notPriceKey)
	}
	l.checkWhole("sms_budget_strangers_pct", c.SMSBudgetStrangersPct, 1, 100)
}

const notPriceKey = "is no country in two capital letters, no beginning of numbers such as +49151, and not * for everywhere else"

// wrongPriceKey finds what is no place of messages.
func wrongPriceKey(prices map[string]Decimal) (string, bool) {
	for _, key := range slices.Sorted(maps.Keys(prices)) {
		if key != "*" && !region(key) && !prefix(key) {
			return key, true
		}
	}
	return "", false
}

// prefix tells whether text begins numbers: +49151.
func prefix(text string) bool {
	rest, international := strings.CutPrefix(text, "+")
	return international && digits(rest, 1, 15) && rest[0] != '0'
}

func (l *loader) checkTestNumbersUntil(c *Config) {
	until := c.TestNumbersUntil
	if !until.IsZero() && len(c.TestNumbers) > 0 && !l.now.IsZero() && !until.After(l.now) {
		l.refuseSetting("test_numbers_until", "is in the past; give a later one or remove test_numbers")
	}
}

func (l *loader) checkWhole(name string, n, least, most int) {
	if l.wasRead(name) && (n < least || n > most) {
		l.refuseSetting(name, "must be %d to %d", least, most)
	}
}

// checkWord refuses all but some words; the empty one, for not set, comes first
// where it is among them.
func (l *loader) checkWord(name, word string, words ...string) {
	if slices.Contains(words, word) {
		return
	}
	if words[0] == "" {
		words = words[1:]
	}
	last := len(words) - 1
	l.refuseSetting(name, "must be %s or %s", strings.Join(words[:last], ", "), words[last])
}
