package core

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/event"
)

// What a window of Stats may be.
const (
	MinStatsWindow     = time.Minute
	DefaultStatsWindow = time.Hour
	MaxStatsWindow     = 90 * 24 * time.Hour // as long as counts are kept
)

// maxReasons is how many reasons of failures are told.
const maxReasons = 10

// StatsIn asks for the counts of a window.
type StatsIn struct {
	Window time.Duration // MinStatsWindow to MaxStatsWindow; 0: DefaultStatsWindow
}

// Stats are what all instances counted in [Since, Until): the window, with the
// whole of the slots that its ends lie in, so that what has just happened is in
// it. Instances bring their counts about once a minute.
type Stats struct {
	Since, Until time.Time
	SignIns      []SignInStats // by method, sorted by it
	Codes        []CodeStats   // by country, the most sent first
	Accounts     int64         // made
	Locks        int64         // begun
	Refreshes    int64         // of tokens that worked, lost answers told again among them
	RefreshFails int64
	Reuses       int64       // of old refresh tokens; each ended its session
	Refusals     []NamedStat // by limit, the most first
}

// SignInStats are the sign-ins by one method. Failures are passwords and codes
// that were judged and refused; codes of reauthentications and phone changes
// are among them. What a limit refused was not judged: that is a refusal.
type SignInStats struct {
	Method      string
	Successes   int64
	Failures    int64
	SuccessRate *float64    // 0 to 1; nil where nothing was tried
	Reasons     []NamedStat // of the failures, the most first, ten at most
}

// CodeStats are the messages to one country, and what became of their codes.
// The few notices to owners are counted among the sent. Withheld are those of
// decoys and test numbers: nobody was sent anything.
type CodeStats struct {
	Country    string // ISO 3166-1 alpha-2; "" where it is not known
	Sent       int64
	Delivered  int64 // as receipts tell; 0 where the provider gives none
	Failed     int64 // tries that a provider did not take, and messages that its receipts say failed
	Withheld   int64
	Redeemed   int64
	Conversion *float64 // Redeemed by Sent; nil where nothing was sent
	Providers  []ProviderStats
}

// ProviderStats are the messages to one country by one provider. By which one
// a redeemed code came is not kept: conversion is a country's.
type ProviderStats struct {
	Provider                string
	Sent, Delivered, Failed int64
}

// NamedStat is how often something of a name was seen.
type NamedStat struct {
	Name string
	N    int64
}

// counted are the events that Stats is made of.
var counted = []event.Name{
	event.SuccessfulLogin, event.FailedLogin, event.CodeFailed, event.CodeRefused,
	event.Reauthenticated, event.PhoneNumberChanged, event.AccountCreated, event.AccountLocked,
	event.SMSSent, event.SMSDelivered, event.SMSSendFailed, event.SMSWithheld,
	event.TokenRefreshed, event.TokenRefreshFailed, event.RefreshTokenReused, event.RateLimited,
}

// Stats tells how sign-ins and codes went in a window that ends now.
func (c *Core) Stats(ctx context.Context, in StatsIn) (Stats, error) {
	window := in.Window
	if window == 0 {
		window = DefaultStatsWindow
	}
	if window < MinStatsWindow || window > MaxStatsWindow {
		return Stats{}, invalid("window", "has to be 1m to 2160h")
	}
	slot := statsSlot(window)
	now := c.now()
	since, until := now.Add(-window).Truncate(slot), now.Truncate(slot).Add(slot)
	rollups, err := c.store.Stats(ctx, StatsQuery{Since: since, Until: until, Names: counted})
	if err != nil {
		return Stats{}, unavailable("reading counts", err)
	}
	return sumUp(since, until, rollups), nil
}

// statsSlot is of which slots a window's sums are made (StatsQuery).
func statsSlot(window time.Duration) time.Duration {
	switch {
	case window <= 2*time.Hour:
		return time.Minute
	case window <= 48*time.Hour:
		return 10 * time.Minute
	default:
		return time.Hour
	}
}

// tally is Stats on its way.
type tally struct {
	Stats
	signIns  map[string]*SignInStats
	reasons  map[string]map[string]int64 // by method
	codes    map[string]*CodeStats
	carriers map[string]map[string]*ProviderStats // by country
	refusals map[string]int64
}

func sumUp(since, until time.Time, rollups []event.Rollup) Stats {
	t := tally{
		Stats:   Stats{Since: since, Until: until},
		signIns: map[string]*SignInStats{}, reasons: map[string]map[string]int64{}, codes: map[string]*CodeStats{},
		carriers: map[string]map[string]*ProviderStats{}, refusals: map[string]int64{},
	}
	for _, r := range rollups {
		t.add(r.Series, r.N)
	}
	return t.sorted()
}

func (t *tally) add(s event.Series, n int64) {
	if s.Redeemed() {
		t.code(s.Country).Redeemed += n
	}
	switch s.Name {
	case event.SuccessfulLogin:
		t.signIn(s.Method).Successes += n
	case event.FailedLogin, event.CodeFailed, event.CodeRefused:
		t.signIn(s.Method).Failures += n
		t.reasons[s.Method][s.Reason] += n
	case event.SMSSent:
		t.code(s.Country).Sent += n
		t.carrier(s).Sent += n
	case event.SMSDelivered:
		t.code(s.Country).Delivered += n
		t.carrier(s).Delivered += n
	case event.SMSSendFailed:
		t.code(s.Country).Failed += n
		t.carrier(s).Failed += n
	case event.SMSWithheld:
		t.code(s.Country).Withheld += n
	case event.AccountCreated:
		t.Accounts += n
	case event.AccountLocked:
		t.Locks += n
	case event.TokenRefreshed:
		t.Refreshes += n
	case event.TokenRefreshFailed:
		t.RefreshFails += n
	case event.RefreshTokenReused:
		t.Reuses += n
	case event.RateLimited:
		t.refusals[s.Reason] += n
	}
}

func (t *tally) signIn(method string) *SignInStats {
	if t.signIns[method] == nil {
		t.signIns[method] = &SignInStats{Method: method}
		t.reasons[method] = map[string]int64{}
	}
	return t.signIns[method]
}

func (t *tally) code(country string) *CodeStats {
	if t.codes[country] == nil {
		t.codes[country] = &CodeStats{Country: country}
		t.carriers[country] = map[string]*ProviderStats{}
	}
	return t.codes[country]
}

func (t *tally) carrier(s event.Series) *ProviderStats {
	of := t.carriers[s.Country]
	if of[s.Provider] == nil {
		of[s.Provider] = &ProviderStats{Provider: s.Provider}
	}
	return of[s.Provider]
}

// sorted puts the counts in order and adds the rates.
func (t *tally) sorted() Stats {
	for _, method := range slices.Sorted(maps.Keys(t.signIns)) {
		s := t.signIns[method]
		s.SuccessRate = rate(s.Successes, s.Successes+s.Failures)
		s.Reasons = named(t.reasons[method])
		s.Reasons = s.Reasons[:min(len(s.Reasons), maxReasons)]
		t.SignIns = append(t.SignIns, *s)
	}
	for _, country := range slices.Sorted(maps.Keys(t.codes)) {
		s := t.codes[country]
		s.Conversion = rate(s.Redeemed, s.Sent)
		for _, provider := range slices.Sorted(maps.Keys(t.carriers[country])) {
			s.Providers = append(s.Providers, *t.carriers[country][provider])
		}
		t.Codes = append(t.Codes, *s)
	}
	slices.SortStableFunc(t.Codes, func(a, b CodeStats) int { return cmp.Compare(b.Sent, a.Sent) })
	t.Refusals = named(t.refusals)
	return t.Stats
}

func named(counts map[string]int64) []NamedStat {
	list := make([]NamedStat, 0, len(counts))
	for name, n := range counts {
		list = append(list, NamedStat{name, n})
	}
	slices.SortFunc(list, func(a, b NamedStat) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// rate is part by whole; nil where there is no whole.
func rate(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	r := float64(part) / float64(whole)
	return &r
}
