package outbox_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/outbox"
)

var update = flag.Bool("update", false, "write the made parts of docs/delivery.md anew: it takes half an hour")

const deliveryPage = "../../docs/delivery.md"

// providersTable is what the page tells of the providers.
func providersTable() string {
	var b strings.Builder
	b.WriteString("| provider | price | how it does |\n| --- | --- | --- |\n")
	for _, s := range scripts() {
		fmt.Fprintf(&b, "| %s | %.3f | %s |\n", s.name, float64(s.price)/1e6, s.told)
	}
	return b.String()
}

const resultsHead = "| routing | people | within 10 s | within 60 s | entered | cost per person | messages | offers | same code twice | lost | after their end |\n" +
	"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"

func (r result) row(name string) string {
	return fmt.Sprintf("| %s | %d | %.2f %% | %.2f %% | %.2f %% | %.4f | %d | %d | %d | %d | %d |\n",
		name, r.people, r.in10*100, r.in60*100, r.entered*100, r.cost/1000, r.messages, r.offers, r.twice, r.lost, r.late)
}

// The page tells of the providers as they are played; -update plays the whole day
// anew.
func TestDeliveryPage(t *testing.T) {
	if *update {
		writePart(t, "providers", providersTable())
		const many, long = 100_000, 4 * time.Hour
		days := resultsHead + simulate(t, many, long, outbox.Learn, cheapestFirst()).row("learn") +
			simulate(t, many, long, outbox.Fixed, bestFixed).row("fixed: "+strings.Join(bestFixed, ", ")) +
			simulate(t, many, long, outbox.Fixed, cheapestFirst()).row("fixed: "+strings.Join(cheapestFirst(), ", "))
		writePart(t, "days", days)
		writePart(t, "orders", everyOrder(t))
		return
	}
	_, made, _ := part(t, "providers")
	if made != providersTable() {
		t.Errorf("%s tells of other providers:\n%s", deliveryPage, made)
	}
}

// everyOrder plays a smaller day in each order of the first two.
func everyOrder(t *testing.T) string {
	const few, long = 3000, 4 * time.Hour
	rows := resultsHead
	for _, first := range cheapestFirst() {
		for _, second := range cheapestFirst() {
			if first == second {
				continue
			}
			order := []string{first, second}
			for _, other := range cheapestFirst() {
				if other != first && other != second {
					order = append(order, other)
				}
			}
			rows += simulate(t, few, long, outbox.Fixed, order).row(strings.Join(order, ", "))
		}
	}
	return rows
}

func part(t *testing.T, name string) (before, made, after string) {
	t.Helper()
	begin, end := "<!-- made: "+name+" -->\n", "<!-- end: "+name+" -->\n"
	page, err := os.ReadFile(deliveryPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), begin)
	made, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no place for %s", deliveryPage, name)
	}
	return before + begin, made, end + after
}

func writePart(t *testing.T, name, made string) {
	t.Helper()
	before, _, after := part(t, name)
	if err := os.WriteFile(deliveryPage, []byte(before+made+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
