package storetest

import (
	"testing"

	"pgregory.net/rapid"
)

// racedRuns is how many random runs of a kind the race detector watches: what runs
// draw differs, what runs beside what does not. scripts/test has all of them
// without it.
const racedRuns = 25

// random is rapid.Check, which the race detector watches for some runs only; once
// one has failed it watches all, so that rapid can find the shortest.
func random(t *testing.T, run func(*rapid.T)) {
	t.Helper()
	runs, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; raced && !failed && runs > racedRuns {
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		run(rt)
	})
}
