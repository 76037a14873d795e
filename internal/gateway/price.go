package gateway

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	decimal  = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,18})?$`)
	currency = regexp.MustCompile(`^[A-Z]{3}$`)
)

// priceOf reads an amount as a provider tells it, "0.0333", to the next millionth;
// nil for what is none.
func priceOf(amount, in string) *Price {
	if !decimal.MatchString(amount) || !currency.MatchString(in) {
		return nil
	}
	whole, fraction, _ := strings.Cut(amount, ".")
	fraction += "0000000"
	millionths, err := strconv.ParseInt(whole+fraction[:6], 10, 64)
	if err != nil {
		return nil
	}
	if strings.Trim(fraction[6:], "0") != "" {
		millionths++ // what is paid is never less than what is counted
	}
	return &Price{Amount: millionths, Currency: in}
}
