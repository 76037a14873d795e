package gateway

import (
	"slices"
	"strings"
	"testing"
)

func TestSenderByCountry(t *testing.T) {
	o := Options{From: map[string]string{"*": "ACME", "CA": "+14165550100", "DE": "ACME DE"}}
	for country, want := range map[string]string{"DE": "ACME DE", "FR": "ACME", "": "ACME", "CA": "+14165550100", "US": "", "CN": ""} {
		if got := o.Sender(country); got != want {
			t.Errorf("%s: %q, want %q", country, got, want)
		}
	}
	o.From = map[string]string{"*": "12345"}
	if got := o.Sender("US"); got != "12345" {
		t.Errorf("a number for all: %q", got)
	}
}

// What an operator reads of the kinds: in order, each setting named once and told.
func TestKindsAreTold(t *testing.T) {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
		var settings []string
		for _, s := range k.Settings {
			settings = append(settings, s.Name)
			if s.Doc == "" || strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyz_") != "" {
				t.Errorf("%s has a setting %q: %q", k.Name, s.Name, s.Doc)
			}
		}
		slices.Sort(settings)
		if k.Doc == "" || len(k.Channels) == 0 || len(slices.Compact(settings)) != len(k.Settings) {
			t.Errorf("%s: %q, %v, %v", k.Name, k.Doc, k.Channels, settings)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(names) {
		t.Errorf("the kinds are %v", names)
	}
}
