package redis

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/countersign/countersign/internal/limit"
)

// takeSpread takes over a cluster: a call for each slot. The order is the same
// for all who ask, so that of two who want the last place one gets it; those with
// the smallest N come first, so that somebody who is refused anyway does not take
// places in the big ones for a moment.
func (l *Limiter) takeSpread(ctx context.Context, client rueidis.Client, now time.Time, a asking, look bool) (limit.Decision, error) {
	groups := a.bySlot()
	for i, g := range groups {
		d, err := l.takeOnce(ctx, client, now, g, look)
		if err == nil && d.Refused == "" {
			continue
		}
		if !look {
			for _, taken := range groups[:i] {
				if back := l.giveBack(ctx, client, now, taken); back != nil && err == nil {
					err = back
				}
			}
		}
		// Which of them all is full the longest is still to be told.
		for _, rest := range groups[i+1:] {
			if err != nil {
				break
			}
			var other limit.Decision
			other, err = l.takeOnce(ctx, client, now, rest, true)
			d = longer(d, other)
		}
		for _, before := range groups[:i] {
			if err != nil || look {
				break
			}
			var other limit.Decision
			other, err = l.takeOnce(ctx, client, now, before, true)
			d = longer(d, other)
		}
		return d, err
	}
	return limit.Decision{}, nil
}

// bySlot cuts what is asked into what one script call may be about.
func (a asking) bySlot() []asking {
	byTag := map[string]*asking{}
	var groups []*asking
	for i, key := range a.keys {
		tag, _, _ := strings.Cut(key, "}")
		g := byTag[tag]
		if g == nil {
			g = &asking{}
			byTag[tag] = g
			groups = append(groups, g)
		}
		g.keys, g.counts = append(g.keys, key), append(g.counts, a.counts[i])
	}
	slices.SortFunc(groups, func(x, y *asking) int {
		if least := x.least() - y.least(); least != 0 {
			return least
		}
		return strings.Compare(x.keys[0], y.keys[0])
	})
	sorted := make([]asking, len(groups))
	for i, g := range groups {
		sorted[i] = *g
	}
	return sorted
}

func (a *asking) least() int {
	n := a.counts[0].Rule.N
	for _, c := range a.counts {
		n = min(n, c.Rule.N)
	}
	return n
}
