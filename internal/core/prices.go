package core

import (
	"github.com/countersign/countersign/internal/phone"
)

// Prices are what one segment of a message costs, by country (ISO 3166-1
// alpha-2), by the beginning of a number ("+49151"; the longest wins, and wins
// over the country), and "*" for everywhere else. Where nothing fits, the dearest
// holds. Nil: everything is free.
type Prices map[string]Money

// Segment is what one segment to a number costs.
func (p Prices) Segment(n phone.Number, country string) Money {
	e164 := n.E164()
	for end := len(e164); end > 1; end-- {
		if price, ok := p[e164[:end]]; ok {
			return price
		}
	}
	for _, where := range []string{country, "*"} {
		if price, ok := p[where]; ok {
			return price
		}
	}
	var most Money
	for _, price := range p {
		most = max(most, price)
	}
	return most
}

// RoughPrices is what a segment costs about everywhere, in US dollars: close
// enough for a budget to hold, no provider's offer.
func RoughPrices() Prices {
	prices := Prices{"*": dearest}
	for country, cents := range roughCents {
		prices[country] = Money(cents) * 10_000
	}
	return prices
}

// dearest is about what the dearest of the large countries cost.
const dearest Money = 650_000

// roughCents are rough: about what large providers list, in whole US cents,
// rounded up. Countries that are not named cost "*".
var roughCents = map[string]int{
	"US": 1, "CA": 1, "PR": 1,
	"AT": 11, "BE": 12, "BG": 11, "CH": 8, "CY": 8, "CZ": 7, "DE": 11, "DK": 6, "EE": 9, "ES": 9, "FI": 9,
	"FR": 8, "GB": 6, "GR": 9, "HR": 9, "HU": 10, "IE": 9, "IS": 9, "IT": 10, "LT": 6, "LU": 10, "LV": 8,
	"MT": 10, "NL": 12, "NO": 8, "PL": 5, "PT": 6, "RO": 8, "SE": 7, "SI": 18, "SK": 9,
	"AU": 6, "HK": 8, "IN": 9, "JP": 9, "KR": 5, "MY": 8, "NZ": 11, "SG": 6, "TH": 3, "TW": 6,
	"AR": 9, "BR": 7, "CL": 6, "CO": 6, "MX": 7, "PE": 7, "UY": 8,
	"AE": 12, "IL": 26, "TR": 4, "ZA": 12,
}
