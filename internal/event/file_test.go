package event

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestC77ChainGoesOnOverRestartAndRotation(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 2)
	b.close(f)
	b.whole(3)

	b.now = b.now.Add(time.Hour)
	f = b.open()
	b.write(f, 1)
	b.whole(4)
	b.now = b.now.Add(DefaultMaxAge)
	b.write(f, 1)
	b.write(f, 1)
	b.close(f)
	b.whole(7)
	if got, want := b.names(), "log_opened 1 2 3 log_opened 4 5"; got != want {
		t.Errorf("the log holds %s, want %s", got, want)
	}
	if want := (Head{File: "security.log", Count: 3, Chain: b.head.Chain}); b.head != want {
		t.Errorf("the head is %+v, want %+v", b.head, want)
	}
	if files := b.files(); len(files) != 2 || filepath.Base(files[0]) != "security-20261125T082031.123Z.log" {
		t.Errorf("the files are %v", files)
	}
	f = b.open()
	b.write(f, 1)
	b.whole(8)
}

func TestC77FilesAreForTheirOwnerAlone(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	b.close(f)
	if err := os.Chmod(b.path(), 0o644); err != nil {
		t.Fatal(err)
	}
	o := b.options()
	o.MaxBytes = 1
	f = b.openWith(o)
	b.write(f, 1)
	for _, path := range b.files() {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	if len(b.files()) != 2 {
		t.Errorf("files: %v", b.files())
	}
}

func TestC77LineIsTheEventWithItsChain(t *testing.T) {
	b := newBench(t)
	f := b.open()
	e := lines()["failed_login"]
	if _, err := f.Write(t.Context(), []Event{e, {}}); err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSuffix(b.read(b.path()), "\n"), "\n")
	bare, chain, ok := split([]byte(all[1]))
	if !ok || string(bare) != string(Encode(e)) {
		t.Errorf("the line is %s", all[1])
	}
	if want := strings.TrimSuffix(string(Encode(e)), "}") + `,"chain":"` + chain + `"}`; all[1] != want {
		t.Errorf("the line is %s, want %s", all[1], want)
	}
	if bare, _, ok := split([]byte(all[2])); !ok || string(bare) != "{}" {
		t.Errorf("the empty event's line is %s", all[2])
	}
	b.whole(3)
}

func TestC78RotatesBySize(t *testing.T) {
	b := newBench(t)
	o := b.options()
	o.MaxBytes = 2000
	f := b.openWith(o)
	for range 40 {
		b.write(f, 1)
	}
	files := b.files()
	if len(files) < 4 {
		t.Fatalf("files: %v", files)
	}
	for _, path := range files {
		if size := len(b.read(path)); size > 2300 {
			t.Errorf("%s has %d bytes", path, size)
		}
	}
	b.whole(40 + int64(len(files)))
}

func TestC78RemovesOldFilesAndNeverOverwrites(t *testing.T) {
	b := newBench(t)
	f := b.open()
	for range 100 {
		b.write(f, 1)
		b.now = b.now.Add(DefaultMaxAge)
	}
	b.write(f, 1)
	if n := len(b.files()); n != 92 { // those up to exactly 90 days, and the one written to
		t.Errorf("%d files are kept", n)
	}
	b.whole(2 * 92)

	b.now = b.now.AddDate(0, 0, -30) // the clock is set back
	o := b.options()
	o.MaxBytes = 1
	b.close(f)
	f = b.openWith(o)
	before := len(b.files())
	b.write(f, 1)
	b.write(f, 1)
	if n := len(b.files()); n != before+2 {
		t.Errorf("%d files, want %d", n, before+2)
	}
	b.whole(2*92 + 4)
}

func TestC78OldFileThatCannotGoHoldsNothingUp(t *testing.T) {
	b := newBench(t)
	stuck := filepath.Join(b.dir, "security-20200101T000000.000Z.log")
	f := b.open()
	b.write(f, 1)
	if err := os.MkdirAll(filepath.Join(stuck, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(DefaultMaxAge)
	b.write(f, 1)
	if err := os.RemoveAll(stuck); err != nil {
		t.Fatal(err)
	}
	if got, want := b.names(), "log_opened 1 log_opened log_not_removed 2"; got != want {
		t.Errorf("the log holds %s, want %s", got, want)
	}
	b.whole(5)
}

func TestC77NewMasterKeyBeginsANewFile(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 2)
	b.close(f)
	b.now = b.now.Add(time.Minute)
	b.ring = ringOf(t, 2, 1)
	f = b.open()
	b.write(f, 1)
	b.close(f)
	b.whole(5)
	if len(b.files()) != 2 {
		t.Errorf("files: %v", b.files())
	}
	b.ring = ringOf(t, 2)
	if p := b.verify().Problem; p == nil || p.Line != 1 || p.File != b.files()[0] || !strings.Contains(p.What, "none of the keys") {
		t.Errorf("without the old key: %+v", p)
	}
}

func TestLineTooLongForTheLogIsCut(t *testing.T) {
	b := newBench(t)
	f := b.open()
	e := b.events(1)[0]
	e.Reason = strings.Repeat("x", maxLine)
	var err error
	if b.head, err = f.Write(t.Context(), []Event{e}); err != nil {
		t.Fatal(err)
	}
	b.write(f, 1)
	b.whole(3)
	if !strings.Contains(b.read(b.path()), `"cut_bytes":1048`) {
		t.Error("the cut is not told")
	}
}

func TestFileAfterClose(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	b.close(f)
	b.close(f)
	if _, err := f.Write(t.Context(), b.events(1)); err == nil {
		t.Error("a closed file was written to")
	}
	if f.Name() != "file" {
		t.Error(f.Name())
	}
}
