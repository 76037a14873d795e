package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/token"
)

// The life of a key that signs access tokens (CHECKLIST C-90): it is published
// for an hour, in which every instance and whoever else checks tokens learns of
// it; signs for as long as the setting says; and is kept until the last token
// that it signed has ended, and some minutes for clocks that differ.
const (
	publishedBefore = time.Hour
	keptAfter       = token.MaxTTL + 5*time.Minute
	keysEvery       = time.Minute // how often each instance looks
)

// signingSlots begins the slots of the keys that sign access tokens: signing/1
// is an installation's first, and each one's successor has the next number.
const signingSlots = "signing/"

// signingKey is a key that signs access tokens, and its place among them.
type signingKey struct {
	token.SigningKey
	number int
}

func (k signingKey) slot() string { return signingSlots + strconv.Itoa(k.number) }

// keySchedule lets the signing keys follow each other. Every instance has one;
// what they do in the store, one of them does.
type keySchedule struct {
	store interface {
		Keys(context.Context) ([]keyring.StoredKey, error)
		AddKey(context.Context, keyring.StoredKey) (core.Outcome, error)
		DropKey(ctx context.Context, id string) (core.Outcome, error)
	}
	ring   *keyring.Ring
	tokens interface {
		Rotate([]token.SigningKey) error
	}
	every time.Duration // 0: never
	now   func() time.Time
	rand  io.Reader
	tell  func(event.Name, event.Outcome, event.Attributes)

	known  []signingKey // the newest first
	looked time.Time
}

func newKeySchedule(p *parts, tokens *token.Minter, every time.Duration) *keySchedule {
	return &keySchedule{
		store: p.store, ring: p.ring, tokens: tokens, every: every, now: p.now, rand: p.options.Rand, tell: p.traffic,
		known: p.keys.signing,
	}
}

// look does once a minute what is due, and takes over what other instances
// did. It is tried again at the next call after an error, and done at the first
// one after the store was out of reach.
func (k *keySchedule) look(ctx context.Context) error {
	now := k.now()
	if since := now.Sub(k.looked); 0 <= since && since < keysEvery { // less than 0: the clock was set back
		return nil
	}
	if err := k.turn(ctx, now); err != nil {
		return fmt.Errorf("looking after the signing keys: %w", err)
	}
	k.looked = now
	return nil
}

func (k *keySchedule) turn(ctx context.Context, now time.Time) error {
	if err := k.learn(ctx); err != nil {
		return err
	}
	if number, due := k.next(now); due {
		if err := k.add(ctx, number, now); err != nil {
			return err
		}
	}
	for _, key := range k.ended(now) {
		if err := k.drop(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// learn reads the signing keys and has them signed and checked with.
func (k *keySchedule) learn(ctx context.Context) error {
	stored, err := k.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("reading the stored keys: %w", err)
	}
	keys, err := signingKeys(k.ring, stored, k.known)
	if err != nil {
		return err
	}
	if slices.EqualFunc(keys, k.known, func(a, b signingKey) bool { return a.ID == b.ID }) {
		return nil
	}
	if err := k.tokens.Rotate(minted(keys)); err != nil {
		return err
	}
	k.known = keys
	return nil
}

// next tells whether the newest key's successor has to be made, and its number.
func (k *keySchedule) next(now time.Time) (number int, due bool) {
	newest := k.known[0]
	return newest.number + 1, k.every != 0 && !now.Before(newest.From.Add(k.every-publishedBefore))
}

// add makes the key. Of several instances that do so at once one wins, and all
// go on with what it wrote.
func (k *keySchedule) add(ctx context.Context, number int, now time.Time) error {
	slot := signingSlots + strconv.Itoa(number)
	key, err := makeKey(k.ring, slot, now, k.rand)
	if err != nil {
		return err
	}
	if _, err := k.store.AddKey(ctx, key); err != nil && !errors.Is(err, core.ErrUncertain) {
		return fmt.Errorf("storing the %s key: %w", slot, err)
	}
	if err := k.learn(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(k.known, func(each signingKey) bool { return each.ID == key.ID }) {
		k.tell(event.KeyCreated, event.Success, event.Attributes{"slot": slot, "kid": key.ID})
	}
	return nil
}

// ended are the keys whose successor has signed for so long that no token of
// theirs can be alive.
func (k *keySchedule) ended(now time.Time) []signingKey {
	for i, key := range k.known {
		if !now.Before(key.From.Add(keptAfter)) {
			return slices.Clone(k.known[i+1:])
		}
	}
	return nil
}

func (k *keySchedule) drop(ctx context.Context, key signingKey) error {
	outcome, err := k.store.DropKey(ctx, key.ID)
	if err != nil {
		return fmt.Errorf("dropping the %s key: %w", key.slot(), err)
	}
	if outcome == core.Done {
		k.tell(event.KeyRotated, event.Success, event.Attributes{"slot": key.slot(), "kid": key.ID})
	}
	return k.learn(ctx)
}

// signingKeys opens the signing keys, the newest first. Those that are known
// are not opened again: another instance may have sealed them under a master
// key that this one was not given yet.
func signingKeys(ring *keyring.Ring, stored []keyring.StoredKey, known []signingKey) ([]signingKey, error) {
	var keys []signingKey
	for _, s := range stored {
		if !strings.HasPrefix(s.Slot, signingSlots) {
			continue
		}
		if i := slices.IndexFunc(known, func(k signingKey) bool { return k.ID == s.ID }); i >= 0 {
			keys = append(keys, known[i])
			continue
		}
		key, err := openSigningKey(ring, s)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b signingKey) int { return b.number - a.number })
	return keys, nil
}

func openSigningKey(ring *keyring.Ring, s keyring.StoredKey) (k signingKey, err error) {
	if k.number, err = strconv.Atoi(strings.TrimPrefix(s.Slot, signingSlots)); err != nil {
		return k, fmt.Errorf("a stored key has the slot %q, which has no number", s.Slot)
	}
	der, err := ring.OpenKey(s)
	if err != nil {
		return k, err
	}
	if k.SigningKey, err = token.ParseSigningKey(der); err != nil {
		return k, fmt.Errorf("opening the key in slot %s: %w", s.Slot, err)
	}
	k.From = s.CreatedAt
	if k.number > 1 { // the very first has none before it that could sign meanwhile
		k.From = k.From.Add(publishedBefore)
	}
	return k, nil
}

// minted are the keys as a minter takes them.
func minted(keys []signingKey) []token.SigningKey {
	out := make([]token.SigningKey, len(keys))
	for i, k := range keys {
		out[i] = k.SigningKey
	}
	return out
}
