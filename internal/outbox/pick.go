package outbox

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/internal/core"
)

// pick chooses among candidates that are as usable as each other, and says why.
func (r *router) pick(leading []candidate, w want) (best candidate, why string) {
	switch {
	case len(leading) == 1:
		return leading[0], "only one for " + w.place()
	case r.routing == Fixed:
		return leading[0], "fixed order"
	}
	chosen, why := byShare(leading, w)
	if other, ok := explored(leading, chosen, w); ok {
		return other, fmt.Sprintf("tried to learn: %s; else %s", other.told(w), chosen.told(w))
	}
	return chosen, why
}

// byShare takes the cheapest of those whose share of codes entered is about the
// best: within 5 points, and by how much the best may well be wrong while little is
// known. Weights share out what is equal in price.
func byShare(all []candidate, w want) (candidate, string) {
	best := slices.MaxFunc(all, func(a, b candidate) int { return cmp.Compare(a.share.rate, b.share.rate) })
	var cheapest []candidate
	for _, c := range all {
		switch {
		case best.share.rate-c.share.rate > equalWithin+best.share.error || len(cheapest) > 0 && c.price > cheapest[0].price:
		case len(cheapest) > 0 && c.price == cheapest[0].price:
			cheapest = append(cheapest, c)
		default:
			cheapest = []candidate{c}
		}
	}
	if len(cheapest) > 1 {
		c := byWeight(cheapest, w)
		return c, c.told(w) + ": one of " + strconv.Itoa(len(cheapest)) + " alike, by weight " + strconv.Itoa(c.route.Weight)
	}
	c := cheapest[0]
	if c.place == best.place {
		second, _ := next(all, c)
		return c, c.told(w) + "; " + second.told(w)
	}
	return c, fmt.Sprintf("%s; %s: within %.0f points, cheaper", c.told(w), best.told(w), 100*(equalWithin+best.share.error))
}

// byWeight shares messages out by their ids.
func byWeight(all []candidate, w want) candidate {
	sum := 0
	for _, c := range all {
		sum += c.route.Weight
	}
	if sum == 0 { // all are there for want of better only
		return all[0]
	}
	at := int(w.chance("weight") % uint64(sum)) //nolint:gosec // less than sum, which is an int
	for _, c := range all {
		if at -= c.route.Weight; at < 0 {
			return c
		}
	}
	return all[len(all)-1]
}

// next is the best of the others.
func next(all []candidate, but candidate) (best candidate, ok bool) {
	for _, c := range all {
		if c.place != but.place && (!ok || c.share.rate > best.share.rate) {
			best, ok = c, true
		}
	}
	return best, ok
}

// explored gives, for one message in exploreOne, one of the others, so that one
// that recovered is found again: not those known to be bad, but for one message in
// exploreWorst. A message that has failed before, or is asked for again, has
// waited for long enough.
func explored(all []candidate, chosen candidate, w want) (candidate, bool) {
	chance := w.chance("explore")
	if len(w.attempts) > 0 || len(w.before) > 0 || chance%exploreOne != 0 {
		return candidate{}, false
	}
	best := slices.MaxFunc(all, func(a, b candidate) int { return cmp.Compare(a.share.rate, b.share.rate) }).share.rate
	var others []candidate
	for _, c := range all {
		bad := c.share.weight >= worstKnown && c.share.rate < worstBelow*best
		if c.place != chosen.place && (!bad || chance%exploreWorst == 0) {
			others = append(others, c)
		}
	}
	if len(others) == 0 {
		return candidate{}, false
	}
	return others[chance/exploreWorst%uint64(len(others))], true
}

// told is a candidate for operators: "vonage 84% of 412 codes entered here, 0.040".
func (c candidate) told(w want) string {
	text := c.name + " "
	switch c.share.level {
	case levelPrefix:
		text += fmt.Sprintf("%.0f%% of %d codes entered here", c.share.rate*100, c.share.seen)
	case levelCountry:
		text += fmt.Sprintf("%.0f%% of %d codes entered in %s", c.share.rate*100, c.share.seen, cmp.Or(w.country, "no known country"))
	case levelProvider:
		text += fmt.Sprintf("%.0f%% of %d codes entered", c.share.rate*100, c.share.seen)
	default:
		text += "not known yet"
	}
	return text + ", " + money(c.price)
}

// money shows an amount in thousandths: 0.040.
func money(m core.Money) string {
	return strconv.FormatFloat(float64(m)/1e6, 'f', 3, 64)
}

// against tells, in few words, what keeps the better ones from being taken.
func against(all []candidate, best candidate, w want) string {
	const most = 3
	var told []string
	for _, c := range all {
		if why := c.flaw(w); c.place != best.place && why != "" && len(told) < most {
			told = append(told, why)
		}
	}
	if why := best.flaw(w); why != "" {
		told = append(told, "still, "+why)
	}
	if len(told) == 0 {
		return ""
	}
	return "; " + strings.Join(told, "; ")
}

// flaw is what speaks against a candidate; "": nothing.
func (c candidate) flaw(w want) string {
	const clock = "15:04:05"
	switch {
	case !c.pauses.IsZero():
		return c.name + " asked for a pause until " + c.pauses.UTC().Format(clock)
	case !c.opens.IsZero():
		return "circuit of " + c.name + " open for " + cmp.Or(w.country, "no known country") + " until " + c.opens.UTC().Format(clock)
	case c.failed:
		return c.name + " did not take it before"
	case c.before:
		return "an earlier message of it went by " + c.name
	case c.full:
		return c.name + " has all that it can take at a time"
	}
	return ""
}
