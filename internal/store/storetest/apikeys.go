package storetest

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What AddAPIKey, RevokeAPIKey, APIKey and APIKeys mean.
func apiKeys(f flow) {
	f.shows("C81 keeps all of an API key", addAPIKey)
	f.shows("gives a name to one living key", addAPIKeyTaken)
	f.shows("C81 a name is free when its key has expired", addAPIKeyExpired)
	f.shows("revokes by id", revokeByID)
	f.shows("revokes by name", revokeByName)
	f.shows("takes an id before a name", revokeIDFirst)
	f.shows("16 API keys of one name, one kept", raceAPIKeys)
	f.shows("16 revocations, one done", raceRevocations)
}

func (w *world) newAPIKey(name string) core.APIKey {
	w.advance(time.Second) // so that their order is plain
	id := w.id()
	return core.APIKey{
		ID: id, Name: name, Hash: mac("key " + id), Scopes: []string{"stats:read", "clients:forward"}, CreatedAt: w.now,
	}
}

func (w *world) addAPIKey(k core.APIKey) core.APIKey {
	w.t.Helper()
	w.outcome(do(w, w.store.AddAPIKey, core.AddAPIKey{Key: k}), core.Done)
	return k
}

func (w *world) revocation(key string) core.RevokeAPIKey {
	return core.RevokeAPIKey{Key: key, Now: w.now, Event: w.newEvent(event.APIKeyRevoked)}
}

func (w *world) apiKeys() []core.APIKey {
	w.t.Helper()
	return do(w, func(ctx context.Context, _ struct{}) ([]core.APIKey, error) { return w.store.APIKeys(ctx) }, struct{}{})
}

func addAPIKey(w *world) {
	equal(w, "keys before any", len(w.apiKeys()), 0)
	k := w.newAPIKey("ci")
	k.ExpiresAt = w.now.Add(time.Hour)
	w.outcome(do(w, w.store.AddAPIKey, core.AddAPIKey{Key: k, Event: w.newEvent(event.APIKeyCreated)}), core.Done)
	w.wrote(event.APIKeyCreated)
	equal(w, "the key", do(w, w.store.APIKey, k.Hash), k)
	_, err := w.store.APIKey(w.ctx, mac("another"))
	w.missing("an unknown key", err)

	second := w.newAPIKey("backend")
	second.Scopes = nil
	w.addAPIKey(second)
	equal(w, "all keys", w.apiKeys(), []core.APIKey{k, second})
	w.setClock(k.ExpiresAt.Add(time.Hour))
	equal(w, "the expired key", do(w, w.store.APIKey, k.Hash), k)
}

func addAPIKeyTaken(w *world) {
	first := w.addAPIKey(w.newAPIKey("ci"))
	second := w.newAPIKey("ci")
	w.outcome(do(w, w.store.AddAPIKey, core.AddAPIKey{Key: second, Event: w.newEvent(event.APIKeyCreated)}), core.Taken)
	w.wrote()
	_, err := w.store.APIKey(w.ctx, second.Hash)
	w.missing("the second key", err)
	w.outcome(do(w, w.store.RevokeAPIKey, core.RevokeAPIKey{Key: first.ID, Now: w.now}), core.Done)
	w.addAPIKey(second)
	first.RevokedAt = w.now
	equal(w, "all keys", w.apiKeys(), []core.APIKey{first, second})
}

func addAPIKeyExpired(w *world) {
	first := w.newAPIKey("ci")
	first.ExpiresAt = w.now.Add(time.Hour)
	w.addAPIKey(first)
	second := w.newAPIKey("ci")
	second.CreatedAt = first.ExpiresAt.Add(-time.Millisecond)
	w.outcome(do(w, w.store.AddAPIKey, core.AddAPIKey{Key: second}), core.Taken)
	second.CreatedAt = first.ExpiresAt
	w.addAPIKey(second)
}

func revokeByID(w *world) {
	k, other := w.addAPIKey(w.newAPIKey("ci")), w.addAPIKey(w.newAPIKey("backend"))
	w.outcome(do(w, w.store.RevokeAPIKey, w.revocation("unknown")), core.NotFound)
	w.wrote()
	w.outcome(do(w, w.store.RevokeAPIKey, w.revocation(k.ID)), core.Done)
	w.wrote(event.APIKeyRevoked)
	k.RevokedAt = w.now
	equal(w, "the revoked key", do(w, w.store.APIKey, k.Hash), k)
	w.advance(time.Minute)
	w.outcome(do(w, w.store.RevokeAPIKey, w.revocation(k.ID)), core.NotFound)
	w.wrote()
	equal(w, "all keys", w.apiKeys(), []core.APIKey{k, other})
}

func revokeByName(w *world) {
	old := w.addAPIKey(w.newAPIKey("ci"))
	w.outcome(do(w, w.store.RevokeAPIKey, w.revocation("ci")), core.Done)
	old.RevokedAt = w.now
	anew := w.addAPIKey(w.newAPIKey("ci"))
	w.outcome(do(w, w.store.RevokeAPIKey, w.revocation("ci")), core.Done)
	anew.RevokedAt = w.now
	equal(w, "all keys", w.apiKeys(), []core.APIKey{old, anew})
	w.outcome(do(w, w.store.RevokeAPIKey, w.revocation("ci")), core.NotFound)
	w.wrote(event.APIKeyRevoked, event.APIKeyRevoked)
}

func revokeIDFirst(w *world) {
	k := w.addAPIKey(w.newAPIKey("ci"))
	namesake := w.addAPIKey(w.newAPIKey(k.ID))
	for _, want := range []core.Outcome{core.Done, core.NotFound} { // never the one that is only named so
		w.outcome(do(w, w.store.RevokeAPIKey, w.revocation(k.ID)), want)
	}
	equal(w, "the namesake", do(w, w.store.APIKey, namesake.Hash), namesake)
}

func raceAPIKeys(w *world) {
	got := doAtOnce(w, w.store.AddAPIKey, many(16, func(int) core.AddAPIKey {
		return core.AddAPIKey{Key: w.newAPIKey("ci"), Event: w.newEvent(event.APIKeyCreated)}
	}))
	counts := tally(got, func(o core.Outcome) core.Outcome { return o })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 1, core.Taken: 15})
	equal(w, "keys", len(w.apiKeys()), 1)
	w.wrote(event.APIKeyCreated)
}

func raceRevocations(w *world) {
	k := w.addAPIKey(w.newAPIKey("ci"))
	got := doAtOnce(w, w.store.RevokeAPIKey, many(16, func(i int) core.RevokeAPIKey {
		return w.revocation([]string{k.ID, k.Name}[i%2])
	}))
	counts := tally(got, func(o core.Outcome) core.Outcome { return o })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 1, core.NotFound: 15})
	w.wrote(event.APIKeyRevoked)
}
