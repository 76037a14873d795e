package event

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// errDamaged says that a file cannot be gone on with.
var errDamaged = errors.New("the file is damaged")

// scanned is what a file is found to hold, by its shape alone: its chain is
// for Verify to check.
type scanned struct {
	header  header
	opened  time.Time
	lines   int64  // newlines, and one more for an end without one
	chain   string // of the last whole line that has one
	size    int64
	broken  int    // how many lines follow that one: torn by a crash
	torn    []byte // these, the last newline not counted
	ended   bool   // the file's last byte is a newline
	hasHead bool   // the line that the head names is there
}

// hollow tells of a file that never got its first line.
func (s scanned) hollow() bool { return s.header.keyID == "" }

// scan reads a file through. Errors: os.ErrNotExist, errDamaged, or of reading.
func scan(path string, head Head) (scanned, error) {
	file, err := os.Open(path)
	if err != nil {
		return scanned{}, fmt.Errorf("reading the security log: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	s := scanned{ended: true}
	lines := newLineReader(file)
	for {
		line, ended, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return s, nil
		case errors.Is(err, errLineTooLong):
			return scanned{}, fmt.Errorf("%w: %w", errDamaged, err)
		case err != nil:
			return scanned{}, fmt.Errorf("reading the security log: %w", err)
		}
		if s.lines == 0 && !ended {
			return scanned{}, nil
		}
		if err := s.add(line, ended, head); err != nil {
			return scanned{}, err
		}
	}
}

func (s *scanned) add(line []byte, ended bool, head Head) error {
	if s.lines == 0 {
		h, e, ok := readHeader(line)
		if !ok {
			return fmt.Errorf("%w: it does not begin with a header", errDamaged)
		}
		s.header, s.opened = h, e.Time
	}
	s.lines++
	s.size += int64(len(line))
	if ended {
		s.size++
	}
	_, chain, ok := split(line)
	if ok && s.lines == head.Count && chain == head.Chain {
		s.hasHead = true
	}
	if ok && ended {
		s.chain, s.broken, s.torn = chain, 0, nil
		return nil
	}
	if s.broken > 0 {
		s.torn = append(s.torn, '\n')
	}
	s.broken++
	s.torn = append(s.torn, line...)
	s.ended = ended
	if len(s.torn) > maxLine {
		return fmt.Errorf("%w: no whole line in its last MiB", errDamaged)
	}
	return nil
}
