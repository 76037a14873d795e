package e2e

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

const goodPassword = "violet kettle under a bridge"

// house is a whole server in this process, on free ports, with a clock that the
// test moves.
type house struct {
	*server.Server
	*client
	clock    *clock
	public   string // base URL of the public listener
	operator string
}

// startHouse starts a server over a fresh data folder, and stops it in the end.
func startHouse(t testing.TB, settings ...string) *house {
	t.Helper()
	return startHouseIn(t, t.TempDir(), io.Discard, settings...)
}

// startHouseIn starts one over a data folder that may have been used before,
// with its process log written to log.
func startHouseIn(t testing.TB, dir string, log io.Writer, settings ...string) *house {
	t.Helper()
	env := append(wide(), append([]string{
		"COUNTERSIGN_LISTEN=127.0.0.1:0", "COUNTERSIGN_OPERATOR_LISTEN=127.0.0.1:0", "COUNTERSIGN_DATA_DIR=" + dir,
	}, settings...)...)
	c, err := config.Load(config.Sources{Env: env, Limits: server.LimitTable(), Alerts: server.AlertTable(), Providers: server.ProviderTable()})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{clock: &clock{now: time.Now()}}
	h.Server, err = server.Start(context.Background(), c, server.Options{Now: h.clock.read, Log: server.NewLog(log, "text")})
	if err != nil {
		t.Fatal(err)
	}
	h.public, h.operator = "http://"+h.Addr(), "http://"+h.OperatorAddr()
	h.client = newClient(h.public)
	t.Cleanup(func() {
		h.close()
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

// patience is how long a test waits for what happens beside its requests.
const patience = 20 * time.Second

// eventually polls until done answers true; the outbox and starting servers work
// beside the test.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	if !within(done) {
		t.Fatalf("never seen: %s", what)
	}
}

// within polls until done answers true, and tells whether it did.
func within(done func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

// The last line of a message has its code alone.
var lastCode = regexp.MustCompile(`#([0-9]{6,8})$`)

// code waits for the message of a challenge and reads its code.
func (h *house) code(t testing.TB, challenge string) string {
	t.Helper()
	var code string
	eventually(t, "the message of challenge "+challenge, func() bool {
		messages, err := h.inbox("")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.ChallengeID == challenge {
				code = lastCode.FindStringSubmatch(m.Body)[1]
				return true
			}
		}
		return false
	})
	return code
}

// told waits until the newest message to a number has the purpose given.
func (h *house) told(t testing.TB, number, purpose string) {
	t.Helper()
	eventually(t, "a message "+purpose+" to "+number, func() bool {
		messages, err := h.inbox(number)
		if err != nil {
			t.Fatal(err)
		}
		return len(messages) > 0 && messages[0].Purpose == purpose
	})
}

// signUp makes an account and gives the TokenSet; password "" leaves it without.
func (h *house) signUp(t testing.TB, number, password string) answer {
	t.Helper()
	body := members{"phone_number": number}
	if password != "" {
		body["password"] = password
	}
	begun := h.must(t, http.StatusAccepted, http.MethodPost, "/v1/signup", ask{body: body})
	challenge := begun.text("challenge_id")
	return h.must(t, http.StatusOK, http.MethodPost, "/v1/challenges/"+challenge+"/verify",
		ask{body: members{"code": h.code(t, challenge)}})
}

// wrongCode is a code that is not the right one.
func wrongCode(right string) string {
	digits := []byte(right)
	digits[0] = '0' + (digits[0]-'0'+1)%10
	return string(digits)
}
