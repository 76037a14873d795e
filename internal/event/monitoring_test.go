package event

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func monitoring(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// gaugeNames reads gauges.go: what the server registers.
func gaugeNames(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "gauges.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			name, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name)
		}
		return true
	})
	return all
}

// families are the metrics that a whole server has, with the names that a scrape
// shows of them.
func families(t *testing.T) map[string][]string {
	t.Helper()
	m := NewMetrics(MetricsOptions{Version: "1.2.3"})
	for name := range names {
		write(t, m, Event{Name: name, Outcome: Success, Method: "sms", Attributes: Attributes{"state": "delivered", "took_ms": int64(1)}})
	}
	m.ObserveHTTP("", 200, time.Second)
	for _, name := range gaugeNames(t) {
		m.Gauge(name, name, nil, func() float64 { return 0 })
	}
	gathered, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, f := range gathered {
		all[f.GetName()] = []string{f.GetName()}
		if f.GetMetric()[0].GetHistogram() != nil {
			all[f.GetName()] = []string{f.GetName() + "_bucket", f.GetName() + "_sum", f.GetName() + "_count"}
		}
	}
	return all
}

var metricName = regexp.MustCompile(`\b(?:countersign|go|process)_[a-z0-9_]+`)

// named are the metrics that the expressions name.
func named(expressions []string) map[string]bool {
	all := map[string]bool{}
	for _, e := range expressions {
		for _, name := range metricName.FindAllString(e, -1) {
			all[name] = true
		}
	}
	return all
}

// panel is one of the dashboard.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr string }
}

func dashboard(t *testing.T) (panels []panel, expressions []string) {
	t.Helper()
	var d struct {
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []panel
	}
	if err := json.Unmarshal(monitoring(t, "dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	if first := d.Templating.List[0]; first.Name != "datasource" || first.Type != "datasource" {
		t.Errorf("its first variable is %+v", first)
	}
	for _, v := range d.Templating.List {
		expressions = append(expressions, v.Definition)
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return d.Panels, expressions
}

func TestDashboardShowsEveryMetric(t *testing.T) {
	there := families(t)
	_, expressions := dashboard(t)
	shown := named(expressions)
	for family, parts := range there {
		ours := strings.HasPrefix(family, "countersign_")
		if ours && !slices.ContainsFunc(parts, func(part string) bool { return shown[part] }) {
			t.Errorf("%s is on no panel of the dashboard", family)
		}
	}
	check(t, "dashboard.json", shown, there, 25)
}

// check fails for each name that no scrape shows, and where too few are named
// for the search to have found them.
func check(t *testing.T, file string, shown map[string]bool, there map[string][]string, fewest int) {
	t.Helper()
	real := map[string]bool{}
	for _, parts := range there {
		for _, part := range parts {
			real[part] = true
		}
	}
	for name := range shown {
		if !real[name] {
			t.Errorf("%s names %s, which there is not", file, name)
		}
	}
	if len(shown) < fewest {
		t.Errorf("%s names only %v", file, slices.Collect(maps.Keys(shown)))
	}
}

func TestDashboardPanelsDoNotOverlap(t *testing.T) {
	panels, _ := dashboard(t)
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("a panel is ill-formed: %+v", p)
		}
		if ids[p.ID] = true; p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}

func TestPrometheusRulesNameWhatIsThere(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Record, Expr string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(monitoring(t, "alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	readme := string(monitoring(t, "README.md"))
	var expressions []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			expressions = append(expressions, r.Expr)
			if r.Alert == "" {
				continue
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s lacks its severity or summary", r.Alert)
			}
			if !strings.Contains(readme, "`"+r.Alert+"`") {
				t.Errorf("the README does not tell of %s", r.Alert)
			}
		}
	}
	check(t, "alerts.yml", named(expressions), families(t), 10)
}

// The README's table has the alerts with their defaults.
func TestMonitoringReadmeTellsOfEveryAlert(t *testing.T) {
	readme := string(monitoring(t, "README.md"))
	for _, row := range AlertTable() {
		window := fmt.Sprint(row.Window.Minutes(), "m")
		if row.Window == time.Hour {
			window = "1h"
		}
		if line := fmt.Sprintf("| `%s` | %d/%s | ", row.Name, row.N, window); !strings.Contains(readme, line) {
			t.Errorf("the README has no line %q", line)
		}
	}
	check(t, "README.md", named([]string{readme}), families(t), 3)
}
