package event

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// The defaults of FileOptions (C-78).
const (
	DefaultMaxBytes = 100 << 20
	DefaultMaxAge   = 24 * time.Hour
	DefaultKeep     = 90 * 24 * time.Hour
)

// FileOptions say where the log is kept and how long.
type FileOptions struct {
	Path string // the file written to; rotated ones stand beside it, as name-<UTC time>.ext
	Ring *keyring.Ring
	Head Head // as the store kept it; zero where it has none

	MaxBytes int64         // a file of this size is rotated; 0: DefaultMaxBytes
	MaxAge   time.Duration // a file of this age is rotated at its next line; 0: DefaultMaxAge
	Keep     time.Duration // rotated files go when they are older; 0: DefaultKeep

	Now  func() time.Time
	Rand io.Reader
}

// File is the chained log: the sink "file". Each line ends with a keyed hash of
// itself and of the line before, over all rotations and restarts, so that
// Verify finds what was changed or taken away (C-77).
//
// One writer at a time; Close may come at any moment.
type File struct {
	o      FileOptions
	mu     sync.Mutex
	closed bool

	file     diskFile // nil after a rotation whose new file could not be made
	previous Head     // the end of the file before this one
	notes    []Event  // what the next file has to tell after its header
	keyID    string
	opened   time.Time
	size     int64   // of what is good
	dirty    bool    // more than that may stand in the file
	head     Head    // the end of what is good
	told     []Event // what the log told of itself, for Told
}

// diskFile is what File needs of an open file.
type diskFile interface {
	io.WriterAt
	io.Closer
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

// OpenFile goes on with the log at o.Path or begins it. A line that a crash
// tore is closed, and told of by a log_recovered event. Where the log is not
// what o.Head says of it, it goes on, after an alert event that tells so.
func OpenFile(o FileOptions) (*File, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	f := &File{o: o}
	if err := f.open(); err != nil {
		if f.file != nil {
			err = errors.Join(err, f.file.Close())
		}
		return nil, err
	}
	return f, nil
}

// Name is "file".
func (f *File) Name() string { return "file" }

// Write appends the events, each as a line, and returns once they are on the
// disk. After an error nothing of the batch stays: what a full disk took of it
// is cut off, at once or by the next Write.
func (f *File) Write(ctx context.Context, events []Event) (Head, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return Head{}, errors.New("writing the security log: it is closed")
	}
	if err := ctx.Err(); err != nil {
		return Head{}, fmt.Errorf("writing the security log: %w", err)
	}
	if err := f.makeReady(); err != nil {
		return Head{}, err
	}
	if len(events) == 0 {
		return f.head, nil
	}
	if err := f.append("", events...); err != nil {
		return Head{}, err
	}
	return f.head, nil
}

// Close ends the sink. What was written is on the disk already.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.file == nil {
		f.closed = true
		return nil
	}
	f.closed = true
	if f.dirty {
		if err := f.repair(); err != nil {
			return errors.Join(err, f.file.Close())
		}
	}
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("closing the security log: %w", err)
	}
	return nil
}

// Told gives what the log has told of itself in itself since the last call:
// log_recovered and alert events, the newest 64. They went to no other sink.
func (f *File) Told() []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	told := f.told
	f.told = nil
	return told
}

// maxTold bounds what waits for Told.
const maxTold = 64

// makeReady sees to a file that is whole, in its place, and not due for rotation.
func (f *File) makeReady() error {
	if f.file == nil {
		return f.begin()
	}
	if f.dirty {
		if err := f.repair(); err != nil {
			return err
		}
	}
	there, err := f.inPlace()
	if err != nil {
		return err
	}
	if !there {
		return f.replace()
	}
	age := f.o.Now().Sub(f.opened)
	if f.size >= f.o.MaxBytes || age >= f.o.MaxAge {
		return f.rotate()
	}
	return nil
}

// append writes prefix and the events' lines with one write and one fsync.
func (f *File) append(prefix string, events ...Event) error {
	const usualLine = 640
	head, buf := f.head, make([]byte, 0, len(prefix)+usualLine*len(events))
	buf = append(buf, prefix...)
	for _, e := range events {
		line, chain, err := f.seal(e, head.Chain)
		if err != nil {
			return err
		}
		buf = append(append(buf, line...), '\n')
		head.Chain = chain
		head.Count++
	}
	f.dirty = true
	_, err := f.file.WriteAt(buf, f.size)
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		// Best done at once, lest a crash leave half a batch. If it fails too, the
		// next Write repairs.
		_ = f.repair()
		return fmt.Errorf("writing the security log: %w", err)
	}
	f.dirty = false
	f.size += int64(len(buf))
	f.head = head
	return nil
}

// seal makes an event's line. One too long for the log loses what is long in
// it, lest it hold up all that come after.
func (f *File) seal(e Event, before string) (line []byte, chain string, err error) {
	bare := Encode(e)
	if len(bare) > maxLine-chainSize-len(`,"chain":""`) {
		bare = Encode(Event{ID: e.ID, Time: e.Time, Name: e.Name, Outcome: e.Outcome, UserID: e.UserID,
			Attributes: Attributes{"cut_bytes": int64(len(bare))}})
	}
	chain, ok := chainValue(f.o.Ring, f.keyID, before, bare)
	if !ok {
		return nil, "", errors.New("writing the security log: its key is not in the ring")
	}
	return join(bare, chain), chain, nil
}

// repair cuts the file back to what is good.
func (f *File) repair() error {
	if err := f.file.Truncate(f.size); err != nil {
		return fmt.Errorf("repairing the security log: %w", err)
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("repairing the security log: %w", err)
	}
	f.dirty = false
	return nil
}

// own makes an event of the log's own.
func (f *File) own(name Name, outcome Outcome, reason string, a Attributes) (Event, error) {
	now := f.o.Now()
	id, err := keyring.NewID(now, f.o.Rand)
	if err != nil {
		return Event{}, fmt.Errorf("making an event of the security log: %w", err)
	}
	e := Event{ID: id, Time: now, Name: name, Outcome: outcome, Reason: reason, Attributes: a}
	if name == Alert || name == LogRecovered {
		f.told = append(f.told, e)
		f.told = f.told[max(0, len(f.told)-maxTold):]
	}
	return e, nil
}

func (f *File) base() string { return filepath.Base(f.o.Path) }
