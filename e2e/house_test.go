package e2e

import (
	"context"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

// house is a whole server in this process, on free ports, with a clock that the
// test moves.
type house struct {
	*server.Server
	clock    *clock
	dir      string
	public   string // base URL of the public listener
	operator string
}

// startHouse starts a server over a fresh data folder, and stops it in the end.
func startHouse(t *testing.T, settings ...string) *house {
	t.Helper()
	return startHouseIn(t, t.TempDir(), settings...)
}

// startHouseIn starts one over a data folder that may have been used before.
func startHouseIn(t *testing.T, dir string, settings ...string) *house {
	t.Helper()
	env := append([]string{
		"COUNTERSIGN_LISTEN=127.0.0.1:0", "COUNTERSIGN_OPERATOR_LISTEN=127.0.0.1:0", "COUNTERSIGN_DATA_DIR=" + dir,
	}, settings...)
	c, err := config.Load(config.Sources{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{clock: &clock{now: time.Now()}, dir: dir}
	h.Server, err = server.Start(context.Background(), c, server.Options{Now: h.clock.read})
	if err != nil {
		t.Fatal(err)
	}
	h.public, h.operator = "http://"+h.Addr(), "http://"+h.OperatorAddr()
	t.Cleanup(func() {
		if err := h.Stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return h
}

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var lastCode = regexp.MustCompile(`#([0-9]{6,8})$`)

// code waits for the newest message of a challenge and reads its code.
func (h *house) code(t *testing.T, challenge string) string {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		messages, err := inbox(h.public, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.ChallengeID == challenge {
				return lastCode.FindStringSubmatch(m.Body)[1]
			}
		}
		time.Sleep(time.Millisecond) // the outbox works beside the requests
	}
	t.Fatalf("no message of challenge %s arrived", challenge)
	return ""
}
