package e2e

import (
	"strings"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/limit"
)

// One address plays everybody in these tests, and plays fast. Wide limits let
// it: what guards numbers and accounts stays, and what guards against floods is
// shown where it is tested, with the limits as they come.
var wideRules = map[string]int{
	"begin_address": 1_000_000, "begin_network": 1_000_000, "begin_device": 1_000_000, "begin_devices": 1_000_000,
	"code_failures_address": 1_000_000, "code_failures_network": 1_000_000,
	"password_failures_address": 1_000_000, "password_failures_network": 1_000_000,
	"send_prefix": 1_000_000, "send_country": 1_000_000, "send_total": 1_000_000,
	"send_wait": 1000, "send_number_hour": 1000, "send_number_day": 1000, "refresh_session": 1_000_000,
}

// wide are the settings that go with them.
func wide() []string {
	return []string{wideBut("", 0), "COUNTERSIGN_SEND_GUARD=monitor", "COUNTERSIGN_CAPTCHA_PROVIDER=off"}
}

// wideBut is the setting of the limits, of which one is n.
func wideBut(limit string, n int) string {
	var limits []string
	for _, row := range core.LimitTable() {
		wide, ok := wideRules[row.Name]
		if row.Name == limit {
			wide = n
		}
		if ok {
			limits = append(limits, row.Name+"="+config.Rate{N: wide, Window: row.Window}.String())
		}
	}
	return "COUNTERSIGN_LIMITS=" + strings.Join(limits, ",")
}

// widen is the same for a core without a server.
func widen(s *core.Settings) {
	s.GuardMonitor, s.Limits = true, map[string]limit.Rule{}
	for _, row := range core.LimitTable() {
		if n, ok := wideRules[row.Name]; ok {
			row.N = n
			s.Limits[row.Name] = row.Rule
		}
	}
}
