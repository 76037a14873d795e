package dialect

import (
	"net/http"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/core"
)

// Table finds the route of a request. It compares paths as they were sent, so
// that no encoded, doubled or dotted path reaches another route, and never
// redirects (C-67).
type Table struct {
	literal  map[string]*address
	patterns []pattern
}

// address is one path and the routes of its methods.
type address struct {
	methods map[string]*Route
	allow   string // the Allow header
}

// pattern is a path with one {id}.
type pattern struct {
	prefix, suffix string
	*address
}

// NewTable makes a table of routes. Two routes of one method and path are a
// fault of the program: it panics.
func NewTable(routes []Route) *Table {
	t := &Table{literal: map[string]*address{}}
	for i := range routes {
		t.add(&routes[i])
	}
	for _, a := range t.literal {
		a.allow = allowed(a.methods)
	}
	for _, p := range t.patterns {
		p.allow = allowed(p.methods)
	}
	return t
}

func (t *Table) add(route *Route) {
	a := t.addressOf(route.Path)
	if a.methods[route.Method] != nil {
		panic("two routes for " + route.Method + " " + route.Path)
	}
	a.methods[route.Method] = route
	if route.Method == http.MethodGet {
		a.methods[http.MethodHead] = route
	}
}

// addressOf gives the address of a path as a route names it.
func (t *Table) addressOf(path string) *address {
	prefix, suffix, isPattern := strings.Cut(path, "{id}")
	if !isPattern {
		if t.literal[path] == nil {
			t.literal[path] = &address{methods: map[string]*Route{}}
		}
		return t.literal[path]
	}
	for _, p := range t.patterns {
		if p.prefix == prefix && p.suffix == suffix {
			return p.address
		}
	}
	a := &address{methods: map[string]*Route{}}
	t.patterns = append(t.patterns, pattern{prefix, suffix, a})
	return a
}

func allowed(methods map[string]*Route) string {
	names := []string{http.MethodOptions}
	for name := range methods {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// ServeHTTP serves a request by its route: not_found where no path is that
// one, method_not_allowed where no method is.
func (t *Table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, id := t.find(r.URL.EscapedPath())
	if a == nil {
		Fail(w, r, refuse(core.CodeNotFound))
		return
	}
	route := a.methods[r.Method]
	if route == nil {
		w.Header().Set("Allow", a.allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		Fail(w, r, refuse(CodeMethodNotAllowed))
		return
	}
	if route.Name != "" {
		visitOf(r).route = route.Name
	}
	if id != "" {
		r.SetPathValue("id", id)
	}
	route.Serve(w, r)
}

func (t *Table) find(path string) (a *address, id string) {
	if a := t.literal[path]; a != nil {
		return a, ""
	}
	for _, p := range t.patterns {
		id, ok := strings.CutPrefix(path, p.prefix)
		if !ok {
			continue
		}
		if id, ok = strings.CutSuffix(id, p.suffix); ok && id != "" && !strings.Contains(id, "/") {
			return p.address, id
		}
	}
	return nil, ""
}
