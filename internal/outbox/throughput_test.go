package outbox_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/outbox"
	"github.com/countersign/countersign/internal/phone"
	"github.com/countersign/countersign/internal/store/postgres"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// throughputMessages are queued before each turn.
const throughputMessages = 2000

// Messages a second through the webhook gateway, by one, two and four outboxes over
// one PostgreSQL that syncs each commit, in turns with claiming and settling as many
// messages bare. "ratio" is the one over the other. All share the processors of one
// machine.
func BenchmarkThroughput(b *testing.B) {
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprint("instances=", n), func(b *testing.B) { throughput(b, n) })
	}
}

func throughput(b *testing.B, instances int) {
	q := &queue{b: b, ring: newRing(b), database: pgtest.Durable(b)}
	for range instances {
		store, err := postgres.Open(context.Background(), postgres.Options{URL: q.database, Conns: 16})
		if err != nil {
			b.Fatal(err)
		}
		q.stores = append(q.stores, store)
		b.Cleanup(func() { _ = store.Close() })
	}
	var taken atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		taken.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	b.Cleanup(service.Close)
	var sent, bare time.Duration
	for b.Loop() {
		q.fill()
		began := time.Now()
		q.claimAndSettle()
		bare += time.Since(began)
		q.fill()
		taken.Store(0)
		began = time.Now()
		end := q.send(service.URL)
		for taken.Load() < throughputMessages {
			time.Sleep(time.Millisecond)
		}
		end() // when all are settled
		sent += time.Since(began)
	}
	all := float64(throughputMessages * b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(all/sent.Seconds(), "sent/s")
	b.ReportMetric(all/bare.Seconds(), "bare/s")
	b.ReportMetric(bare.Seconds()/sent.Seconds(), "ratio")
}

// queue is a database with messages that wait, and its instances.
type queue struct {
	b        *testing.B
	ring     *keyring.Ring
	database string
	stores   []*postgres.Store
}

func (q *queue) id() string {
	id, err := keyring.NewID(now(), rand.Reader)
	if err != nil {
		q.b.Fatal(err)
	}
	return id
}

// fill queues messages, each of a number of its own.
func (q *queue) fill() {
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for i := worker; i < throughputMessages; i += 16 {
				q.begin(i)
			}
		})
	}
	all.Wait()
}

func (q *queue) begin(i int) {
	to, err := phone.FromE164(fmt.Sprintf("+4915112%06d", i))
	if err != nil {
		q.b.Error(err)
		return
	}
	id := q.id()
	sealed, err := core.SealText(q.ring, rand.Reader, id, to, core.Text{Body: text, Code: "731942"})
	if err != nil {
		q.b.Error(err)
		return
	}
	_, err = q.stores[0].OpenChallenge(context.Background(), core.OpenChallenge{
		Challenge: core.Challenge{
			ID: id, Purpose: core.PurposeSignup, Channel: core.ChannelSMS,
			Phone:   core.SealedPhone{Key: q.ring.Pseudonym(to.E164()), Sealed: []byte("sealed"), Masked: to.Masked()},
			CodeMAC: []byte("mac"), CodeLength: 6, Sealed: sealed, GuessesLeft: core.MaxGuesses,
			CreatedAt: now(), ExpiresAt: now().Add(10 * time.Minute), Dialect: "native",
		},
		Message: core.Message{
			ID: q.id(), ChallengeID: id, Purpose: "signup", Channel: core.ChannelSMS, PhoneKey: q.ring.Pseudonym(to.E164()), PhoneMasked: to.Masked(),
			State: core.MessageQueued, Country: "DE", CreatedAt: now(), ExpiresAt: now().Add(10 * time.Minute),
		},
		Now:   now(),
		Event: event.Event{ID: q.id(), Time: now(), Name: event.SignupStarted, Outcome: event.Success},
	})
	if err != nil {
		q.b.Error(err)
	}
}

// claimAndSettle does what the store has to for each message, and nothing else.
func (q *queue) claimAndSettle() {
	var all sync.WaitGroup
	var settled atomic.Int64
	for i, store := range q.stores {
		all.Go(func() {
			for batch := 0; settled.Load() < throughputMessages; batch++ {
				holder := fmt.Sprint("bare ", i, " ", batch, q.id())
				claimed, err := store.ClaimMessages(context.Background(), core.ClaimMessages{
					Claim: core.Claim{Holder: holder, Limit: 128, Lease: time.Minute, Now: now()}, HoldFor: time.Minute,
				})
				if err != nil {
					q.b.Error(err)
					return
				}
				var batch sync.WaitGroup
				for _, m := range claimed.Messages {
					batch.Go(func() {
						_, err := store.SettleMessage(context.Background(), core.SettleMessage{
							ID: m.ID, Holder: holder, State: core.MessageSent, Provider: "bare", Now: now(),
							Event: event.Event{ID: q.id(), Time: now(), Name: event.SMSSent, Outcome: event.Success},
						})
						if err != nil {
							q.b.Error(err)
						}
						settled.Add(1)
					})
				}
				batch.Wait()
			}
		})
	}
	all.Wait()
}

// send runs an outbox for each instance; what it returns ends them.
func (q *queue) send(url string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, store := range q.stores {
		sender, err := gateway.New("webhook", gateway.Options{
			Name: "webhook", Channel: gateway.SMS, Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
			Values: map[string]keyring.Secret{"url": keyring.Secret(url + "/"), "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "allow_private": "true"},
		})
		if err != nil {
			q.b.Fatal(err)
		}
		box := outbox.New(outbox.Options{
			Store: store, Ring: q.ring, Routes: []outbox.Route{{Sender: sender, Weight: 1}},
			Now: now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		})
		all.Go(func() {
			if err := box.Run(ctx); err != nil {
				q.b.Error(err)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}
