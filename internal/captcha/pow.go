package captcha

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/keyring"
)

// powLife is how long a proof of work may take.
const powLife = 5 * time.Minute

// PoW asks for a proof of work and keeps nothing: all that it has to know later
// is signed and travels with the client.
//
// A solver derives keys until one begins with the prefix, which takes 16 to the
// prefix's length derivations on average, each of cost iterations of PBKDF2 (two
// blocks of SHA-256 an iteration):
//
//	hardness   prefix   cost   iterations on average
//	1 Easy     00        500       128,000
//	2          00       1000       256,000
//	3          000       200       819,200
//	4          000       400     1,638,400
//	5 Hardest  000      1000     4,096,000
//
// Chance scatters that: one in ten needs 2.3 times the average, one in a hundred
// 4.6 times. At a million iterations a second, which is what a phone of middling
// age does, Easy takes 0.13 s and Hardest 4 s. Verify derives once, so that it
// costs at most 1000 iterations, about 0.2 ms; whatever is not ours is refused
// after one HMAC.
type PoW struct {
	keyring.Redacted
	secrets [][]byte // of each master key, the first signs
	rand    io.Reader
}

// works is the table above, by hardness less Easy.
var works = [...]work{{"00", 500}, {"00", 1000}, {"000", 200}, {"000", 400}, {"000", 1000}}

type work struct {
	prefix string
	cost   int
}

// workFor takes hardness off the scale for its nearer end.
func workFor(h Hardness) work { return works[min(max(h, Easy), Hardest)-Easy] }

// iterations is how many it takes on average.
func (w work) iterations() int { return w.cost << (4 * len(w.prefix)) }

// PoWOptions are what a PoW is made of.
type PoWOptions struct {
	Ring *keyring.Ring // unlocked or not
	Rand io.Reader
}

// NewPoW makes a proof of work. Solutions hold on every instance with one of the
// ring's master keys.
func NewPoW(o PoWOptions) *PoW {
	return &PoW{secrets: o.Ring.MACs(keyring.LabelCaptcha, []byte(TypeALTCHA)), rand: o.Rand}
}

// Ask gives a challenge, good for 5 minutes and for the subject alone. Hardness
// off the scale is taken for its nearer end. It fails when randomness does.
func (p *PoW) Ask(now time.Time, subject string, hardness Hardness) (Ask, error) {
	var random [32]byte
	if _, err := io.ReadFull(p.rand, random[:]); err != nil {
		return Ask{}, fmt.Errorf("asking for a proof of work: reading random bytes: %w", err)
	}
	needed := workFor(hardness)
	asked, err := json.Marshal(parameters{
		Algorithm: algorithm, Cost: needed.cost, Data: data{bind(subject)}, ExpiresAt: now.Add(powLife).Unix(),
		KeyLength: keyLength, KeyPrefix: needed.prefix,
		Nonce: hex.EncodeToString(random[:16]), Salt: hex.EncodeToString(random[16:]),
	})
	if err != nil {
		return Ask{}, fmt.Errorf("asking for a proof of work: %w", err)
	}
	sorted, err := canonical(asked)
	if err != nil {
		return Ask{}, fmt.Errorf("asking for a proof of work: %w", err)
	}
	challenge, err := json.Marshal(signed{Parameters: sorted, Signature: sign(p.secrets[0], sorted)})
	if err != nil {
		return Ask{}, fmt.Errorf("asking for a proof of work: %w", err)
	}
	return Ask{Type: TypeALTCHA, Challenge: challenge}, nil
}

// Verify judges a solution. What was asked for when it was easier is not good
// enough any more: else the easy ones could be laid in. All failures are ErrWrong.
func (p *PoW) Verify(_ context.Context, now time.Time, subject string, least Hardness, s Solution) (Spent, error) {
	if s.Type != TypeALTCHA {
		return Spent{}, fmt.Errorf("%w: of another type", ErrWrong)
	}
	solved, err := parsePayload(s.Token.Reveal())
	if err != nil {
		return Spent{}, fmt.Errorf("%w: ill-formed", ErrWrong) // the error may quote what was sent
	}
	asked, err := p.ours(solved.Challenge)
	if err != nil {
		return Spent{}, err
	}
	switch key := solved.Solution.DerivedKey; {
	case !now.Before(time.Unix(asked.ExpiresAt, 0)):
		return Spent{}, fmt.Errorf("%w: too late", ErrWrong)
	case asked.Data.Subject != bind(subject):
		return Spent{}, fmt.Errorf("%w: for something else", ErrWrong)
	case work{asked.KeyPrefix, asked.Cost}.iterations() < workFor(least).iterations():
		return Spent{}, fmt.Errorf("%w: too easy by now", ErrWrong)
	case !strings.HasPrefix(key, asked.KeyPrefix):
		return Spent{}, fmt.Errorf("%w: too little work", ErrWrong)
	}
	key, err := asked.derive(solved.Solution.Counter)
	if err != nil || !hmac.Equal([]byte(key), []byte(solved.Solution.DerivedKey)) {
		return Spent{}, fmt.Errorf("%w: the key is not the counter's", ErrWrong)
	}
	return Spent{Key: TypeALTCHA + "/" + asked.Nonce}, nil
}

// ours reads parameters that we signed, with whichever of our keys.
func (p *PoW) ours(c signed) (parameters, error) {
	for _, secret := range p.secrets {
		if !hmac.Equal([]byte(c.Signature), []byte(sign(secret, c.Parameters))) {
			continue
		}
		var asked parameters
		if err := json.Unmarshal(c.Parameters, &asked, json.RejectUnknownMembers(true)); err != nil || asked.Algorithm != algorithm || asked.KeyLength != keyLength {
			return parameters{}, fmt.Errorf("%w: of another kind", ErrWrong)
		}
		return asked, nil
	}
	return parameters{}, fmt.Errorf("%w: forged", ErrWrong)
}

// bind hashes a subject once more: what stands in our logs and tables must not
// stand in a challenge that anybody may ask for. 128 bits, hexadecimal.
func bind(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return hex.EncodeToString(sum[:16])
}
