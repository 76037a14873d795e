package server

import "github.com/countersign/countersign/internal/config"

// LimitTable is every limit that the setting limits may change.
func LimitTable() []config.Named { return nil }

// AlertTable is every alert that the setting alerts may change.
func AlertTable() []config.Named { return nil }
