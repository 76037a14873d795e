package server

import (
	"slices"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What may be made of the limits that the store counts. It keeps each failure of
// a number one by one, for 30 days, and takes 0 for no limit.
const (
	mostStored    = 1000
	longestStored = 30 * 24 * time.Hour

	// The store looks at an hour of sends for the waits between them, the longest of
	// which is ten times the window (C-39).
	longestWait = 6 * time.Minute
)

// LimitTable is every limit that the setting limits may change.
func LimitTable() []config.Named {
	var table []config.Named
	for _, row := range core.LimitTable() {
		named := config.Named{
			Name: row.Name,
			Rate: config.Rate{N: row.N, Window: row.Window},
			Doc:  row.Who + ": " + row.Doc,
		}
		if row.Store {
			named.Least.N = 1
			named.Most = config.Rate{N: mostStored, Window: longestStored}
		}
		if core.SendLimit(row.Name) == core.SendWait {
			named.Most.Window = longestWait
		}
		if slices.Contains([]core.SendLimit{core.SendHour, core.SendDay}, core.SendLimit(row.Name)) {
			named.Least.Window, named.Most.Window = row.Window, row.Window
		}
		table = append(table, named)
	}
	return table
}

// AlertTable is every alert that the setting alerts may change.
func AlertTable() []config.Named {
	var table []config.Named
	for _, row := range event.AlertTable() {
		named := config.Named{Name: row.Name, Rate: config.Rate{N: row.N, Window: row.Window}, Doc: row.Doc}
		if row.Percent {
			named.Most = config.Rate{N: 100, Window: longestStored}
		}
		table = append(table, named)
	}
	return table
}
