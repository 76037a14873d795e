package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Decimal is an amount of money in millionths of whatever currency the operator
// counts in.
type Decimal int64

// Budget is what messages may cost within a span of time. Zero is no bound.
type Budget struct {
	Hour, Day, Month Decimal // 60 min, 24 h, 31 d
}

// The keys of budgets that are not a country's.
const (
	BudgetTotal     = ""  // of all countries together
	BudgetElsewhere = "*" // of each country that has no budget of its own
)

func parseDecimal(text string) (Decimal, error) {
	whole, fraction, dotted := strings.Cut(text, ".")
	if !digits(whole, 1, 9) || dotted && !digits(fraction, 1, 6) {
		return 0, fmt.Errorf("must be an amount with at most six digits behind the point, such as 0.0075")
	}
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	return Decimal(n), err
}

// parseBudgets reads hour=20,US/day=50,*/hour=5 by country.
func parseBudgets(text string) (map[string]Budget, error) {
	amounts, err := parsePairs(text, "hour=20,day=100,US/day=50", parseDecimal)
	if err != nil {
		return nil, err
	}
	budgets := make(map[string]Budget)
	for _, key := range slices.Sorted(maps.Keys(amounts)) {
		country, span, ok := strings.Cut(key, "/")
		if !ok {
			country, span = BudgetTotal, key
		} else if country != BudgetElsewhere && !region(country) {
			return nil, fmt.Errorf("%q: must begin with a country in two capital letters, or with * for each other country: US/day=50", key)
		}
		amount := amounts[key]
		if amount == 0 {
			return nil, fmt.Errorf("%q: must be more than 0; leave it out for no budget, and close a country by sms_countries", key)
		}
		b := budgets[country]
		switch span {
		case "hour":
			b.Hour = amount
		case "day":
			b.Day = amount
		case "month":
			b.Month = amount
		default:
			return nil, fmt.Errorf("%q: must be of an hour, a day or a month: hour=20,US/day=50", key)
		}
		budgets[country] = b
	}
	return budgets, nil
}
