package e2e

import (
	"flag"
	"os"
	"testing"
)

// TestMain has random runs be shorter than rapid's own default of 100: each step
// here is a whole flow with its commit. -rapid.checks asks for more.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
