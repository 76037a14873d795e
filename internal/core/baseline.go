package core

import (
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/event"
)

// ReviewBaseline reads how many codes fail in ten minutes as a rule, has begins
// go by it from now on, and tells it: the median of the last seven days (C-45).
func (c *Core) ReviewBaseline(ctx context.Context) (int64, error) {
	const slot, slots = 10 * time.Minute, 7 * 24 * 6
	until := c.now().Truncate(slot)
	rollups, err := c.store.Stats(ctx, StatsQuery{
		Since: until.Add(-slots * slot), Until: until, By: slot, Names: []event.Name{event.CodeFailed},
	})
	if err != nil {
		return 0, unavailable("reading how many codes fail", err)
	}
	failed := map[time.Time]int64{}
	for _, r := range rollups {
		failed[r.Minute] += r.N
	}
	all := make([]int64, slots) // slots without a failure have no row
	i := 0
	for _, n := range failed {
		all[i] = n
		i++
	}
	slices.Sort(all)
	median := all[slots/2]
	c.SetBaseline(median)
	return median, nil
}
