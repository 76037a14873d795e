package config

import (
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
	window := r.Window.String()
	for _, empty := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(window, empty) {
			window = window[:len(window)-len(empty)+1]
		}
	}
	return strconv.Itoa(r.N) + "/" + window
}

// Named is a limit or an alert that settings may change: its default, and what
// it is for, in a sentence for operators.
type Named struct {
	Name string
	Rate Rate
	Doc  string
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

// checkNamed refuses rates of names that are none. what is what these are
// called.
func (l *loader) checkNamed(setting, what string, rates map[string]Rate, known []Named) {
	names := make([]string, len(known))
	for i, named := range known {
		names[i] = named.Name
	}
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		if slices.Contains(names, name) {
			continue
		}
		if near := nearest(name, names); near != "" {
			l.refuseSetting(setting, "there is no %s %q; did you mean %s?", what, name, near)
			continue
		}
		l.refuseSetting(setting, "there is no %s %q; `countersign config reference` lists them all", what, name)
	}
}
