package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rate is how often in how long: the N and the window of a limit or an alert.
type Rate struct {
	N      int
	Window time.Duration
}

// String writes the rate as settings have it: 60/1h.
func (r Rate) String() string {
	return strconv.Itoa(r.N) + "/" + shortly(r.Window)
}

// shortly writes 1h0m0s as 1h.
func shortly(span time.Duration) string {
	text := span.String()
	for _, empty := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, empty) {
			text = text[:len(text)-len(empty)+1]
		}
	}
	return text
}

// Named is a limit or an alert that settings may change.
type Named struct {
	Name string
	Rate Rate // by default
	Doc  string

	// What settings may make of it. A member that is zero is as with all of them.
	Least, Most Rate
}

const (
	mostN       = 10_000_000
	leastWindow = time.Second
	mostWindow  = 31 * 24 * time.Hour
)

func parseRate(text string) (Rate, error) {
	n, window, ok := strings.Cut(text, "/")
	if !ok || !digits(n, 1, 9) {
		return Rate{}, fmt.Errorf("must be a number and a span of time, such as 600/1h")
	}
	rate := Rate{}
	var err error
	if rate.N, err = strconv.Atoi(n); err != nil || rate.N > mostN {
		return Rate{}, fmt.Errorf("must have a number from 0 to %d before its span of time", mostN)
	}
	rate.Window, err = time.ParseDuration(window)
	if err != nil || rate.Window < leastWindow || rate.Window > mostWindow {
		return Rate{}, fmt.Errorf("must have a span of time from 1s to 744h (31 days) behind its number, such as 600/1h")
	}
	return rate, nil
}

// checkNamed refuses rates of names that are none, and those that one of that
// name may not have. what is what these are called.
func (l *loader) checkNamed(setting, what string, rates map[string]Rate, known []Named) {
	names := make([]string, len(known))
	for i, named := range known {
		names[i] = named.Name
	}
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		if i := slices.Index(names, name); i >= 0 {
			l.checkRate(setting, rates[name], known[i])
		} else if near := nearest(name, names); near != "" {
			l.refuseSetting(setting, "there is no %s %q; did you mean %s?", what, name, near)
		} else {
			l.refuseSetting(setting, "there is no %s %q; `countersign config reference` lists them all", what, name)
		}
	}
}

func (l *loader) checkRate(setting string, rate Rate, named Named) {
	if most := cmp.Or(named.Most.N, mostN); rate.N < named.Least.N || rate.N > most {
		l.refuseSetting(setting, "%q: must have a number from %d to %d", named.Name, named.Least.N, most)
	}
	least, most := cmp.Or(named.Least.Window, leastWindow), cmp.Or(named.Most.Window, mostWindow)
	switch {
	case least == most && rate.Window != most:
		l.refuseSetting(setting, "%q: has a fixed span of time; write it as %v", named.Name, Rate{rate.N, most})
	case rate.Window < least || rate.Window > most:
		l.refuseSetting(setting, "%q: must have a span of time from %s to %s", named.Name, shortly(least), shortly(most))
	}
}
