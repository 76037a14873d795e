package server

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
)

func TestStatsAsText(t *testing.T) {
	rate := func(r float64) *float64 { return &r }
	got := statsText(core.Stats{
		Since: time.Date(2026, 8, 1, 11, 0, 0, 0, time.UTC), Until: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC),
		SignIns: []core.SignInStats{
			{Method: "password", Failures: 7, SuccessRate: rate(0), Reasons: []core.NamedStat{{Name: "wrong_password", N: 7}}},
			{Method: "sms", Successes: 1234, Failures: 12, SuccessRate: rate(1234.0 / 1246), Reasons: []core.NamedStat{{Name: "wrong_code", N: 9}, {Name: "expired", N: 3}}},
		},
		Codes: []core.CodeStats{
			{
				Country: "US", Sent: 1500, Delivered: 1400, Failed: 20, Withheld: 5, Redeemed: 1234, Conversion: rate(1234.0 / 1500),
				Providers: []core.ProviderStats{{Provider: "inbox", Sent: 1500, Delivered: 1400, Failed: 20}},
			},
			{Country: "", Withheld: 2},
		},
		Accounts: 10, Locks: 2, Refreshes: 99, RefreshFails: 1, Reuses: 0,
		Refusals: []core.NamedStat{{Name: "begin_address", N: 31}},
	})
	want := strings.TrimPrefix(`
2026-08-01T11:00:00Z to 2026-08-01T12:00:00Z, all instances

SIGN-INS BY  SUCCEEDED  FAILED    RATE
password             0       7   0.0 %
sms               1234      12  99.0 %

MESSAGES TO  SENT  DELIVERED  FAILED  WITHHELD  REDEEMED  CONVERSION
US           1500       1400      20         5      1234      82.3 %
  by inbox   1500       1400      20
unknown         0          0       0         2         0           -

FAILED FOR                TIMES
password: wrong_password      7
sms: wrong_code               9
sms: expired                  3

REFUSED BY LIMIT  TIMES
begin_address        31

ALL                      TIMES
accounts made               10
locks                        2
token refreshes             99
token refreshes failed       1
old refresh tokens used      0
`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where nothing was counted, no table without rows is shown.
func TestStatsOfNothing(t *testing.T) {
	if got := statsText(core.Stats{}); strings.Count(got, "\n\n") != 1 || !strings.Contains(got, "accounts made") {
		t.Errorf("got\n%s", got)
	}
}
