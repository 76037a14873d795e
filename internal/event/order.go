package event

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// logFile is a file on its way through Verify.
type logFile struct {
	path, name string
	header     header
	opened     time.Time
	lines      int64  // read so far
	chain      string // of the last good line
}

// headers reads what the files say of themselves.
func (v *verifier) headers(paths []string) ([]*logFile, error) {
	var logs []*logFile
	for _, path := range paths {
		line, err := firstLine(path)
		if err != nil {
			return nil, err
		}
		h, e, ok := readHeader(line)
		if !ok {
			v.found(path, 1, "not the beginning of a log: the first line is no log_opened event")
			return nil, nil
		}
		logs = append(logs, &logFile{path: path, name: filepath.Base(path), header: h, opened: e.Time})
	}
	return logs, nil
}

// firstLine is empty where the file is, or its line is too long.
func firstLine(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("verifying the log: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	line, _, err := newLineReader(file).next()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLineTooLong) {
		return nil, fmt.Errorf("verifying the log: %w", err)
	}
	return line, nil
}

// order puts each file after the one that its header names; those whose
// predecessor is not there begin anew, in the order of their time.
func (v *verifier) order(logs []*logFile) []*logFile {
	slices.SortStableFunc(logs, func(a, b *logFile) int { return a.opened.Compare(b.opened) })
	named, after := map[string]bool{}, map[string]*logFile{}
	for _, l := range logs {
		if named[l.name] {
			v.found(l.path, 1, "another file has the same name")
			return nil
		}
		named[l.name] = true
		previous := l.header.previous.File
		if other := after[previous]; other != nil && previous != "" {
			v.found(l.path, 1, "it and %s both say that they follow %s", other.path, previous)
			return nil
		}
		after[previous] = l
	}
	var ordered []*logFile
	for _, l := range logs {
		if named[l.header.previous.File] {
			continue
		}
		for ; l != nil; l = after[l.name] {
			ordered = append(ordered, l)
		}
	}
	if len(ordered) < len(logs) {
		v.found(logs[0].path, 1, "the files' headers name each other in a circle")
		return nil
	}
	return ordered
}

// follow checks that a file begins where the one before it ends.
func (v *verifier) follow(before, l *logFile) {
	p := l.header.previous
	switch {
	case p.File == "":
		v.found(l.path, 1, "does not go on from %s", before.path)
	case p.File != before.name:
		v.found(p.File, 1, "the file is missing: %s goes on from it", l.path)
	case before.lines < p.Count:
		v.found(before.path, before.lines+1, "the end is cut off: the next file knows %d lines", p.Count)
	case before.lines > p.Count:
		v.found(before.path, p.Count+1, "added: the next file knows %d lines", p.Count)
	case before.chain != p.Chain:
		v.found(before.path, p.Count, "not the line that the next file knows as the last")
	}
}
