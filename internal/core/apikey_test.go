package core_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// key makes an API key for the scopes given.
func (h *house) key(name string, life time.Duration, scopes ...core.KeyScope) (core.APIKey, keyring.Secret) {
	h.t.Helper()
	in := core.CreateAPIKeyIn{Name: name, Life: life}
	for _, s := range scopes {
		in.Scopes = append(in.Scopes, string(s))
	}
	key, secret, err := h.CreateAPIKey(context.Background(), core.Caller{UserAgent: "countersign apikey"}, in)
	if err != nil {
		h.t.Fatalf("making an API key: %v", err)
	}
	return key, secret
}

// heardOf are the traffic events of a name.
func (h *house) heardOf(name event.Name) []event.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []event.Event
	for _, e := range h.traffic {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// told are the account events of a name, taken as the outbox would.
func (h *house) told(name event.Name) []event.Event {
	h.t.Helper()
	claim := core.Claim{Holder: "test", Limit: 100, Lease: time.Hour, Now: h.clock()}
	batch, err := h.store.ClaimEvents(context.Background(), "file", claim)
	if err != nil {
		h.t.Fatal(err)
	}
	return slices.DeleteFunc(batch, func(e event.Event) bool { return e.Name != name })
}

func TestC81KeysAreShownOnceAndKeptAsHashes(t *testing.T) {
	h := newHouse(t)
	key, secret := h.key("console", time.Hour, core.ScopeStatsRead, core.ScopeEventsRead)
	text := secret.Reveal()
	if !strings.HasPrefix(text, "cs_") || len(text) != 46 {
		t.Fatalf("a key of %d characters, want cs_ and 43", len(text))
	}
	h.pass(time.Millisecond)
	if _, other := h.key("another", 0, core.ScopeStatsRead); other == secret {
		t.Error("two keys are the same")
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret); strings.Contains(shown, text) {
		t.Errorf("printed, it shows: %s", shown)
	}
	keys, err := h.APIKeys(context.Background(), core.Caller{})
	if err != nil || len(keys) != 2 || keys[0].ID != key.ID {
		t.Fatalf("listed %v, %v", keys, err)
	}
	want := sha256.Sum256([]byte(text))
	if !bytes.Equal(keys[0].Hash, want[:]) {
		t.Error("what is kept is not its SHA-256")
	}
	if strings.Contains(fmt.Sprintf("%+v", keys), text) {
		t.Error("the list shows the key")
	}
	made := h.told(event.APIKeyCreated)
	if len(made) != 2 || made[0].Attributes["api_key"] != key.ID || made[0].Attributes["name"] != "console" ||
		made[0].Attributes["scopes"] != "stats:read events:read" || made[0].Attributes["expires_at"] == nil || made[1].Attributes["expires_at"] != nil {
		t.Errorf("told %+v", made)
	}
	for _, e := range made {
		if strings.Contains(string(event.Encode(e)), text) {
			t.Error("the log has the key")
		}
	}
}

func TestC82AKeyMayWhatItWasGiven(t *testing.T) {
	h := newHouse(t)
	for _, given := range core.KeyScopes() {
		key, secret := h.key("for "+string(given), 0, given)
		for _, asked := range core.KeyScopes() {
			caller, err := h.AuthenticateKey(context.Background(), stranger(), secret, asked)
			if given == asked {
				want(t, err, "")
				if caller.Key == nil || caller.Key.ID != key.ID || caller.RequestID != "req-1" {
					t.Errorf("%s: caller %+v", given, caller)
				}
				continue
			}
			want(t, err, core.CodeInsufficientScope)
			if caller.Key != nil {
				t.Errorf("a key for %s is let in for %s", given, asked)
			}
		}
	}
}

func TestC81KeysEndByTimeAndByRevocation(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	admitted := func(secret keyring.Secret, reason string) {
		t.Helper()
		before := len(h.heardOf(event.AdminAction))
		caller, err := h.AuthenticateKey(ctx, stranger(), secret, core.ScopeStatsRead)
		denials := h.heardOf(event.AdminAction)[before:]
		if reason == "" {
			want(t, err, "")
			if len(denials) > 0 {
				t.Errorf("a good key makes %+v", denials)
			}
			return
		}
		want(t, err, core.CodeInvalidToken)
		if caller.Key != nil || len(denials) != 1 || denials[0].Reason != reason || denials[0].Outcome != event.Failure ||
			denials[0].IPAddress != "192.0.2.7" || denials[0].Attributes["scope"] != "stats:read" {
			t.Errorf("caller %+v, denials %+v, want %s", caller, denials, reason)
		}
	}
	_, short := h.key("short", time.Hour, core.ScopeStatsRead)
	_, long := h.key("long", 0, core.ScopeStatsRead)
	h.pass(time.Hour - time.Millisecond)
	admitted(short, "")
	h.pass(time.Millisecond)
	admitted(short, "expired_key")
	admitted(long, "")
	want(t, h.RevokeAPIKey(ctx, core.Caller{}, "long"), "")
	admitted(long, "revoked_key")
	want(t, h.RevokeAPIKey(ctx, core.Caller{}, "long"), core.CodeNotFound)
	want(t, h.RevokeAPIKey(ctx, core.Caller{}, ""), core.CodeNotFound)
	if gone := h.told(event.APIKeyRevoked); len(gone) != 1 || gone[0].Attributes["api_key"] != "long" {
		t.Errorf("told %+v", gone)
	}

	// The name is free again, and by its id the new key ends alone.
	again, secret := h.key("long", 0, core.ScopeStatsRead)
	_, _, err := h.CreateAPIKey(ctx, core.Caller{}, core.CreateAPIKeyIn{Name: "long", Scopes: []string{"stats:read"}})
	if e := want(t, err, core.CodeInvalidRequest); e.Fields[0].Name != "name" {
		t.Errorf("a taken name: %+v", e.Fields)
	}
	admitted(secret, "")
	want(t, h.RevokeAPIKey(ctx, core.Caller{}, again.ID), "")
	admitted(secret, "revoked_key")
}

// What cannot be a key is refused before anything is read.
func TestC81ShapeIsJudgedBeforeTheStore(t *testing.T) {
	h := newHouse(t)
	_, secret := h.key("good", 0, core.ScopeStatsRead)
	good := secret.Reveal()
	reads := &keyReads{Store: h.store}
	c := h.coreOver(reads)
	for _, bad := range []string{
		"", "cs_", good[3:], "cs-" + good[3:], good + "A", good[:45], " " + good, good + "\n", "cs_" + strings.Repeat("A", 42) + "\n",
		good[:10] + "+" + good[11:], good[:10] + "=" + good[11:], "CS_" + good[3:], good[:45] + "B", // the last one has bits over
	} {
		_, err := c.AuthenticateKey(context.Background(), stranger(), keyring.Secret(bad), core.ScopeStatsRead)
		want(t, err, core.CodeInvalidToken)
	}
	if reads.n != 0 {
		t.Errorf("the store was asked %d times", reads.n)
	}
	unknown := "cs_" + strings.Repeat("A", 43)
	_, err := c.AuthenticateKey(context.Background(), stranger(), keyring.Secret(unknown), core.ScopeStatsRead)
	want(t, err, core.CodeInvalidToken)
	if _, err = c.AuthenticateKey(context.Background(), stranger(), secret, core.ScopeStatsRead); err != nil || reads.n != 2 {
		t.Errorf("%v after %d reads, want one for each", err, reads.n)
	}
	for _, e := range h.heardOf(event.AdminAction) {
		if e.Reason != "unknown_key" || strings.Contains(string(event.Encode(e)), good[3:20]) {
			t.Errorf("told %+v", e)
		}
	}
}

// keyReads counts the reads of keys.
type keyReads struct {
	core.Store
	n int
}

func (s *keyReads) APIKey(ctx context.Context, hash []byte) (core.APIKey, error) {
	s.n++
	return s.Store.APIKey(ctx, hash)
}

func TestNewKeysAreChecked(t *testing.T) {
	h := newHouse(t)
	read := []string{"stats:read"}
	for _, test := range []struct {
		in    core.CreateAPIKeyIn
		field string
	}{
		{core.CreateAPIKeyIn{Name: "", Scopes: read}, "name"},
		{core.CreateAPIKeyIn{Name: " a", Scopes: read}, "name"},
		{core.CreateAPIKeyIn{Name: "a\n", Scopes: read}, "name"},
		{core.CreateAPIKeyIn{Name: "a\u202eb", Scopes: read}, "name"},
		{core.CreateAPIKeyIn{Name: "a\xff", Scopes: read}, "name"},
		{core.CreateAPIKeyIn{Name: strings.Repeat("é", 65), Scopes: read}, "name"},
		{core.CreateAPIKeyIn{Name: "01933b8a-7a3e-7c2e-9f00-0123456789ab", Scopes: read}, "name"},
		{core.CreateAPIKeyIn{Name: "none"}, "scopes"},
		{core.CreateAPIKeyIn{Name: "unknown", Scopes: []string{"stats:write"}}, "scopes"},
		{core.CreateAPIKeyIn{Name: "empty", Scopes: []string{""}}, "scopes"},
		{core.CreateAPIKeyIn{Name: "twice", Scopes: []string{"stats:read", "stats:read"}}, "scopes"},
		{core.CreateAPIKeyIn{Name: "negative", Scopes: read, Life: -1}, "life"},
	} {
		_, secret, err := h.CreateAPIKey(context.Background(), core.Caller{}, test.in)
		e := want(t, err, core.CodeInvalidRequest)
		if len(e.Fields) != 1 || e.Fields[0].Name != test.field || secret != "" {
			t.Errorf("%q %q: %+v", test.in.Name, test.in.Scopes, e.Fields)
		}
	}
	for _, name := range []string{"a", strings.Repeat("é", 64), "Büro, 2. Stock"} {
		h.key(name, 0, core.ScopeStatsRead)
	}
}

func TestC73ActsOfKeysAreTold(t *testing.T) {
	h := newHouse(t)
	key, secret := h.key("console", 0, core.ScopeStatsRead)
	caller, err := h.AuthenticateKey(context.Background(), core.Caller{Address: netip.MustParseAddr("203.0.113.9"), RequestID: "req-2"}, secret, core.ScopeStatsRead)
	want(t, err, "")
	h.Acted(caller, "stats")
	acts := h.heardOf(event.AdminAction)
	if len(acts) != 1 || acts[0].Outcome != event.Success || acts[0].Method != "api_key" || acts[0].IPAddress != "203.0.113.9" ||
		acts[0].RequestID != "req-2" || acts[0].Attributes["action"] != "stats" || acts[0].Attributes["api_key"] != key.ID {
		t.Errorf("told %+v", acts)
	}
}
