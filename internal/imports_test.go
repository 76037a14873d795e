package internal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/countersign/countersign/"

// longest is how many lines a file may have.
const longest = 500

// floor is a storey of the house: its rooms, and which rooms they may see. A
// room is a folder; the packages inside it belong to it.
type floor struct {
	rooms  []string
	may    []string // rooms of other floors, and of the same one
	parent bool     // and the package of the folder that holds it
}

// tools are the rooms of the lowest floor.
var tools = []string{
	"internal/token", "internal/event", "internal/phone", "internal/password", "internal/limit",
	"internal/gateway", "internal/captcha", "internal/locale", "internal/keyring", "internal/config",
}

// house is the table of floors, from the street up. What is not in it may not
// stand, and what it does not allow may not be imported (test files aside).
var house = []floor{
	{rooms: tools, may: []string{"internal/keyring", "internal/phone"}, parent: true},
	{rooms: []string{"internal/core"}, may: without(tools, "internal/gateway", "internal/config")},
	{
		rooms: []string{
			"internal/dialect", "internal/dialect/native", "internal/dialect/oauth", "internal/dialect/supabase",
			"internal/dialect/admin", "internal/dialect/pages", "internal/dialect/receipts",
			"internal/store", "internal/store/sqlite", "internal/store/postgres", "internal/store/storetest", "internal/outbox",
		},
		may: append([]string{"internal/core"}, tools...), parent: true,
	},
	{
		rooms: []string{"internal/server"},
		may:   append([]string{"internal/core", "internal/dialect", "internal/store", "internal/outbox"}, tools...),
	},
	{rooms: []string{"cmd/countersign"}, may: []string{"internal/server", "internal/config"}},
	{rooms: []string{"e2e", "sdk/go"}},
}

func TestEveryArrowPointsDown(t *testing.T) {
	for _, p := range packages(t) {
		f, room := floorOf(p.name)
		if f == nil {
			t.Errorf("%s has no floor: give it one in HOUSE and in this table", p.name)
			continue
		}
		for _, to := range p.imports {
			if !f.allows(room, to) {
				t.Errorf("%s imports %s: this arrow does not point down", p.name, to)
			}
		}
	}
}

// allows tells whether a room of the floor may import a package.
func (f *floor) allows(room, to string) bool {
	if _, other := floorOf(to); other == room || f.parent && to == filepath.Dir(room) {
		return true
	}
	return slices.ContainsFunc(f.may, func(r string) bool { return within(to, r) })
}

func TestTheTableForbids(t *testing.T) {
	for _, arrow := range []struct {
		from, to string
		fine     bool
	}{
		{"internal/core", "internal/store/sqlite", false},
		{"internal/core", "internal/gateway", false},
		{"internal/core", "internal/config", false},
		{"internal/core", "internal/token", true},
		{"internal/token", "internal/core", false},
		{"internal/token", "internal/event", false},
		{"internal/event", "internal/keyring", true},
		{"internal/dialect/native", "internal/dialect", true},
		{"internal/dialect/native", "internal/dialect/oauth", false},
		{"internal/dialect", "internal/dialect/native", false},
		{"internal/dialect/native", "internal/store/sqlite", false},
		{"internal/dialect/native", "internal/outbox", false},
		{"internal/store/sqlite", "internal/store/storetest", false},
		{"internal/store/sqlite", "internal/dialect", false},
		{"internal/outbox", "internal/core", true},
		{"internal/outbox", "internal/server", false},
		{"internal/server", "internal/dialect/pages", true},
		{"cmd/countersign", "internal/core", false},
		{"sdk/go", "internal/phone", false},
	} {
		f, room := floorOf(arrow.from)
		if f == nil || f.allows(room, arrow.to) != arrow.fine {
			t.Errorf("%s imports %s: want allowed=%v", arrow.from, arrow.to, arrow.fine)
		}
	}
}

func TestEveryRoomTellsWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.name, "sdk/") || len(p.files) == 0 {
			continue
		}
		doc, err := os.ReadFile(filepath.Join(p.dir, "doc.go"))
		if err != nil {
			t.Errorf("%s has no doc.go", p.name)
			continue
		}
		if !bytes.HasPrefix(doc, []byte("// Package ")) && !bytes.HasPrefix(doc, []byte("// Command ")) {
			t.Errorf("%s/doc.go does not begin with what the package is", p.name)
		}
	}
}

func TestNoFileIsTooLong(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if n := bytes.Count(text, []byte("\n")); n > longest {
			t.Errorf("%s has %d lines, more than %d", path, n, longest)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pkg is a package of the module, by its path inside the module.
type pkg struct {
	name, dir string
	files     []string
	imports   []string // of this module
}

func packages(t *testing.T) []pkg {
	t.Helper()
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir  string
			GoFiles, Imports []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "internal" {
			continue // this test alone
		}
		own := pkg{name: name, dir: p.Dir, files: p.GoFiles}
		for _, i := range p.Imports {
			if to, ok := strings.CutPrefix(i, module); ok {
				own.imports = append(own.imports, to)
			}
		}
		all = append(all, own)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// floorOf finds the room that a package belongs to, the innermost one, and its
// floor.
func floorOf(name string) (found *floor, room string) {
	for i := range house {
		for _, r := range house[i].rooms {
			if within(name, r) && len(r) > len(room) {
				found, room = &house[i], r
			}
		}
	}
	return found, room
}

func within(name, room string) bool {
	return name == room || strings.HasPrefix(name, room+"/")
}

func without(all []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}
