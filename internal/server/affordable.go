package server

import (
	"fmt"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
)

// unaffordable refuses budgets that have no room for one message of one segment to
// a country that messages may go to: what is begun there would wait for its end.
// Reserved is what the dearest entry of a channel takes, of a stranger's share.
func unaffordable(c config.Config) config.Refusals {
	var refusals config.Refusals
	all := budgets(c)
	for _, country := range c.SMSCountries {
		own, named := all.Countries[country]
		if !named {
			own = all.Country
		}
		most := smallest(all.StrangerPct, all.Total, own)
		if entry, price := dearest(c, country); most > 0 && price > most {
			refusals = append(refusals, &config.Refusal{
				Setting: "sms_budget",
				Problem: fmt.Sprintf("has no room for one message to %s: %s takes %v %s a segment there, and strangers may use up %v: raise it (or sms_budget_strangers_pct), or lower the price",
					country, entry, price, c.SMSCurrency, most),
			})
		}
	}
	return refusals
}

// dearest is the entry that takes most for a segment to a country, and how much.
func dearest(c config.Config, country string) (entry string, most core.Money) {
	for _, e := range c.SMSProviders {
		prices := pricesOf(c, e)
		price, known := prices[country]
		if !known {
			price = prices["*"]
		}
		if servesCountry(e, country) && price > most {
			entry, most = e.Name, price
		}
	}
	return entry, most
}

// smallest is what strangers may use up of the tightest of budgets; 0: all of it.
func smallest(strangerPct int, all ...core.Budget) core.Money {
	least := core.Money(0)
	for _, b := range all {
		for _, bound := range []core.Money{b.Hour, b.Day, b.Month} {
			if share := bound * core.Money(strangerPct) / 100; bound > 0 && (least == 0 || share < least) {
				least = max(1, share)
			}
		}
	}
	return least
}
