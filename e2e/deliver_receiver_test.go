package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// receiver is a service that messages are posted to, and that may be slow to
// answer: it can tell a repeat by its id, as Standard Webhooks have it.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	hold  bool                // answers wait until let
	let   chan struct{}       // closed: those that wait are given
	held  int                 // calls that are not answered
	calls map[string][]string // of a number, the ids of its messages in the order in which they came
}

func newReceiver(tb testing.TB) *receiver {
	tb.Helper()
	r := &receiver{calls: map[string][]string{}, let: make(chan struct{})}
	r.Server = httptest.NewServer(r)
	tb.Cleanup(func() {
		r.holds(false)
		r.Close()
	})
	return r
}

// settings make it the one provider.
func (r *receiver) settings() []string {
	return []string{
		`COUNTERSIGN_SMS_PROVIDERS=[{"kind":"webhook","url":"` + r.URL + `/","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","allow_private":"true"}]`,
		"COUNTERSIGN_SMS_COUNTRIES=US", "COUNTERSIGN_SMS_BUDGET=day=100000",
	}
}

// ServeHTTP takes a message. While it holds, every other one waits for its answer
// when it comes first.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var call struct {
		Data struct {
			To string `json:"to"`
		} `json:"data"`
	}
	if err := json.NewDecoder(request.Body).Decode(&call); err != nil {
		http.Error(w, "no message", http.StatusBadRequest)
		return
	}
	id := request.Header.Get("Webhook-Id")
	r.mu.Lock()
	r.calls[call.Data.To] = append(r.calls[call.Data.To], id)
	waits, let := r.hold && len(r.calls)%2 == 0 && len(r.calls[call.Data.To]) == 1, r.let
	if waits {
		r.held++
	}
	r.mu.Unlock()
	if waits {
		<-let
	}
	w.WriteHeader(http.StatusNoContent)
}

// holds has calls wait for their answers, or lets those that do have them.
func (r *receiver) holds(hold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hold && !hold {
		close(r.let)
		r.let, r.held = make(chan struct{}), 0
	}
	r.hold = hold
}

// waiting is how many calls have no answer yet.
func (r *receiver) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// has tells whether messages to all numbers have come.
func (r *receiver) has(numbers []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range numbers {
		if len(r.calls[n]) == 0 {
			return false
		}
	}
	return true
}
