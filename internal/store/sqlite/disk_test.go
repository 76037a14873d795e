package sqlite

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/countersign/countersign/internal/core"
)

// disk is the machine's disk, until a test breaks it.
type disk struct {
	vfs.VFSFilename
	writing, syncing atomic.Pointer[error]
}

// newDisk gives SQLite a disk under a name of its own.
func newDisk(t *testing.T) (*disk, Options) {
	d := &disk{VFSFilename: vfs.Find("").(vfs.VFSFilename)}
	vfs.Register(t.Name(), d)
	t.Cleanup(func() { vfs.Unregister(t.Name()) })
	return d, Options{vfs: t.Name()}
}

func (d *disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, flags, err := d.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return diskFile{File: file, disk: d}, flags, nil
}

// diskFile is a file on it. Its shared memory is the real one.
type diskFile struct {
	vfs.File
	disk *disk
}

func (f diskFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func (f diskFile) WriteAt(b []byte, at int64) (int, error) {
	if broken := f.disk.writing.Load(); broken != nil {
		return 0, *broken
	}
	return f.File.WriteAt(b, at)
}

func (f diskFile) Sync(flags vfs.SyncFlag) error {
	if broken := f.disk.syncing.Load(); broken != nil {
		return *broken
	}
	return f.File.Sync(flags)
}

// A full disk and a broken one: an error, nothing half done, and the engine
// works again once the disk does.
func TestBrokenDisk(t *testing.T) {
	for name, broken := range map[string]struct {
		err       error
		sync      bool // fails at the sync, not at the write
		uncertain bool
	}{
		"full":           {err: sqlite3.FULL},
		"read-only":      {err: sqlite3.READONLY},
		"failing writes": {err: sqlite3.IOERR_WRITE, uncertain: true},
		"failing fsyncs": {err: sqlite3.IOERR_FSYNC, sync: true, uncertain: true},
		"no such device": {err: errors.New("input/output error"), uncertain: true},
	} {
		t.Run(name, func(t *testing.T) {
			d, o := newDisk(t)
			s := open(t, o)
			m := &maker{prefix: "disk"}
			account(t, s, m, "before")
			before := everything(t, s)

			place := &d.writing
			if broken.sync {
				place = &d.syncing
			}
			place.Store(&broken.err)
			_, err := s.OpenChallenge(t.Context(), m.opening(m.challenge(core.PurposeSignup, "during")))
			if err == nil || errors.Is(err, core.ErrUncertain) != broken.uncertain {
				t.Errorf("on a broken disk: %v", err)
			}
			if diff := cmp.Diff(before, everything(t, s)); diff != "" {
				t.Errorf("it left (-before +after):\n%s", diff)
			}
			if err := s.Ping(t.Context()); err == nil {
				t.Error("Ping does not tell of it")
			}
			if _, err := s.Keys(t.Context()); err != nil {
				t.Errorf("reading on a disk that takes no writes: %v", err)
			}

			place.Store(nil)
			account(t, s, m, "after")
		})
	}
}

// A database that may not grow is a full disk that SQLite sees itself.
func TestFullDatabase(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "full"}
	first := account(t, s, m, "before")
	limit := func(pages string) {
		if _, err := write(t.Context(), s, "limiting", func(tx *tx) bool { return tx.exists("PRAGMA max_page_count = " + pages) }); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // as many as there are
	var err error
	for range 1000 {
		if _, err = s.OpenChallenge(t.Context(), m.opening(m.challenge(core.PurposeSignup, m.id()))); err != nil {
			break
		}
	}
	if !errors.Is(err, sqlite3.FULL) {
		t.Fatalf("filling it up: %v", err)
	}
	if got, err := s.RotateSession(t.Context(), rotation(first.Session)); err != nil || got.Outcome != core.Done {
		t.Errorf("what needs no room: %q, %v", got.Outcome, err)
	}
	limit("1000000")
	account(t, s, m, "after")
}
