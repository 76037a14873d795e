package admin

import (
	"math"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// Stats is the answer of GET /admin/v1/stats.
type Stats struct {
	Since    time.Time   `json:"since" jsonschema:"the window, rounded out to whole slots of a minute, ten minutes or an hour"`
	Until    time.Time   `json:"until" jsonschema:"the end of the slot that now lies in"`
	SignIns  []SignIns   `json:"sign_ins" jsonschema:"by method"`
	Codes    []Codes     `json:"codes" jsonschema:"by country, the most sent first"`
	Accounts int64       `json:"accounts_created"`
	Locks    int64       `json:"locks" jsonschema:"numbers and devices that were locked for a while"`
	Refresh  Refresh     `json:"refreshes"`
	Limits   []NamedStat `json:"rate_limited" jsonschema:"refusals by the limit's name, the most first"`
}

// SignIns are the sign-ins by one method.
type SignIns struct {
	Method      string      `json:"method" jsonschema:"sms or password"`
	Successes   int64       `json:"successes"`
	Failures    int64       `json:"failures" jsonschema:"passwords and codes that were judged and refused; what a limit refused is not among them"`
	SuccessRate *float64    `json:"success_rate" jsonschema:"0 to 1; null where nothing was tried"`
	Reasons     []NamedStat `json:"reasons" jsonschema:"of the failures, the most first, ten at most"`
}

// Codes are the messages to one country and what became of their codes.
type Codes struct {
	Country    *string    `json:"country" jsonschema:"ISO 3166-1 alpha-2; null where it is not known"`
	Sent       int64      `json:"sent" jsonschema:"messages that a provider took, the few notices to owners among them"`
	Delivered  int64      `json:"delivered" jsonschema:"as receipts tell; 0 where the provider gives none"`
	Failed     int64      `json:"failed" jsonschema:"tries that a provider did not take"`
	Withheld   int64      `json:"withheld" jsonschema:"made and not sent: nobody has the number, or it is a test number"`
	Redeemed   int64      `json:"redeemed" jsonschema:"codes that were right"`
	Conversion *float64   `json:"conversion" jsonschema:"redeemed by sent; null where nothing was sent"`
	Providers  []Provider `json:"providers"`
}

// Provider is one provider's part in the messages to a country.
type Provider struct {
	Provider  string `json:"provider"`
	Sent      int64  `json:"sent"`
	Delivered int64  `json:"delivered"`
	Failed    int64  `json:"failed"`
}

// Refresh tells how refresh tokens fared.
type Refresh struct {
	Successes int64 `json:"successes"`
	Failures  int64 `json:"failures"`
	Reuses    int64 `json:"reuses" jsonschema:"old tokens presented again; each ended its session"`
}

// NamedStat is how often something was seen.
type NamedStat struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// LimitList is the answer of GET /admin/v1/limits.
type LimitList struct {
	Limits []Limit `json:"limits"`
}

// Limit is one row of the table of limits as it is in force.
type Limit struct {
	Name    string `json:"name" jsonschema:"as COUNTERSIGN_LIMITS and the log call it"`
	Who     string `json:"who" jsonschema:"who is counted"`
	N       int    `json:"n" jsonschema:"any window holds at most so many"`
	Window  int64  `json:"window" jsonschema:"its length in whole seconds"`
	Durable bool   `json:"durable" jsonschema:"counted in the database: no restart forgets it"`
	Doc     string `json:"doc" jsonschema:"what it guards"`
}

// StatsOf is the answer that counts are given as. No list in it is nil.
func StatsOf(s core.Stats) Stats {
	answer := Stats{
		Since: s.Since, Until: s.Until, Accounts: s.Accounts, Locks: s.Locks,
		SignIns: []SignIns{}, Codes: []Codes{},
		Refresh: Refresh{Successes: s.Refreshes, Failures: s.RefreshFails, Reuses: s.Reuses},
		Limits:  namedOf(s.Refusals),
	}
	for _, m := range s.SignIns {
		answer.SignIns = append(answer.SignIns, SignIns{
			Method: m.Method, Successes: m.Successes, Failures: m.Failures,
			SuccessRate: rounded(m.SuccessRate), Reasons: namedOf(m.Reasons),
		})
	}
	for _, c := range s.Codes {
		codes := Codes{
			Sent: c.Sent, Delivered: c.Delivered, Failed: c.Failed, Withheld: c.Withheld,
			Redeemed: c.Redeemed, Conversion: rounded(c.Conversion), Providers: []Provider{},
		}
		if c.Country != "" {
			codes.Country = &c.Country
		}
		for _, p := range c.Providers {
			codes.Providers = append(codes.Providers, Provider(p))
		}
		answer.Codes = append(answer.Codes, codes)
	}
	return answer
}

func namedOf(stats []core.NamedStat) []NamedStat {
	list := make([]NamedStat, len(stats))
	for i, s := range stats {
		list[i] = NamedStat{Name: s.Name, Count: s.N}
	}
	return list
}

// rounded leaves four decimals of a rate: hundredths of a per cent.
func rounded(rate *float64) *float64 {
	if rate == nil {
		return nil
	}
	r := math.Round(*rate*10_000) / 10_000
	return &r
}

func limitsOf(rows []core.LimitRow) LimitList {
	list := LimitList{Limits: make([]Limit, len(rows))}
	for i, row := range rows {
		list.Limits[i] = Limit{
			Name: row.Name, Who: row.Who, N: row.N, Window: int64(row.Window / time.Second),
			Durable: row.Store, Doc: row.Doc,
		}
	}
	return list
}
