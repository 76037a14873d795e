package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The README's first sign-in is run as a reader pastes it.
func TestReadmesFirstSignIn(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(api=.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no block that begins with api=")
	}
	h := startHouse(t)
	// The inbox is filled beside the request; a reader is slower than the test.
	script := strings.Replace(string(block[1]), "\n# Read it.", "\nuntil curl -sf $api/dev/inbox | grep -q '#'; do :; done\n", 1)
	script = strings.Replace(script, "http://127.0.0.1:8420", h.public, 1)
	out, err := exec.CommandContext(t.Context(), "bash", "-euc", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), `"phone_number":"+14155550100"`); n != 2 {
		t.Errorf("the number is in %d of the two answers:\n%s", n, out)
	}
}
