package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// faultsPage tells what becomes of the fleet under each fault.
const faultsPage = "../docs/faults.md"

var faultsHead = []string{"fault", "what is done", "acknowledged", "refused", "in doubt", "messages sent twice", "recovered in", "what an operator sees"}

// row is what was found of one fault.
func (s *scene) row(f fault) []string {
	sees := f.sees
	if s.limited != "" {
		sees += " Here " + s.limited + "."
	}
	row := []string{
		"`" + f.name + "`", f.done, fmt.Sprint(s.load.acknowledged.Load()), fmt.Sprint(s.load.refused.Load()), fmt.Sprint(s.load.doubtful.Load()), fmt.Sprint(s.twice),
		fmt.Sprintf("%.2f s", s.recovery.Round(10*time.Millisecond).Seconds()), sees,
	}
	s.t.Log(strings.Join(row[2:7], ", "))
	return row
}

func writeFaults(t *testing.T, rows [][]string) {
	t.Helper()
	before, _, after := faultsTable(t)
	if err := os.WriteFile(faultsPage, []byte(before+"\n"+table(faultsHead, rows)+"\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// faultsTable finds the made part of the page.
func faultsTable(t *testing.T) (before, made, after string) {
	t.Helper()
	const begin, end = "<!-- made: faults -->\n", "<!-- end: faults -->\n"
	page, err := os.ReadFile(faultsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), begin)
	made, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no place for the faults", faultsPage)
	}
	return before + begin, made, end + after
}

// The page has each fault as the test does it, and no other. Numbers are those
// of the machine that made them, and are not compared.
func TestThePageHasEveryFault(t *testing.T) {
	t.Parallel()
	if *update {
		return
	}
	_, made, _ := faultsTable(t)
	rows := strings.Split(strings.TrimSpace(made), "\n")[2:]
	all := faults()
	if len(rows) != len(all) {
		t.Errorf("%s has %d rows for %d faults", faultsPage, len(rows), len(all))
	}
	for i, each := range all[:min(len(all), len(rows))] {
		if begins := fmt.Sprintf("| `%s` | %s | ", each.name, each.done); !strings.HasPrefix(rows[i], begins) || !strings.Contains(rows[i], each.sees) {
			t.Errorf("%s tells of %s otherwise: %s", faultsPage, each.name, rows[i])
		}
	}
}
