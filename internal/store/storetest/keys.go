package storetest

import (
	"context"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// What AddKey, ResealKey, DropKey and Keys mean.
func keys(f flow) {
	f.shows("keeps one key a slot, whoever made it first", addKey)
	f.shows("C90 seals a key anew, once", resealKey)
	f.shows("C90 drops a key, once", dropKey)
	f.shows("answers a ping", ping)
}

func (w *world) newKey(id, slot string) keyring.StoredKey {
	return keyring.StoredKey{ID: id, Slot: slot, Sealed: mac("sealed " + id), CreatedAt: w.now}
}

func (w *world) keys() []keyring.StoredKey {
	w.t.Helper()
	keys, err := w.store.Keys(w.ctx)
	if err != nil {
		w.t.Fatalf("reading keys: %v", err)
	}
	return keys
}

func addKey(w *world) {
	equal(w, "keys before any", len(w.keys()), 0)
	pepper := w.newKey("pepper", "pepper")
	w.outcome(do(w, w.store.AddKey, pepper), core.Done)
	w.outcome(do(w, w.store.AddKey, w.newKey("another", "pepper")), core.Taken)
	w.outcome(do(w, w.store.AddKey, w.newKey("pepper", "data")), core.Taken)
	equal(w, "keys", w.keys(), []keyring.StoredKey{pepper})
	data := w.newKey("data", "data")
	w.outcome(do(w, w.store.AddKey, data), core.Done)
	both := w.keys()
	equal(w, "keys", len(both), 2)
	for _, each := range both {
		want := map[string]keyring.StoredKey{"pepper": pepper, "data": data}[each.ID]
		equal(w, "the key of "+each.Slot, each, want)
	}
}

func resealKey(w *world) {
	key := w.newKey("pepper", "pepper")
	w.outcome(do(w, w.store.AddKey, key), core.Done)
	reseal := func(id string, old, anew []byte) core.Outcome {
		w.t.Helper()
		return do(w, func(ctx context.Context, id string) (core.Outcome, error) {
			return w.store.ResealKey(ctx, id, old, anew)
		}, id)
	}
	w.outcome(reseal("pepper", mac("not as it is sealed"), mac("new")), core.Stale)
	equal(w, "keys", w.keys(), []keyring.StoredKey{key})
	w.outcome(reseal("pepper", key.Sealed, mac("new")), core.Done)
	w.outcome(reseal("pepper", key.Sealed, mac("newer")), core.Stale)
	key.Sealed = mac("new")
	equal(w, "keys", w.keys(), []keyring.StoredKey{key})
}

func dropKey(w *world) {
	old, young := w.newKey("old", "signing/1"), w.newKey("young", "signing/2")
	w.outcome(do(w, w.store.AddKey, old), core.Done)
	w.outcome(do(w, w.store.AddKey, young), core.Done)
	w.outcome(do(w, w.store.DropKey, "signing/1"), core.NotFound) // a slot is no id
	w.outcome(do(w, w.store.DropKey, "old"), core.Done)
	w.outcome(do(w, w.store.DropKey, "old"), core.NotFound)
	equal(w, "keys", w.keys(), []keyring.StoredKey{young})
	w.outcome(do(w, w.store.AddKey, old), core.Done)
	equal(w, "keys", len(w.keys()), 2)
}

func ping(w *world) {
	w.holds("the store answers", w.store.Ping(w.ctx) == nil)
}
