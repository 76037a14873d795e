package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params is what an Argon2id hash costs.
type Params struct {
	MemoryKiB uint32
	Time      uint32 // passes over the memory
	Threads   uint8  // lanes
}

// defaultParams is OWASP's recommendation for Argon2id: 19 MiB, two passes,
// one lane (Password Storage Cheat Sheet).
var defaultParams = Params{MemoryKiB: 19 * 1024, Time: 2, Threads: 1}

// What a stored hash may ask of us. A row that was tampered with must not make
// a login take the machine's memory.
const (
	maxMemoryKiB = 256 * 1024
	maxTime      = 16
	maxThreads   = 16
	minSalt      = 8
	minSum       = 16
	maxField     = 64 // bytes of salt and of sum
)

// errMalformed says nothing of the hash: it must not reach a log.
var errMalformed = errors.New("password: malformed hash")

// phc is a hash taken apart. Its text is
// $argon2id$v=19$m=…,t=…,p=…,keyid=…$salt$sum (the PHC string format); keyid is
// the version of the pepper.
type phc struct {
	params Params
	keyID  int
	salt   []byte
	sum    []byte
}

func (p phc) hash() Hash {
	return Hash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d,keyid=%d$%s$%s", argon2.Version,
		p.params.MemoryKiB, p.params.Time, p.params.Threads, p.keyID,
		base64.RawStdEncoding.EncodeToString(p.salt), base64.RawStdEncoding.EncodeToString(p.sum)))
}

// parsePHC takes only what hash writes, within the bounds above.
func parsePHC(h Hash) (phc, error) {
	fields := strings.Split(string(h), "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, errMalformed
	}
	params := strings.Split(fields[3], ",")
	if len(params) != 4 {
		return phc{}, errMalformed
	}
	var numbers [4]uint64
	for i, bound := range []struct {
		name string
		most uint64
	}{{"m=", maxMemoryKiB}, {"t=", maxTime}, {"p=", maxThreads}, {"keyid=", 1 << 20}} {
		n, ok := number(params[i], bound.name, bound.most)
		if !ok {
			return phc{}, errMalformed
		}
		numbers[i] = n
	}
	p := phc{
		params: Params{MemoryKiB: uint32(numbers[0]), Time: uint32(numbers[1]), Threads: uint8(numbers[2])},
		keyID:  int(numbers[3]),
	}
	if p.params.MemoryKiB < 8*uint32(p.params.Threads) { // RFC 9106, 3.1
		return phc{}, errMalformed
	}
	var err error
	if p.salt, err = field(fields[4], minSalt); err != nil {
		return phc{}, err
	}
	if p.sum, err = field(fields[5], minSum); err != nil {
		return phc{}, err
	}
	return p, nil
}

// number reads name and a decimal from 1 to most without leading zeros.
func number(s, name string, most uint64) (uint64, bool) {
	digits, ok := strings.CutPrefix(s, name)
	if !ok || digits == "" || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return n, err == nil && n <= most
}

func field(s string, least int) ([]byte, error) {
	// The decoder skips line breaks even where it is strict.
	if strings.ContainsAny(s, "\r\n") {
		return nil, errMalformed
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < least || len(b) > maxField {
		return nil, errMalformed
	}
	return b, nil
}
