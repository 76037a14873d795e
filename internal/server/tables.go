package server

import (
	"slices"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
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

// kindInbox is the development inbox as an entry of sms_providers.
const kindInbox = "inbox"

// ProviderTable is every kind of provider that the setting sms_providers may name.
func ProviderTable() []config.ProviderKind {
	var table []config.ProviderKind
	for _, k := range gateway.Kinds() {
		kind := config.ProviderKind{Name: k.Name, Doc: k.Doc, Here: k.Name == kindFile}
		for _, c := range k.Channels {
			kind.Channels = append(kind.Channels, string(c))
		}
		for _, s := range k.Settings {
			kind.Settings = append(kind.Settings, config.ProviderSetting(s))
		}
		table = append(table, kind)
	}
	return append(table, config.ProviderKind{
		Name: kindInbox, Doc: "Keeps messages in memory, where /dev/inbox shows them: for development.",
		Channels: []string{string(gateway.SMS), string(gateway.WhatsApp), string(gateway.Voice)}, Here: true,
	})
}

// kindFile writes messages into a file of this machine.
const kindFile = "file"
