package event

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// threeFiles is a log of three files, each with its header and three events.
func threeFiles(t testing.TB) *bench {
	b := newBench(t)
	f := b.open()
	for i := range 3 {
		if i > 0 {
			b.now = b.now.Add(DefaultMaxAge)
		}
		b.write(f, 3)
	}
	b.close(f)
	return b
}

func TestC77VerifyFindsWhatWasDone(t *testing.T) {
	for _, c := range []struct {
		name string
		file int
		do   func(lines []string) []string
		line int64  // of the problem
		what string // in its text
	}{
		{"changed", 1, func(l []string) []string {
			l[2] = strings.Replace(l[2], "failure", "success", 1)
			return l
		}, 3, "changed"},
		{"changed, last", 2, func(l []string) []string { l[3] = strings.Replace(l[3], "wrong", "right", 1); return l }, 4, "changed"},
		{"changed chain", 2, func(l []string) []string { l[3] = l[3][:len(l[3])-4] + "A\"}\n"; return l }, 4, "changed"},
		{"changed header", 1, func(l []string) []string { l[0] = strings.Replace(l[0], "2026", "2027", 1); return l }, 1, "changed"},
		{"spaces added", 1, func(l []string) []string { l[1] = strings.Replace(l[1], ",", ", ", 1); return l }, 2, "changed"},
		{"removed", 1, func(l []string) []string { return append(l[:1], l[2:]...) }, 2, "taken out"},
		{"swapped", 1, func(l []string) []string { l[1], l[2] = l[2], l[1]; return l }, 2, "moved"},
		{"inserted", 1, func(l []string) []string { return append(l[:2], `{"event":"x"}`+"\n", l[2], l[3]) }, 3, "inserted"},
		{"repeated", 1, func(l []string) []string { return append(l[:2:2], l[1], l[2], l[3]) }, 3, "inserted"},
		{"blank", 1, func(l []string) []string { return append(l[:2:2], "\n", l[2], l[3]) }, 3, "inserted"},
		{"cut, last", 2, func(l []string) []string { return l[:3] }, 4, "cut off: the store knew 4"},
		{"cut, all but the header", 2, func(l []string) []string { return l[:1] }, 2, "cut off"},
		{"cut, middle", 1, func(l []string) []string { return l[:2] }, 3, "cut off: the next file knows 4"},
		{"added, last", 2, func(l []string) []string { return append(l, l[3]) }, 5, "inserted"},
		{"added, middle", 1, func(l []string) []string { return append(l, l[3]) }, 5, "inserted"},
		{"torn", 2, func(l []string) []string { l[3] = l[3][:20]; return l }, 4, "torn"},
		{"newline gone", 2, func(l []string) []string { l[3] = strings.TrimSuffix(l[3], "\n"); return l }, 4, "torn"},
		{"first line gone", 0, func(l []string) []string { return l[1:] }, 1, "not the beginning"},
		{"emptied", 2, func([]string) []string { return nil }, 1, "not the beginning"},
		{"too long", 1, func(l []string) []string { return append(l[:2:2], strings.Repeat("x", maxLine+2)+"\n", l[2]) }, 3, "longer than 1 MiB"},
		{"much garbage", 1, func(l []string) []string {
			return append(l[:2:2], strings.Repeat(strings.Repeat("x", maxLine/2)+"\n", 5), l[2])
		}, 3, "changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := threeFiles(t)
			path := b.files()[c.file]
			b.overwrite(path, strings.Join(c.do(strings.SplitAfter(strings.TrimSuffix(b.read(path), "\n")+"\n", "\n")[:4]), ""))
			p := b.verify().Problem
			if p == nil {
				t.Fatal("not found")
			}
			if p.File != path || p.Line != c.line || !strings.Contains(p.What, c.what) {
				t.Errorf("found %+v", *p)
			}
		})
	}
}

func TestC77VerifyFindsMissingFiles(t *testing.T) {
	b := threeFiles(t)
	files := b.files()
	check := func(keep []string, file string, what string) {
		t.Helper()
		report, err := Verify(keep, b.ring, b.head)
		switch {
		case err != nil:
			t.Error(err)
		case what == "" && report.Problem != nil:
			t.Errorf("found %+v", *report.Problem)
		case what != "" && (report.Problem == nil || report.Problem.File != file || !strings.Contains(report.Problem.What, what)):
			t.Errorf("found %+v", report.Problem)
		}
	}
	check([]string{files[2], files[0], files[1]}, "", "") // any order
	check(files[1:], "", "")                              // the oldest was removed with age
	check([]string{files[0], files[2]}, filepath.Base(files[1]), "missing")
	check(files[:2], "security.log", "missing")
	check(nil, "security.log", "missing")

	copied := filepath.Join(b.dir, "copy.log")
	b.overwrite(copied, b.read(files[1]))
	check(append(files, copied), copied, "both say that they follow")
	check([]string{files[0], copied, files[2]}, filepath.Base(files[1]), "missing")
	check(append(files, files[1]), files[1], "same name")
	if _, err := Verify([]string{filepath.Join(b.dir, "none")}, b.ring, b.head); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A file of another log under the same key, of the same name and length.
func TestC77VerifyWithAnotherLogsFile(t *testing.T) {
	for i := range 3 {
		b, other := threeFiles(t), newBench(t)
		other.made = 100
		f := other.open()
		other.write(f, 3)
		for range 2 {
			other.now = other.now.Add(DefaultMaxAge)
			other.write(f, 3)
		}
		path := b.files()[i]
		b.overwrite(path, other.read(other.files()[i]))
		p := b.verify().Problem
		if p == nil || !strings.Contains(p.What, "not the line that") {
			t.Errorf("file %d: found %+v", i, p)
		}
	}
}

func TestC77HeadOfAnEarlierLineOrFileIsFine(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 2)
	known := b.head
	b.write(f, 2) // not settled
	b.now = b.now.Add(DefaultMaxAge)
	b.write(f, 2) // nor this
	b.head = known
	b.whole(8)
	b.close(f)
	f = b.open()
	b.whole(8) // and no alert
	b.close(f)
	b.head.Chain = strings.Repeat("A", chainSize)
	if p := b.verify().Problem; p == nil || p.Line != 3 || !strings.Contains(p.What, "not the line") {
		t.Errorf("found %+v", p)
	}
}

func TestRepeatedEventsAreNoProblem(t *testing.T) {
	b := newBench(t)
	f := b.open()
	same := b.events(2)
	for range 2 {
		var err error
		if b.head, err = f.Write(t.Context(), same); err != nil {
			t.Fatal(err)
		}
	}
	b.whole(5)
}

func FuzzVerify(f *testing.F) {
	b := newBench(f)
	log := b.open()
	b.write(log, 3)
	b.close(log)
	original := b.read(b.path())
	lines := strings.SplitAfter(original, "\n")
	f.Add([]byte(original))
	f.Add([]byte(original + lines[3]))
	f.Add([]byte(original[:len(original)-1]))
	f.Add([]byte(lines[0] + lines[2] + lines[1] + lines[3]))
	f.Add([]byte(strings.Replace(original, "failure", "success", 1)))
	f.Add([]byte(strings.Replace(original, `{"id"`, `{,"id"`, 1)))
	path := filepath.Join(f.TempDir(), "security.log")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := Verify([]string{path}, b.ring, b.head)
		if err != nil {
			t.Fatal(err)
		}
		if whole := report.Problem == nil; whole != (string(content) == original) {
			t.Fatalf("report %+v of\n%s", report, content)
		}
	})
}
