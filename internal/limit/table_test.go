package limit

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The table against a map: what is written is read, what lapsed goes and nothing
// else, and cells are neither lost nor lent twice.
func TestTableKeepsWhatAMapKeeps(t *testing.T) {
	type record struct {
		words  []int64
		folded bool
		until  int64
	}
	rapid.Check(t, func(t *rapid.T) {
		table, model := newTable(cellsAPage*(cellBytes+8)), map[uint64]record{}
		table.buckets = make([]uint32, 8) // so that chains are long
		now := int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now++
			table.sweep(now, 2000)
			for key, r := range model {
				if r.until <= now {
					delete(model, key)
				}
			}
			key := rapid.Uint64Range(0, 30).Draw(t, "key")
			words := rapid.SliceOfN(rapid.Int64(), 0, 60).Draw(t, "words")
			want := record{words, rapid.Bool().Draw(t, "folded"), now + rapid.Int64Range(1, 40).Draw(t, "life")}
			id := table.find(key)
			if _, known := model[key]; known != (id != 0) {
				t.Fatalf("key %d: in the table %v, in the map %v", key, id != 0, known)
			}
			if id == 0 {
				id = table.create(key)
			}
			if table.write(id, state{want.words, want.folded}, want.until, 150) {
				model[key] = want
			} else if _, known := model[key]; !known {
				if !table.write(id, state{}, want.until, 0) {
					t.Fatal("no room for nothing")
				}
				model[key] = record{until: want.until}
			}
		}
		used := 0
		for key, want := range model {
			id := table.find(key)
			if id == 0 {
				t.Fatalf("key %d is lost", key)
			}
			got := table.read(id, nil)
			if !slices.Equal(got.words, want.words) || got.folded != want.folded || table.at(id).until() != want.until {
				t.Fatalf("key %d: %v until %d, want %v", key, got, table.at(id).until(), want)
			}
			used += 1 + blocksFor(len(want.words))
		}
		if table.used != used || table.records != len(model) {
			t.Fatalf("%d cells used for %d records, want %d for %d", table.used, table.records, used, len(model))
		}
	})
}
