package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The reasons of the log's own events.
const (
	reasonTorn     = "torn_line"       // log_recovered
	reasonDamaged  = "log_damaged"     // the file could not be gone on with; it was set aside
	reasonCut      = "log_cut"         // the log lacks the line that the store knew as its last
	reasonReplaced = "log_replaced"    // the file was taken away while it was written to
	reasonKept     = "log_not_removed" // a file older than Keep could not be removed
)

// open finds the log as the last run left it.
func (f *File) open() error {
	if err := os.MkdirAll(filepath.Dir(f.o.Path), 0o700); err != nil {
		return fmt.Errorf("opening the security log: %w", err)
	}
	known, err := f.knows(f.o.Head)
	if err != nil {
		return err
	}
	if !known {
		// A file that begins after this goes on from what the store knew, lest the
		// gap close without a trace.
		f.previous = Head{Count: f.o.Head.Count, Chain: f.o.Head.Chain}
	}
	s, err := scan(f.o.Path, Head{})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = f.beginAfterRotated(known)
	case errors.Is(err, errDamaged):
		err = f.beginAfterDamage(err)
	case err != nil:
	case s.hollow():
		if err = os.Remove(f.o.Path); err == nil {
			err = f.beginAfterRotated(known)
		}
	default:
		err = f.resume(s)
	}
	if err != nil {
		return fmt.Errorf("opening the security log: %w", err)
	}
	if known {
		return nil
	}
	alert, err := f.own(Alert, Failure, reasonCut, Attributes{
		"expected_file": f.o.Head.File, "expected_lines": f.o.Head.Count, "expected_chain": f.o.Head.Chain,
		"lines": f.head.Count,
	})
	if err != nil {
		return err
	}
	return f.append("", alert)
}

// resume goes on with a file, or after it where it is under another key.
func (f *File) resume(s scanned) error {
	file, err := os.OpenFile(f.o.Path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	f.file, f.previous, f.keyID, f.opened = file, s.header.previous, s.header.keyID, s.opened
	f.size, f.head = s.size, Head{File: f.base(), Count: s.lines, Chain: s.chain}
	if err := file.Chmod(0o600); err != nil {
		return err
	}
	if s.broken > 0 {
		if err := f.recover(s); err != nil {
			return err
		}
	}
	if f.keyID != f.o.Ring.KeyID() {
		return f.rotate()
	}
	return nil
}

// recover closes what a crash tore. A line that lacks nothing but its newline
// gets that; anything else stays, and an event tells how long it is.
func (f *File) recover(s scanned) error {
	if _, ok := chainValue(f.o.Ring, f.keyID, "", nil); !ok {
		return nil // nothing can be added without the file's key
	}
	if bare, chain, ok := split(s.torn[bytes.LastIndexByte(s.torn, '\n')+1:]); ok && !s.ended {
		if want, _ := chainValue(f.o.Ring, f.keyID, s.chain, bare); want == chain {
			f.head.Chain = chain
			return f.append("\n")
		}
	}
	hash := sha256.Sum256(s.torn)
	e, err := f.own(LogRecovered, Success, reasonTorn, Attributes{
		"torn_bytes": int64(len(s.torn)), "torn_sha256": hex.EncodeToString(hash[:]),
	})
	if err != nil {
		return err
	}
	newline := "\n"
	if s.ended {
		newline = ""
	}
	return f.append(newline, e)
}

// beginAfterRotated begins a file where none is: at the very first start, or
// after a crash in the middle of a rotation.
func (f *File) beginAfterRotated(known bool) error {
	rotated, err := f.rotated()
	if err != nil {
		return err
	}
	if known && len(rotated) > 0 {
		name := rotated[len(rotated)-1].name
		s, err := scan(f.beside(name), Head{})
		if err != nil && !errors.Is(err, errDamaged) {
			return err
		}
		f.previous = Head{File: name, Count: s.lines, Chain: s.chain}
	}
	return f.begin()
}

// beginAfterDamage sets a file aside that cannot be gone on with.
func (f *File) beginAfterDamage(cause error) error {
	name, err := f.setAside()
	if err != nil {
		return err
	}
	note, err := f.own(Alert, Failure, reasonDamaged, Attributes{"file": name, "cause": cause.Error()})
	if err != nil {
		return err
	}
	f.notes = append(f.notes, note)
	return f.begin()
}

// knows tells whether the line that the head names is in the log: in the file
// written to, or in one before it. A head without a file is no claim.
func (f *File) knows(head Head) (bool, error) {
	if head.File == "" {
		return true, nil
	}
	names := []string{f.base()}
	rotated, err := f.rotated()
	if err != nil {
		return false, err
	}
	for i := len(rotated) - 1; i >= 0; i-- {
		names = append(names, rotated[i].name)
	}
	for _, name := range names {
		s, err := scan(f.beside(name), head)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errDamaged) {
			return false, err
		}
		if s.hasHead {
			return true, nil
		}
	}
	return false, nil
}
