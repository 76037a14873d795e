package token

import (
	"crypto/sha256"
	"sync"
)

// verifiedGeneration is how many tokens one generation holds; two are kept.
const verifiedGeneration = 4096

// verifiedTokens remembers tokens whose signature was found right, by their
// hash: an app calls with one token for minutes, and checking it costs more
// than all the rest of a request. Only genuine tokens enter, so a flood of
// forged ones evicts nothing. Expiry is checked anew each time, by the caller.
type verifiedTokens struct {
	mu       sync.Mutex
	new, old map[[sha256.Size]byte]Access
}

func newVerifiedTokens() *verifiedTokens {
	return &verifiedTokens{new: make(map[[sha256.Size]byte]Access)}
}

func (v *verifiedTokens) find(hash [sha256.Size]byte) (Access, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a, ok := v.new[hash]
	if ok {
		return a, true
	}
	if a, ok = v.old[hash]; ok {
		v.insert(hash, a) // in use: it outlives its generation
	}
	return a, ok
}

func (v *verifiedTokens) add(hash [sha256.Size]byte, a Access) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.insert(hash, a)
}

func (v *verifiedTokens) insert(hash [sha256.Size]byte, a Access) {
	if len(v.new) >= verifiedGeneration {
		v.old, v.new = v.new, make(map[[sha256.Size]byte]Access)
	}
	v.new[hash] = a
}
