package event

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// rotatedLayout is the time in the name of a rotated file. Names sort as their
// files follow each other.
const rotatedLayout = "20060102T150405.000Z"

// rotate sets the file aside and begins the next.
func (f *File) rotate() error {
	name, err := f.setAside()
	if err != nil {
		return err
	}
	f.previous = Head{File: name, Count: f.head.Count, Chain: f.head.Chain}
	return f.beginInstead()
}

// replace begins a new file where somebody has taken away the one written to.
// What stands in its place is set aside.
func (f *File) replace() error {
	if _, err := f.setAside(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	note, err := f.own(Alert, Failure, reasonReplaced, Attributes{"lines": f.head.Count})
	if err != nil {
		return err
	}
	f.notes = append(f.notes, note)
	f.previous = Head{Count: f.head.Count, Chain: f.head.Chain}
	return f.beginInstead()
}

func (f *File) beginInstead() error {
	err := f.file.Close()
	f.file = nil
	if err != nil {
		return fmt.Errorf("closing a rotated security log: %w", err)
	}
	return f.begin()
}

// begin makes the file, with its header and the notes. It never overwrites
// one. After an error there is none, and the next Write begins it.
func (f *File) begin() error {
	first, err := f.own("", "", "", nil)
	if err != nil {
		return err
	}
	h := header{keyID: f.o.Ring.KeyID(), previous: f.previous}
	unremoved, err := f.prune()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.o.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("beginning a security log: %w", err)
	}
	f.file, f.keyID, f.opened, f.size = file, h.keyID, first.Time, 0
	f.head = Head{File: f.base(), Chain: h.previous.Chain}
	err = f.append("", slices.Concat([]Event{h.event(first)}, f.notes, unremoved)...)
	if err == nil {
		err = syncFolder(filepath.Dir(f.o.Path))
	}
	if err != nil {
		f.file = nil
		return errors.Join(err, file.Close(), os.Remove(f.o.Path))
	}
	f.notes = nil
	return nil
}

// setAside renames the file as a rotated one, after all others.
func (f *File) setAside() (string, error) {
	rotated, err := f.rotated()
	if err != nil {
		return "", err
	}
	at := f.o.Now().UTC().Truncate(time.Millisecond)
	if n := len(rotated); n > 0 && !at.After(rotated[n-1].at) {
		at = rotated[n-1].at.Add(time.Millisecond) // the clock was set back
	}
	stem, ext := f.stem()
	name := stem + at.Format(rotatedLayout) + ext
	if err := os.Rename(f.o.Path, f.beside(name)); err != nil {
		return "", fmt.Errorf("rotating the security log: %w", err)
	}
	return name, nil
}

// prune removes rotated files older than Keep. What cannot be removed is told
// in notes and holds nothing up.
func (f *File) prune() (notes []Event, err error) {
	rotated, err := f.rotated()
	if err != nil {
		return nil, err
	}
	for _, r := range rotated {
		if f.o.Now().Sub(r.at) <= f.o.Keep || os.Remove(f.beside(r.name)) == nil {
			continue
		}
		note, err := f.own(Alert, Failure, reasonKept, Attributes{"file": r.name})
		if err != nil {
			return nil, err
		}
		notes = append(notes, note)
	}
	return notes, nil
}

// inPlace tells whether the open file is still the one at its path.
func (f *File) inPlace() (bool, error) {
	there, err := os.Stat(f.o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the security log: %w", err)
	}
	open, err := f.file.Stat()
	if err != nil {
		return false, fmt.Errorf("looking for the security log: %w", err)
	}
	return os.SameFile(there, open), nil
}

type rotatedFile struct {
	name string
	at   time.Time
}

// rotated lists the rotated files, the oldest first.
func (f *File) rotated() ([]rotatedFile, error) {
	entries, err := os.ReadDir(filepath.Dir(f.o.Path))
	if err != nil {
		return nil, fmt.Errorf("finding the files of the security log: %w", err)
	}
	stem, ext := f.stem()
	var found []rotatedFile
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), stem)
		middle, is := strings.CutSuffix(middle, ext)
		if at, err := time.Parse(rotatedLayout, middle); ok && is && err == nil {
			found = append(found, rotatedFile{name: e.Name(), at: at})
		}
	}
	slices.SortFunc(found, func(a, b rotatedFile) int { return a.at.Compare(b.at) })
	return found, nil
}

// stem is what stands around the time in a rotated file's name.
func (f *File) stem() (stem, ext string) {
	ext = filepath.Ext(f.o.Path)
	return strings.TrimSuffix(f.base(), ext) + "-", ext
}

func (f *File) beside(name string) string {
	return filepath.Join(filepath.Dir(f.o.Path), name)
}

// syncFolder makes what was created, renamed and removed in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the folder of the security log: %w", err)
	}
	if err := folder.Sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing the folder of the security log: %w", err), folder.Close())
	}
	return folder.Close()
}
