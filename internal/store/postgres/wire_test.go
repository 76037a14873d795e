package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// wire counts the trips over a store's connections: each time that something is
// sent after something was received. It can be cut, and made to refuse.
type wire struct {
	dials atomic.Int64
	trips atomic.Int64
	cut   atomic.Bool  // what is sent arrives, and no answer comes back
	loses atomic.Int64 // the answer of which trip from now on is lost; 0: none

	refuse  atomic.Pointer[refusal]
	refused atomic.Int64
}

// refusal has the server fail what is sent, for its own reason.
type refusal struct {
	code  string        // SQLSTATE
	times *atomic.Int64 // how often yet
	only  string        // what is sent has it in it, in any case
}

// refuses has the next so many batches refused that have a word in them.
func (w *wire) refuses(code string, times int64, only string) {
	left := &atomic.Int64{}
	left.Store(times)
	w.refused.Store(0)
	w.refuse.Store(&refusal{code: code, times: left, only: only})
}

// instead gives what is sent to the server in place of a batch; nil: the batch.
func (w *wire) instead(batch []byte) []byte {
	r := w.refuse.Load()
	if r == nil || !bytes.Contains(bytes.ToLower(batch), []byte(r.only)) || r.times.Add(-1) < 0 {
		return nil
	}
	w.refused.Add(1)
	query := "DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '" + r.code + "'; END $$\x00"
	return append(binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(query)+4)), query...)
}

func (w *wire) tap(config *pgxpool.Config) {
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		w.dials.Add(1)
		conn, err := dial(ctx, network, address)
		return &tapped{Conn: conn, wire: w}, err
	}
}

type tapped struct {
	net.Conn
	wire    *wire
	sending bool
	batch   []byte // what was sent of one that may be refused
}

func (c *tapped) Write(b []byte) (int, error) {
	if !c.sending {
		c.sending = true
		c.wire.trips.Add(1)
	}
	if begins := len(c.batch) == 0 && b[0] == 0; begins || c.wire.refuse.Load() == nil {
		return c.Conn.Write(b)
	}
	c.batch = append(c.batch, b...)
	if !bytes.HasSuffix(c.batch, []byte("S\x00\x00\x00\x04")) && c.batch[0] != 'Q' {
		return len(b), nil // its end (Sync) is to come
	}
	batch := c.batch
	if instead := c.wire.instead(batch); instead != nil {
		batch = instead
	}
	c.batch = nil
	_, err := c.Conn.Write(batch)
	return len(b), err
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if lost := c.sending && c.wire.loses.Load() > 0 && c.wire.loses.Add(-1) == 0; lost || c.wire.cut.Load() {
		return 0, net.ErrClosed // once the server has answered: it has done it
	}
	c.sending = false
	return n, err
}

// tappedStore opens a store with one connection, which nobody else uses.
func tappedStore(t *testing.T, w *wire) *Store {
	t.Helper()
	s := open(t, Options{Conns: 1, configure: w.tap})
	s.hints.close() // else they share it
	return s
}

// How often each operation goes to the server and back is kept in
// testdata/roundtrips.txt; UPDATE_GOLDEN=1 writes it anew.
func TestRoundTrips(t *testing.T) {
	w := &wire{}
	s := tappedStore(t, w)
	for _, prefix := range []string{"warm", "counted"} { // at first, statements are prepared
		m := &maker{prefix: prefix}
		prepared := operations(t, s, m)
		more := hot(t, s, m)
		var lines []string
		for _, name := range append(slices.Sorted(maps.Keys(more)), inOrder(prepared)...) {
			operation := prepared[name]
			if operation == nil {
				operation = more[name]
			}
			before := w.trips.Load()
			if err := operation(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines = append(lines, fmt.Sprintf("%-28s %d\n", name, w.trips.Load()-before))
		}
		slices.Sort(lines)
		if prefix == "counted" {
			golden(t, "roundtrips.txt", strings.Join(lines, ""))
		}
	}
}

// hot are the operations that a server is asked for all day, and the reads.
func hot(t *testing.T, s *Store, m *maker) map[string]func() error {
	ctx := context.Background()
	of, traveller := account(t, s, m, m.id()), account(t, s, m, m.id())
	c := begun(t, s, m, core.PurposeLogin, of, of.User.Phone.Key)
	watching := core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: noon, FromNow: true}
	limited := core.PasswordLimits{Free: 3, FirstDelay: time.Second, MaxDelay: time.Minute, Close: 100}
	finding := func(q core.MessageQuery) func() error {
		return func() error {
			q.Limit = 50
			_, err := s.FindMessages(ctx, q)
			return err
		}
	}
	return map[string]func() error{
		"RotateSession": func() error {
			got, err := s.RotateSession(ctx, rotation(of.Session))
			if got.Outcome != core.Done {
				t.Errorf("rotating: %q", got.Outcome)
			}
			return err
		},
		"RotateSession, moved": func() error {
			in := rotation(traveller.Session)
			in.Network, in.UserAgent, in.OnMoved = "198.51.100.0/24", "another", m.event(event.RefreshFromNewNetwork)
			got, err := s.RotateSession(ctx, in)
			if got.Outcome != core.Done {
				t.Errorf("rotating: %q", got.Outcome)
			}
			return err
		},
		"TryPassword, known": func() error {
			got, err := s.TryPassword(ctx, core.TryPassword{PhoneKey: of.User.Phone.Key, DeviceID: of.Session.DeviceID, Limits: limited, Now: noon})
			if got.Outcome != core.Done || !got.KnownDevice {
				t.Errorf("trying: %+v", got.Outcome)
			}
			return err
		},
		"Session":        func() error { _, _, err := s.Session(ctx, of.Session.ID); return err },
		"Sessions":       func() error { _, err := s.Sessions(ctx, of.User.ID, noon); return err },
		"User":           func() error { _, err := s.User(ctx, of.User.ID); return err },
		"Challenge":      func() error { _, err := s.Challenge(ctx, c.ID); return err },
		"Begun":          func() error { _, err := s.Begun(ctx, []byte("key")); return unlessMissing(err) },
		"Number":         func() error { _, err := s.Number(ctx, of.User.Phone.Key, of.Session.DeviceID); return err },
		"UserEvents":     func() error { _, err := s.UserEvents(ctx, of.User.ID, core.Page{Limit: 10}); return err },
		"UserEvents, on": func() error { _, err := s.UserEvents(ctx, of.User.ID, core.Page{Before: "id", Limit: 10}); return err },
		"Messages":       func() error { _, err := s.Messages(ctx, of.User.Phone.Key, 10); return err },
		"Routes": func() error {
			_, err := s.Routes(ctx, core.RouteQuery{Since: filledAt.Add(-time.Hour), Until: noon, Most: 10_000})
			return err
		},
		"FindMessages":             finding(core.MessageQuery{}),
		"FindMessages, by request": finding(core.MessageQuery{RequestID: "request"}),
		"FindMessages, by user":    finding(core.MessageQuery{UserID: of.User.ID}),
		"FindMessages, by number":  finding(core.MessageQuery{PhoneKey: of.User.Phone.Key, Since: noon, Until: noon}),
		"FindMessages, failed":     finding(core.MessageQuery{State: core.MessageFailed, Before: "z"}),
		"FindMessages, queued":     finding(core.MessageQuery{State: core.MessageQueued}),
		"FindMessages, sent":       finding(core.MessageQuery{State: core.MessageSent}),
		"PasswordHistory":          func() error { _, err := s.PasswordHistory(ctx, of.User.ID); return err },
		"Keys":                     func() error { _, err := s.Keys(ctx); return err },
		"APIKeys":                  func() error { _, err := s.APIKeys(ctx); return err },
		"Spending":                 func() error { _, err := s.Spending(ctx, noon); return err },
		"Queues":                   func() error { _, err := s.Queues(ctx, noon); return err },
		"Stats": func() error {
			_, err := s.Stats(ctx, core.StatsQuery{Since: noon, Until: noon.Add(time.Hour), By: time.Minute})
			return err
		},
		"Stats, summed": func() error {
			_, err := s.Stats(ctx, core.StatsQuery{Since: noon, Until: noon.Add(time.Hour)})
			return err
		},
		"ClaimEvents, watching": func() error { _, err := s.ClaimEvents(ctx, m.id(), watching); return err },
		"Ping":                  func() error { return s.Ping(ctx) },
	}
}

func unlessMissing(err error) error {
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	return err
}

// golden holds text against a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
