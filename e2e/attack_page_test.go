package e2e

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
)

var update = flag.Bool("update", false, "write the made parts of docs/limits.md and docs/scale.md anew")

// page is docs/limits.md, parts of which tests make.
const page = "../docs/limits.md"

var pageLock sync.Mutex

// onPage wants a part of docs/limits.md to say what a test found; -update writes it.
func onPage(t *testing.T, part, text string) {
	t.Helper()
	onPageOf(t, page, part, text)
}

// onPageOf is the same for any page.
func onPageOf(t *testing.T, page, part, text string) {
	t.Helper()
	pageLock.Lock()
	defer pageLock.Unlock()
	whole, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(whole), "<!-- made: "+part+" -->\n")
	stands, after, ends := strings.Cut(rest, "<!-- end: "+part+" -->\n")
	if !begins || !ends {
		t.Fatalf("%s has no place for %q", page, part)
	}
	text = "\n" + text + "\n"
	if *update {
		made := before + "<!-- made: " + part + " -->\n" + text + "<!-- end: " + part + " -->\n" + after
		if err := os.WriteFile(page, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(stands, "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("%s says otherwise, -update writes it anew (-page +found):\n%s", page, diff)
	}
}

// whole tells whether all rows were made: -run may pick some.
func whole(rows [][]string) bool {
	return !slices.ContainsFunc(rows, func(row []string) bool { return row == nil })
}

// table is one in Markdown.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = "---"
	}
	line(rule)
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// thousands writes 43200 as 43,200.
func thousands(n int) string {
	plain := fmt.Sprint(n)
	for i := len(plain) - 3; i > 0; i -= 3 {
		plain = plain[:i] + "," + plain[i:]
	}
	return plain
}

// The page lists every limit as it comes.
func TestThePageListsEveryLimit(t *testing.T) {
	t.Parallel()
	var rows [][]string
	for _, row := range core.LimitTable() {
		where := "memory"
		if row.Store {
			where = "database"
		}
		rows = append(rows, []string{"`" + row.Name + "`", thousands(row.N) + " in " + span(row.Window), row.Who, row.Doc, where})
	}
	onPage(t, "limits", table([]string{"name", "at most", "of each", "what", "counted in"}, rows))
}

func span(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprint(int(d/(24*time.Hour))*24, " h")
	case d%time.Hour == 0:
		return fmt.Sprint(int(d/time.Hour), " h")
	case d%time.Minute == 0:
		return fmt.Sprint(int(d/time.Minute), " min")
	}
	return fmt.Sprint(int(d/time.Second), " s")
}
