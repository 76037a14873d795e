package event

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// bench is a log in a folder of its own, under a clock moved by hand.
type bench struct {
	t    testing.TB
	dir  string
	now  time.Time
	ring *keyring.Ring
	rand *rand.ChaCha8
	head Head
	made int
}

func newBench(t testing.TB) *bench {
	return &bench{
		t: t, dir: t.TempDir(), now: time.Date(2026, 11, 24, 7, 20, 31, 123e6, time.UTC),
		ring: ringOf(t, 1), rand: rand.NewChaCha8([32]byte{1}),
	}
}

// ringOf makes a ring of masters told apart by a number.
func ringOf(t testing.TB, masters ...byte) *keyring.Ring {
	t.Helper()
	var list []string
	for _, m := range masters {
		list = append(list, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{m}, 32)))
	}
	parsed, err := keyring.ParseMasters(strings.Join(list, ","))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func (b *bench) path() string { return filepath.Join(b.dir, "security.log") }

func (b *bench) options() FileOptions {
	return FileOptions{Path: b.path(), Ring: b.ring, Head: b.head, Now: func() time.Time { return b.now }, Rand: b.rand}
}

func (b *bench) open() *File { return b.openWith(b.options()) }

func (b *bench) openWith(o FileOptions) *File {
	b.t.Helper()
	f, err := OpenFile(o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = f.Close() })
	return f
}

// events makes n events that differ.
func (b *bench) events(n int) []Event {
	var all []Event
	for range n {
		b.made++
		all = append(all, Event{ID: fmt.Sprint("event-", b.made), Time: b.now, Name: FailedLogin, Outcome: Failure, Reason: "wrong_password"})
	}
	return all
}

// write writes n events and keeps the head, as the store would.
func (b *bench) write(f *File, n int) {
	b.t.Helper()
	head, err := f.Write(b.t.Context(), b.events(n))
	if err != nil {
		b.t.Fatal(err)
	}
	b.head = head
}

func (b *bench) close(f *File) {
	b.t.Helper()
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

// files are the log's, the oldest first, the one written to last.
func (b *bench) files() []string {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "security-*.log")) // sorted
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := os.Stat(b.path()); err == nil {
		files = append(files, b.path())
	}
	return files
}

func (b *bench) verify() Report {
	b.t.Helper()
	report, err := Verify(b.files(), b.ring, b.head)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// whole fails the test unless the log verifies, with so many lines.
func (b *bench) whole(lines int64) {
	b.t.Helper()
	report := b.verify()
	if report.Problem != nil {
		b.t.Fatalf("the log has a problem: %+v", *report.Problem)
	}
	if report.Lines != lines {
		b.t.Fatalf("the log has %d lines, want %d", report.Lines, lines)
	}
}

func (b *bench) read(path string) string {
	b.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(content)
}

func (b *bench) overwrite(path, content string) {
	b.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// names are the names and reasons of the events in the log, in order.
func (b *bench) names() string {
	b.t.Helper()
	var names []string
	for _, path := range b.files() {
		for line := range strings.Lines(b.read(path)) {
			e, err := Decode([]byte(line))
			switch {
			case err != nil:
				names = append(names, "?")
			case e.Name == Alert:
				names = append(names, e.Reason)
			case e.Name == FailedLogin:
				names = append(names, strings.TrimPrefix(e.ID, "event-"))
			default:
				names = append(names, string(e.Name))
			}
		}
	}
	return strings.Join(names, " ")
}
