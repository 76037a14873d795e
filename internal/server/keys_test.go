package server

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/sqlite"
	"github.com/countersign/countersign/internal/token"
)

const day = 24 * time.Hour

// installation is a store and the clock of the world, for instances that do
// nothing but let keys follow each other.
type installation struct {
	t     *testing.T
	store core.Store
	began time.Time
	now   time.Time

	mu   sync.Mutex
	told map[string]int // "name slot", by all instances
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db"), Log: discardLog()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return &installation{t: t, store: store, began: noon, now: noon, told: map[string]int{}}
}

func (in *installation) tell(name event.Name, _ event.Outcome, a event.Attributes) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.told[fmt.Sprint(name, " ", a["slot"])]++
}

// instance is what of a server has to do with signing keys.
type instance struct {
	*keySchedule
	in     *installation
	minter *token.Minter
	behind time.Duration // its clock
	rarely time.Duration // between its looks, when they come late
	due    time.Time
}

// instance starts one. Its looks come so late.
func (in *installation) instance(masters string, behind, rarely time.Duration) *instance {
	in.t.Helper()
	i := &instance{in: in, behind: behind, rarely: rarely}
	list, err := keyring.ParseMasters(masters)
	if err != nil {
		in.t.Fatal(err)
	}
	ring, err := keyring.New(list)
	if err != nil {
		in.t.Fatal(err)
	}
	random := rand.Reader
	stored, err := in.store.Keys(in.t.Context())
	if err != nil {
		in.t.Fatal(err)
	}
	opened, err := openKeys(in.t.Context(), in.store, ring, stored, i.clock(), random)
	if err != nil {
		in.t.Fatal(err)
	}
	i.minter, err = token.New(ring, minted(opened.signing), token.Settings{
		Issuer: "https://id.example.com", Audience: "api", ClientID: clientID, TTL: token.MaxTTL,
	}, random)
	if err != nil {
		in.t.Fatal(err)
	}
	i.keySchedule = &keySchedule{
		store: in.store, ring: ring, tokens: i.minter, every: 30 * day, now: i.clock, rand: random, tell: in.tell, known: opened.signing,
	}
	return i
}

func (i *instance) clock() time.Time { return i.in.now.Add(-i.behind) }

// lookWhenDue looks unless this instance is late again.
func (i *instance) lookWhenDue(t *testing.T) {
	if i.in.now.Before(i.due) {
		return
	}
	i.due = i.in.now.Add(i.rarely)
	if err := i.look(t.Context()); err != nil {
		t.Error(err)
	}
}

func lookAtOnce(t *testing.T, instances ...*instance) {
	var wg sync.WaitGroup
	for _, i := range instances {
		wg.Go(func() { i.lookWhenDue(t) })
	}
	wg.Wait()
}

// published are the kids in an instance's JWKS.
func (i *instance) published(t *testing.T) (kids []string) {
	t.Helper()
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(i.minter.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		kids = append(kids, key.Kid)
	}
	return kids
}

// living is a token and what is known of it.
type living struct {
	token string
	kid   string
	ends  time.Time
}

func (i *instance) mint(t *testing.T) living {
	t.Helper()
	now := i.clock()
	s, err := i.minter.Access(token.Access{
		Subject: "01989b5e-0c3d-7a41-9f3e-0123456789ab", SessionID: "01989b5e-0c3d-7b52-8e4f-ba9876543210",
		AuthTime: now.Truncate(time.Second), ACR: "aal1", AMR: []string{"sms"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	return living{token: s.Reveal(), kid: kidOf(t, s.Reveal()), ends: now.Truncate(time.Second).Add(token.MaxTTL)}
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Kid string `json:"kid"`
	}
	read(t, string(text), &header)
	return header.Kid
}
