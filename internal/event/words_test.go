package event

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestEveryNameIsInTheClosedSet(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "types.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	listed := len(names)
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			name, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			listed--
			if !names[Name(name)] {
				t.Errorf("%s is in types.go and not in names (words.go)", name)
			}
		}
		return true
	})
	if listed != 0 {
		t.Errorf("names (words.go) has %d that types.go has not", listed)
	}
}

// The words that the sources give as reasons, limits and methods are
// all in the closed sets: else operators would see them as "other".
func TestEveryWordOfTheHouseIsInAClosedSet(t *testing.T) {
	found := wordsOf(t, "core", "outbox", "server", "store/sqlite", "dialect", "dialect/*", "gateway")
	for kind, allowed := range map[string]func(string) bool{
		"reason": func(w string) bool { return reasonWords[w] || limitWords[w] || alertWords[w] },
		"limit":  func(w string) bool { return limitWords[w] },
		"method": func(w string) bool { return methodWords[w] },
	} {
		for word, where := range found[kind] {
			if !allowed(word) {
				t.Errorf("%s gives the %s %q: add it to words.go", where, kind, word)
			}
		}
	}
	for kind, fewest := range map[string]int{"reason": 30, "limit": 15, "method": 3} {
		if len(found[kind]) < fewest {
			t.Errorf("only %d words of kind %s were found: the search has gone blind: %v", len(found[kind]), kind, found[kind])
		}
	}
}

var wordShape = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// words are what a search has found: by kind, each with where.
type words map[string]map[string]string

func (w words) add(kind string, e ast.Expr, where string) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	word, err := strconv.Unquote(lit.Value)
	if err != nil || !wordShape.MatchString(word) {
		return
	}
	if w[kind] == nil {
		w[kind] = map[string]string{}
	}
	w[kind][word] = where
}

// wordsOf searches the rooms for words that become labels.
func wordsOf(t *testing.T, rooms ...string) words {
	t.Helper()
	found := words{}
	for _, room := range rooms {
		paths, err := filepath.Glob(filepath.Join("..", room, "*.go"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no sources: %v", room, err)
		}
		var files []*ast.File
		var where []string
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files, where = append(files, file), append(where, path)
		}
		takes := reasonParameters(files)
		for i, file := range files {
			ast.Inspect(file, func(n ast.Node) bool { found.look(n, takes, where[i]); return true })
		}
	}
	return found
}

// reasonParameters tells at which place functions take a reason.
func reasonParameters(files []*ast.File) map[string]int {
	takes := map[string]int{}
	for _, file := range files {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := 0
			for _, field := range f.Type.Params.List {
				for _, name := range field.Names {
					if name.Name == "reason" {
						takes[f.Name.Name] = at
					}
					at++
				}
			}
		}
	}
	return takes
}

// look adds the words that a piece of source gives.
func (w words) look(n ast.Node, takes map[string]int, where string) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if field, ok := left.(*ast.SelectorExpr); ok && len(n.Lhs) == len(n.Rhs) {
				w.add(kindOf(field.Sel.Name), n.Rhs[i], where)
			}
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok {
			w.add(kindOf(key.Name), n.Value, where)
		}
	case *ast.ValueSpec:
		w.lookAtConst(n, where)
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.SelectorExpr:
			name = f.Sel.Name
		case *ast.Ident:
			name = f.Name
		}
		if at, ok := takes[name]; ok && at < len(n.Args) {
			w.add("reason", n.Args[at], where)
		}
	case *ast.FuncDecl:
		w.lookAtResult(n, where)
	}
}

func kindOf(field string) string {
	switch field {
	case "Reason", "EndReason":
		return "reason"
	case "Method":
		return "method"
	}
	return "unused"
}

// lookAtConst finds constants that are words by their name or type: an Outcome
// of the store may be the reason of code_refused.
func (w words) lookAtConst(n *ast.ValueSpec, where string) {
	typ, _ := n.Type.(*ast.Ident)
	for i, name := range n.Names {
		if i >= len(n.Values) {
			return
		}
		lower := strings.ToLower(name.Name)
		switch {
		case typ != nil && typ.Name == "SendLimit", strings.HasPrefix(name.Name, "limit"):
			w.add("limit", n.Values[i], where)
		case typ != nil && typ.Name == "Channel", strings.HasPrefix(lower, "method"):
			w.add("method", n.Values[i], where)
		case strings.HasPrefix(lower, "reason"):
			w.add("reason", n.Values[i], where)
		case typ != nil && typ.Name == "Outcome" && refusesCodes[name.Name]:
			w.add("reason", n.Values[i], where)
		}
	}
}

// refusesCodes are the outcomes of the store that core gives as reasons.
var refusesCodes = map[string]bool{"Expired": true, "Spent": true, "Locked": true, "Disabled": true, "Taken": true}

// lookAtResult finds what functions give that say why.
func (w words) lookAtResult(f *ast.FuncDecl, where string) {
	if f.Name.Name != "endedBy" && f.Name.Name != "reasonOf" {
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) > 0 {
			w.add("reason", r.Results[0], where)
		}
		return true
	})
}
