package event

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// A crash may leave any part of what was being written.
func TestC77CrashAtAnyByteIsRecovered(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	known := b.head
	settled := len(b.read(b.path()))
	b.write(f, 2)
	b.close(f)
	content := b.read(b.path())
	for _, size := range places(settled, len(content)) {
		b.overwrite(b.path(), content[:size])
		b.head = known
		f := b.open()
		b.write(f, 1)
		b.close(f)
		if p := b.verify().Problem; p != nil {
			t.Fatalf("after a crash at byte %d of %d: %+v\n%s", size, len(content), *p, b.read(b.path()))
		}
		middle := content[size-1] != '\n' && (size == len(content) || content[size] != '\n')
		if got := strings.Contains(b.names(), "log_recovered"); got != middle {
			t.Fatalf("after a crash at byte %d: the log holds %s", size, b.names())
		}
	}
}

// places are those where something changes, and a few between.
func places(from, to int) []int {
	var all []int
	for i := from; i <= to; i++ {
		if i < from+4 || i > to-4 || i%17 == 0 {
			all = append(all, i)
		}
	}
	return all
}

// And a crash while recovering leaves a torn line after a torn line.
func TestC77CrashWhileRecovering(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	b.close(f)
	torn := b.read(b.path()) + `{"id":"half`
	b.overwrite(b.path(), torn)
	b.close(b.open())
	recovered := b.read(b.path())
	for _, size := range places(len(torn), len(recovered)) {
		b.overwrite(b.path(), recovered[:size])
		b.close(b.open())
		if p := b.verify().Problem; p != nil {
			t.Fatalf("after a crash at byte %d: %+v\n%s", size-len(torn), *p, b.read(b.path()))
		}
	}
	b.whole(4)
	changed := strings.Replace(recovered, "half", "hulf", 1)
	b.overwrite(b.path(), changed)
	if p := b.verify().Problem; p == nil || p.Line != 3 {
		t.Errorf("a torn line was changed: %+v", p)
	}
}

func TestC77CrashBeforeTheHeader(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	b.now = b.now.Add(DefaultMaxAge)
	b.write(f, 1)
	b.close(f)
	header, _, _ := strings.Cut(b.read(b.path()), "\n")
	b.head = Head{File: "security.log", Count: 2} // of the file before
	_, b.head.Chain, _ = split([]byte(lastLine(b.read(b.files()[0]))))
	for _, left := range []string{header, header[:30], ""} {
		b.overwrite(b.path(), left)
		b.close(b.open())
		b.whole(3)
	}
	if err := os.Remove(b.path()); err != nil {
		t.Fatal(err)
	}
	b.close(b.open())
	b.whole(3)
}

func lastLine(content string) string {
	content = strings.TrimSuffix(content, "\n")
	return content[strings.LastIndex(content, "\n")+1:]
}

func TestC77CutTailIsToldAtTheNextStart(t *testing.T) {
	b := threeFiles(t)
	lines := strings.SplitAfter(b.read(b.path()), "\n")
	b.overwrite(b.path(), strings.Join(lines[:3], ""))
	f := b.open()
	b.write(f, 1)
	b.close(f)
	if got, want := b.names(), "log_opened 1 2 3 log_opened 4 5 6 log_opened 7 8 log_cut 10"; got != want {
		t.Errorf("the log holds %s, want %s", got, want)
	}
	if !strings.Contains(b.read(b.path()), `"expected_lines":4,"lines":3`) {
		t.Errorf("the alert is not clear:\n%s", b.read(b.path()))
	}
	if p := b.verify().Problem; p == nil || p.Line != 4 || !strings.Contains(p.What, "knew 4 lines of security.log") {
		t.Errorf("found %+v", p)
	}
}

func TestC77RemovedFileIsToldAtTheNextStart(t *testing.T) {
	b := threeFiles(t)
	if err := os.Remove(b.path()); err != nil {
		t.Fatal(err)
	}
	f := b.open()
	b.write(f, 1)
	if got, want := b.names(), "log_opened 1 2 3 log_opened 4 5 6 log_opened log_cut 10"; got != want {
		t.Errorf("the log holds %s, want %s", got, want)
	}
	if p := b.verify().Problem; p == nil || p.File != b.path() || !strings.Contains(p.What, "does not go on") {
		t.Errorf("found %+v", p)
	}
}

func TestC77DamagedFileIsSetAside(t *testing.T) {
	for _, content := range []string{"garbage\n", strings.Repeat("x", maxLine+5) + "\n"} {
		b := threeFiles(t)
		b.overwrite(b.path(), content)
		b.now = b.now.Add(time.Minute)
		f := b.open()
		b.write(f, 1)
		if got, want := b.names(), "log_opened 1 2 3 log_opened 4 5 6 ? log_opened log_damaged log_cut 10"; got != want {
			t.Errorf("the log holds %s, want %s", got, want)
		}
		if b.verify().Problem == nil {
			t.Error("not found")
		}
	}
}

func TestC77FileTakenAwayWhileOpen(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	if err := os.Remove(b.path()); err != nil {
		t.Fatal(err)
	}
	b.write(f, 1)
	if got, want := b.names(), "log_opened log_replaced 2"; got != want {
		t.Errorf("the log holds %s, want %s", got, want)
	}
	if err := os.Rename(b.path(), b.path()+".moved"); err != nil {
		t.Fatal(err)
	}
	b.overwrite(b.path(), "another's\n")
	b.write(f, 1)
	if got, want := b.names(), "? log_opened log_replaced 3"; got != want {
		t.Errorf("the log holds %s, want %s", got, want)
	}
	if b.verify().Problem == nil {
		t.Error("not found")
	}
}

// failing is an open file on a disk that fills up or fails.
type failing struct {
	diskFile
	room            int // bytes that still fit
	noSync, noCut   bool
	syncs, repaired int
}

var errFull = errors.New("no space left on device")

func (f *failing) WriteAt(b []byte, at int64) (int, error) {
	if len(b) > f.room {
		n, _ := f.diskFile.WriteAt(b[:f.room], at)
		f.room -= n
		return n, errFull
	}
	f.room -= len(b)
	return f.diskFile.WriteAt(b, at)
}

func (f *failing) Sync() error {
	f.syncs++
	if f.noSync {
		return errFull
	}
	return f.diskFile.Sync()
}

func (f *failing) Truncate(size int64) error {
	if f.noCut {
		return errFull
	}
	f.repaired++
	return f.diskFile.Truncate(size)
}

func TestC78FullDiskLeavesNothingHalf(t *testing.T) {
	for _, room := range places(0, 400) {
		b := newBench(t)
		f := b.open()
		b.write(f, 1)
		before := b.read(b.path())
		bad := &failing{diskFile: f.file, room: room, noCut: room%2 == 0}
		f.file = bad
		if _, err := f.Write(t.Context(), b.events(3)); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d: %v", room, err)
		}
		if left := b.read(b.path()); bad.noCut != (left != before) && room > 0 {
			t.Fatalf("with room for %d the file grew by %d bytes", room, len(left)-len(before))
		}
		if bad.noCut {
			if _, err := f.Write(t.Context(), b.events(3)); !errors.Is(err, errFull) {
				t.Fatalf("written to without repair: %v", err)
			}
		}
		bad.noCut, bad.room = false, 1<<20
		b.write(f, 1)
		b.whole(3)
	}
}

func TestC78FailedSyncIsAFailedWrite(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	bad := &failing{diskFile: f.file, room: 1 << 20, noSync: true}
	f.file = bad
	if _, err := f.Write(t.Context(), b.events(2)); !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	if err := f.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: %v", err)
	}
	bad.noSync = false
	f = b.open()
	b.write(f, 1)
	b.whole(3)
}

func TestC78RotationOnAFullDiskGoesOnLater(t *testing.T) {
	b := newBench(t)
	f := b.open()
	b.write(f, 1)
	b.now = b.now.Add(DefaultMaxAge)
	b.rand = nil // no id for the header
	f.o.Rand = strings.NewReader("")
	for range 2 {
		if _, err := f.Write(t.Context(), b.events(1)); err == nil {
			t.Fatal("written without a header")
		}
	}
	if files := b.files(); len(files) != 1 || files[0] == b.path() {
		t.Fatalf("files: %v", files)
	}
	f.o.Rand = newBench(t).rand
	b.write(f, 1)
	b.whole(4)
}
