package password

import (
	"encoding/binary"
	_ "unsafe" // go:linkname asks for it

	_ "golang.org/x/crypto/argon2" // holds the linked
)

// workspace is the memory that one hash after the other is made in. It holds
// zeros between two.
//
// The package argon2 takes new memory for each hash. In a flood of logins that
// is a collection of garbage for every other one, twenty in a second, and one
// refresh in ten waits 4 ms for one to end. So the steps of its IDKey are done
// here, by its own functions, over memory that stays. That those do what they
// did when they were linked, TestWorkspaceHashesAsIDKey tells.
type workspace []block

// block is the unit of Argon2's memory (RFC 9106, 3.2).
type block [128]uint64

const (
	blockBytes  = 1024
	seedBytes   = 64
	laneSlices  = 4
	firstBlocks = 2 // of each lane come from the seed, all others from them
	modeID      = 2 // Argon2id
)

// idKey is argon2.IDKey. It grows the workspace where it must, and wipes what
// it used.
func (w *workspace) idKey(secret, salt []byte, p Params, length int) []byte {
	lanes := uint32(p.Threads)
	lane := max(p.MemoryKiB/(laneSlices*lanes), 2) * laneSlices // blocks of each (RFC 9106, 3.2: m')
	if len(*w) < int(lanes*lane) {
		*w = make(workspace, lanes*lane)
	}
	blocks := (*w)[:lanes*lane]

	seed := initHash(secret, salt, nil, nil, p.Time, p.MemoryKiB, lanes, uint32(length), modeID)
	for l := range lanes {
		for i := range uint32(firstBlocks) {
			blocks[l*lane+i] = firstBlock(seed, i, l)
		}
	}
	processBlocks(blocks, p.Time, lanes*lane, lanes, modeID)
	key := extractKey(blocks, lanes*lane, lanes, uint32(length))
	for i := range blocks { // one by one, so that it can be interrupted
		clear(blocks[i][:])
	}
	return key
}

func firstBlock(seed [seedBytes + 8]byte, i, lane uint32) (b block) {
	binary.LittleEndian.PutUint32(seed[seedBytes:], i)
	binary.LittleEndian.PutUint32(seed[seedBytes+4:], lane)
	var bytes [blockBytes]byte
	blake2bHash(bytes[:], seed[:])
	for n := range b {
		b[n] = binary.LittleEndian.Uint64(bytes[8*n:])
	}
	return b
}

//go:linkname initHash golang.org/x/crypto/argon2.initHash
func initHash(password, salt, key, data []byte, time, memory, threads, keyLen uint32, mode int) [seedBytes + 8]byte

//go:linkname blake2bHash golang.org/x/crypto/argon2.blake2bHash
func blake2bHash(out, in []byte)

//go:linkname processBlocks golang.org/x/crypto/argon2.processBlocks
func processBlocks(blocks []block, time, memory, threads uint32, mode int)

//go:linkname extractKey golang.org/x/crypto/argon2.extractKey
func extractKey(blocks []block, memory, threads, keyLen uint32) []byte
