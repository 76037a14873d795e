package server

import (
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/locale"
)

// testNumbersLife is how long test numbers last after a start that names no end.
const testNumbersLife = 30 * 24 * time.Hour

// coreSettings are the settings as the core's flows know them.
func coreSettings(c config.Config, texts locale.Texts, now time.Time) core.Settings {
	limits := map[string]limit.Rule{}
	for name, rate := range c.Limits {
		limits[name] = limit.Rule{Name: name, N: rate.N, Window: rate.Window}
	}
	return core.Settings{
		AppName: c.AppName, Host: urlHost(c.PublicURL), Texts: texts, AndroidAppHash: c.AndroidAppHash, DefaultRegion: c.DefaultRegion,
		CodeTTL: c.CodeTTL, RefreshGrace: c.RefreshGrace, IdleTimeout: c.SessionIdleTimeout,
		Lifetime: c.SessionLifetime, ReauthWindow: c.ReauthWindow,
		TestNumbers: c.TestNumbers, TestNumbersUntil: testNumbersUntil(c, now),
		Limits: limits, LimitsDisabled: c.LimitsDisabled,
		SMSCountries: c.SMSCountries, Prices: prices(c), Routes: coreRoutes(c), Budgets: budgets(c), Currency: c.SMSCurrency,
		GuardMonitor: c.SendGuard == "monitor",
		CaptchaLifts: c.CaptchaProvider != "" && c.CaptchaProvider != "off",
	}
}

func testNumbersUntil(c config.Config, now time.Time) time.Time {
	if c.TestNumbersUntil.IsZero() {
		return now.Add(testNumbersLife)
	}
	return c.TestNumbersUntil
}

// prices are the operator's over the rough built-in ones, unless they say what is
// paid everywhere else: then these count alone, in whatever currency. The
// development inbox costs nothing, unless somebody wants to see what it would.
func prices(c config.Config) core.Prices {
	if len(c.SMSPrices) == 0 && len(c.SMSBudget) == 0 {
		return nil
	}
	all := core.RoughPrices()
	if _, everywhere := c.SMSPrices["*"]; everywhere {
		all = core.Prices{}
	}
	for where, price := range c.SMSPrices {
		all[where] = core.Money(price)
	}
	return all
}

func budgets(c config.Config) core.Budgets {
	budget := func(b config.Budget) core.Budget {
		return core.Budget{Hour: core.Money(b.Hour), Day: core.Money(b.Day), Month: core.Money(b.Month)}
	}
	all := core.Budgets{Countries: map[string]core.Budget{}, StrangerPct: c.SMSBudgetStrangersPct}
	for country, b := range c.SMSBudget {
		switch country {
		case config.BudgetTotal:
			all.Total = budget(b)
		case config.BudgetElsewhere:
			all.Country = budget(b)
		default:
			all.Countries[country] = budget(b)
		}
	}
	return all
}

// captchaOf makes what the settings ask for: our own proof of work where they
// name nothing, and nil where they switch it off.
func captchaOf(c config.Config, ring *keyring.Ring, o Options) (captcha.Verifier, error) {
	switch c.CaptchaProvider {
	case "off":
		return nil, nil
	case "", captcha.TypeALTCHA:
		return captcha.NewPoW(captcha.PoWOptions{Ring: ring, Rand: o.Rand}), nil
	}
	return captcha.NewService(captcha.ServiceOptions{
		Type: c.CaptchaProvider, SiteKey: c.CaptchaSiteKey, Secret: c.CaptchaSecret, FailOpen: c.CaptchaFailOpen, Log: o.Log,
	})
}
