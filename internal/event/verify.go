package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/countersign/countersign/internal/keyring"
)

// Report is what Verify found.
type Report struct {
	Lines   int64    // lines that are as they were written
	Problem *Problem // the first; nil: there is none
}

// Problem is a place where a log is not as it was written.
type Problem struct {
	File string // the path, or of a missing file its name
	Line int64  // the first bad line, from 1
	What string
}

// Verify checks that files are the log as it was written: no line or file
// changed, inserted, moved or taken out, and, where a head is given (the store
// keeps it apart), none cut off its end. The oldest files may be missing, for
// these are removed with age; an event may stand there twice. A line torn by a
// crash is good when the next one is a log_recovered event that tells its size
// and hash. What the server itself found cut off, and told of in an alert, is
// a problem.
//
// Files may come in any order. They are read once, in memory bounded by 1 MiB
// a line. An error means that a file could not be read.
func Verify(files []string, ring *keyring.Ring, head Head) (Report, error) {
	v := &verifier{ring: ring, anchor: head, anchored: head.File == ""}
	logs, err := v.headers(files)
	if err != nil {
		return Report{}, err
	}
	if v.problem == nil {
		logs = v.order(logs)
	}
	for i, l := range logs {
		if v.problem != nil {
			break
		}
		if i > 0 {
			v.follow(logs[i-1], l)
		}
		if v.problem == nil {
			if err := v.file(l); err != nil {
				return Report{}, err
			}
		}
	}
	if v.problem == nil && !v.anchored {
		v.cut(logs)
	}
	return Report{Lines: v.lines, Problem: v.problem}, nil
}

type verifier struct {
	ring     *keyring.Ring
	anchor   Head
	anchored bool // the anchor's line was seen
	lines    int64
	problem  *Problem
}

func (v *verifier) found(file string, line int64, format string, a ...any) {
	if v.problem == nil {
		v.problem = &Problem{File: file, Line: line, What: fmt.Sprintf(format, a...)}
	}
}

// file checks one file's lines.
func (v *verifier) file(l *logFile) error {
	if _, ok := chainValue(v.ring, l.header.keyID, "", nil); !ok {
		v.found(l.path, 1, "written under key %q, which is none of the keys given", l.header.keyID)
		return nil
	}
	file, err := os.Open(l.path)
	if err != nil {
		return fmt.Errorf("verifying the log: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	l.chain = l.header.previous.Chain
	var torn torn
	for lines := newLineReader(file); v.problem == nil; {
		line, ended, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		l.lines++
		if errors.Is(err, errLineTooLong) {
			v.found(l.path, l.lines, "longer than 1 MiB")
			return nil
		}
		if err != nil {
			return fmt.Errorf("verifying the log: %w", err)
		}
		v.line(l, line, ended, &torn)
	}
	if torn.first > 0 {
		v.found(l.path, torn.first, "%s", torn.what())
	}
	return nil
}

// line checks one line against the chain so far.
func (v *verifier) line(l *logFile, line []byte, ended bool, torn *torn) {
	bare, chain, ok := split(line)
	if ok && ended {
		want, _ := chainValue(v.ring, l.header.keyID, l.chain, bare)
		ok = want == chain
	}
	if !ok || !ended {
		torn.add(l.lines, line, ended)
		if torn.size > maxLine {
			v.found(l.path, torn.first, "%s", torn.what())
		}
		return
	}
	if torn.first > 0 && !torn.recovered(bare) {
		v.found(l.path, torn.first, "%s", torn.what())
		return
	}
	v.lines += torn.count + 1
	*torn = torn.none()
	l.chain = chain
	if l.lines == v.anchor.Count && chain == v.anchor.Chain {
		v.anchored = true
	}
	if bytes.Contains(bare, []byte(reasonCut)) || bytes.Contains(bare, []byte(reasonReplaced)) {
		v.told(l, bare)
	}
}

// told takes the server's own word that something was missing here.
func (v *verifier) told(l *logFile, bare []byte) {
	e, err := Decode(bare)
	if err != nil || e.Name != Alert {
		return
	}
	switch e.Reason {
	case reasonCut:
		v.found(l.path, l.lines, "here the server found lines missing: it knew %v lines of %v", e.Attributes["expected_lines"], e.Attributes["expected_file"])
	case reasonReplaced:
		v.found(l.path, l.lines, "here the server found its file taken away, after %v lines", e.Attributes["lines"])
	}
}

// cut says where the anchor's line is missing.
func (v *verifier) cut(logs []*logFile) {
	for _, l := range logs {
		if l.name != v.anchor.File {
			continue
		}
		if l.lines < v.anchor.Count {
			v.found(l.path, l.lines+1, "the end is cut off: the store knew %d lines", v.anchor.Count)
		} else {
			v.found(l.path, v.anchor.Count, "not the line that the store knew as the last")
		}
		return
	}
	v.found(v.anchor.File, v.anchor.Count, "the file is missing, of which the store knew %d lines", v.anchor.Count)
}

// torn gathers lines that do not fit the chain: a crash may have left them.
type torn struct {
	first, count int64
	size         int
	bytes        []byte
	unended      bool
}

func (t *torn) add(line int64, b []byte, ended bool) {
	if t.first == 0 {
		t.first = line
	} else {
		t.bytes = append(t.bytes, '\n')
	}
	t.count++
	t.bytes = append(t.bytes, b...)
	t.size = len(t.bytes)
	t.unended = !ended
}

// none forgets, and keeps the memory.
func (t *torn) none() torn { return torn{bytes: t.bytes[:0]} }

// recovered tells whether a line is the event that accounts for these.
func (t *torn) recovered(bare []byte) bool {
	e, err := Decode(bare)
	if err != nil || e.Name != LogRecovered {
		return false
	}
	hash := sha256.Sum256(t.bytes)
	return e.Attributes["torn_bytes"] == int64(t.size) && e.Attributes["torn_sha256"] == hex.EncodeToString(hash[:])
}

func (t *torn) what() string {
	if t.count == 1 && t.unended {
		return "the line is torn, and no event tells of a recovery"
	}
	return "does not follow from the line before: it was changed, inserted or moved, or a line before it was taken out"
}
