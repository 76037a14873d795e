package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// file appends messages to a file, or writes them into a named pipe, for tools of
// this machine. It holds codes in the clear: whoever reads it signs in as anybody.
type file struct {
	keyring.Redacted
	options Options
	path    string
	mu      sync.Mutex // one line after the other
}

func fileKind() Kind {
	return Kind{
		Name:     "file",
		Doc:      "A file on this machine: each message is appended to it as a line of JSON. It holds codes in the clear, so that whoever reads it can sign in as anybody: for development and local tools alone, never in production.",
		Channels: []Channel{SMS, WhatsApp, Voice},
		Settings: []Setting{
			{Name: "path", Doc: "the file, made with mode 0600 where it is missing, or a named pipe. It is opened anew for each message, so that it may be moved away", Required: true},
		},
		New: newFile,
	}
}

func newFile(o Options) (Sender, error) {
	f := &file{options: o, path: o.Value("path")}
	opened, err := f.open()
	if err == nil {
		return f, opened.Close()
	}
	if errors.Is(err, syscall.ENXIO) {
		return f, nil // a pipe that nobody reads yet
	}
	return nil, &SettingError{"path", problemOf(err)}
}

// errOpen is a file that others may read.
var errOpen = errors.New("others may read it: it holds codes, so give it the mode 0600")

// open opens the file for one line. A pipe without a reader is ENXIO: it is not
// waited for.
func (f *file) open() (*os.File, error) {
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	about, err := opened.Stat()
	if err == nil && about.Mode().IsRegular() && about.Mode().Perm()&0o077 != 0 {
		err = errOpen
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// problemOf says why a file cannot be written, without its path.
func problemOf(err error) string {
	var in *fs.PathError
	if errors.As(err, &in) {
		err = in.Err
	}
	return "cannot be written: " + err.Error()
}

func (f *file) Name() string     { return f.options.Name }
func (f *file) Kind() string     { return "file" }
func (f *file) Channel() Channel { return f.options.Channel }
func (f *file) Close() error     { return nil }

// Receipts are none: who reads the file has the message.
func (f *file) Receipts(context.Context, Callback) ([]Receipt, error) { return nil, ErrNoReceipts }

// fileLine is a message in the file.
type fileLine struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Channel   Channel   `json:"channel"`
	To        string    `json:"to"`
	Country   string    `json:"country,omitempty"`
	From      string    `json:"from,omitempty"`
	Body      string    `json:"body"`
	Code      string    `json:"code,omitempty"`
	Locale    string    `json:"locale"`
	Purpose   string    `json:"purpose"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Send writes the message in one piece, and for a file waits until it is on the
// disk.
func (f *file) Send(ctx context.Context, m Message) (Sent, error) {
	if err := ctx.Err(); err != nil {
		return Sent{}, &SendError{Class: Retry, Cause: err}
	}
	line, err := json.Marshal(fileLine{
		ID: m.ID, Time: f.options.Now().UTC(), Channel: m.Channel, To: m.To.E164(), Country: m.Country,
		From: f.options.Sender(m.Country), Body: m.Body.Reveal(), Code: m.Code.Reveal(), Locale: m.Locale,
		Purpose: m.Purpose, ExpiresAt: m.ExpiresAt.UTC(),
	})
	if err != nil {
		return Sent{}, &SendError{Class: Failover, Cause: errors.New("the message cannot be written as JSON")}
	}
	if err := f.write(append(line, '\n')); err != nil {
		return Sent{}, err
	}
	return Sent{ProviderRef: m.ID}, nil
}

func (f *file) write(line []byte) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	opened, err := f.open()
	if err != nil {
		return &SendError{Class: Retry, Alarm: !errors.Is(err, syscall.ENXIO), Cause: errors.New(problemOf(err))}
	}
	n, err := opened.Write(line)
	if err == nil {
		err = synced(opened)
	}
	if err = errors.Join(err, opened.Close()); err == nil {
		return nil
	}
	class := Retry
	if n > 0 {
		class = Ambiguous
	}
	return &SendError{Class: class, Alarm: true, Cause: errors.New(problemOf(err))}
}

// synced brings a regular file to the disk; of a pipe there is nothing to bring.
func synced(opened *os.File) error {
	about, err := opened.Stat()
	if err != nil || !about.Mode().IsRegular() {
		return err
	}
	return opened.Sync()
}

// Check tells whether the file can be written.
func (f *file) Check(context.Context) []Finding {
	found := Finding{What: "file", OK: true}
	opened, err := f.open()
	if err == nil {
		err = opened.Close()
	}
	if err != nil {
		found = Finding{What: "file", Problem: fmt.Sprintf("%s %s", filepath.Base(f.path), problemOf(err))}
	}
	return []Finding{found}
}
