package core

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// KeyScope is something that an API key may be good for. What a key was not
// given it may not do (C-82).
type KeyScope string

// The scopes of API keys.
const (
	ScopeUsersRead      KeyScope = "users:read"
	ScopeUsersWrite     KeyScope = "users:write"
	ScopeUsersPhone     KeyScope = "users:phone" // change a user's number
	ScopeEventsRead     KeyScope = "events:read"
	ScopeMessagesRead   KeyScope = "messages:read"
	ScopeStatsRead      KeyScope = "stats:read"
	ScopeIntrospect     KeyScope = "introspect"
	ScopeClientsForward KeyScope = "clients:forward" // a back end names the address of whom it acts for
)

// KeyScopes lists every scope.
func KeyScopes() []KeyScope {
	return []KeyScope{
		ScopeUsersRead, ScopeUsersWrite, ScopeUsersPhone, ScopeEventsRead,
		ScopeMessagesRead, ScopeStatsRead, ScopeIntrospect, ScopeClientsForward,
	}
}

// An API key is keyPrefix and 256 random bits in base64url (C-81).
const (
	keyPrefix   = "cs_"
	keyBytes    = 32
	maxKeyRunes = 64 // of a key's name
)

// How an admin_action was let in, and the reasons why one was not.
const (
	methodKey = "api_key"

	reasonUnknownKey        = "unknown_key"
	reasonRevokedKey        = "revoked_key"
	reasonExpiredKey        = "expired_key"
	reasonInsufficientScope = "insufficient_scope"
)

// CreateAPIKeyIn is what a new API key is to be.
type CreateAPIKeyIn struct {
	Name   string   // 1 to 64 printable characters; no two living keys share one
	Scopes []string // at least one, none twice
	Life   time.Duration
}

// CreateAPIKey makes an API key and gives it, this once: only its hash is kept.
// Life zero never ends.
func (c *Core) CreateAPIKey(ctx context.Context, caller Caller, in CreateAPIKeyIn) (APIKey, keyring.Secret, error) {
	if err := refusal(checkKey(in)); err != nil {
		return APIKey{}, "", err
	}
	now := c.now()
	id, err := c.newID(now)
	if err != nil {
		return APIKey{}, "", err
	}
	var chance [keyBytes]byte
	if _, err := io.ReadFull(c.rand, chance[:]); err != nil {
		return APIKey{}, "", unavailable("making an API key", err)
	}
	secret := keyring.Secret(keyPrefix + base64.RawURLEncoding.EncodeToString(chance[:]))
	key := APIKey{ID: id, Name: in.Name, Hash: hashKey(secret), Scopes: slices.Clone(in.Scopes), CreatedAt: now}
	created := c.event(caller, now, event.APIKeyCreated, event.Success)
	created.Attributes = event.Attributes{"api_key": id, "name": in.Name, "scopes": strings.Join(in.Scopes, " ")}
	if in.Life > 0 {
		key.ExpiresAt = now.Add(in.Life).Truncate(time.Millisecond)
		created = created.With("expires_at", key.ExpiresAt)
	}
	outcome, err := c.store.AddAPIKey(ctx, AddAPIKey{Key: key, Event: created})
	switch {
	case err != nil:
		return APIKey{}, "", unavailable("adding an API key", err)
	case outcome == Taken:
		return APIKey{}, "", invalid("name", "is that of another key; revoke it or take another name")
	}
	return key, secret, nil
}

// RevokeAPIKey ends an API key at once: by its id or, where no id is so, by
// its name.
func (c *Core) RevokeAPIKey(ctx context.Context, caller Caller, idOrName string) error {
	now := c.now()
	revoked := c.event(caller, now, event.APIKeyRevoked, event.Success)
	revoked.Attributes = event.Attributes{"api_key": idOrName}
	outcome, err := c.store.RevokeAPIKey(ctx, RevokeAPIKey{Key: idOrName, Now: now, Event: revoked})
	switch {
	case err != nil:
		return unavailable("revoking an API key", err)
	case outcome != Done:
		return &Error{Code: CodeNotFound}
	}
	return nil
}

// APIKeys lists all API keys, the oldest first, those that ended too.
func (c *Core) APIKeys(ctx context.Context, _ Caller) ([]APIKey, error) {
	keys, err := c.store.APIKeys(ctx)
	if err != nil {
		return nil, unavailable("listing API keys", err)
	}
	return keys, nil
}

// AuthenticateKey is the door for programs: it judges an API key and sets
// Caller.Key. What cannot be a key costs no read; an unknown key costs as much
// as a good one. Refusals are invalid_token, and insufficient_scope for a good
// key that was not given the scope; each is told to the log.
func (c *Core) AuthenticateKey(ctx context.Context, caller Caller, key keyring.Secret, scope KeyScope) (Caller, error) {
	now := c.now()
	if !keyShaped(key) {
		return caller, c.denyKey(caller, now, APIKey{}, scope, reasonUnknownKey)
	}
	found, err := c.store.APIKey(ctx, hashKey(key))
	switch {
	case errors.Is(err, ErrNotFound):
		return caller, c.denyKey(caller, now, APIKey{}, scope, reasonUnknownKey)
	case err != nil:
		return caller, unavailable("reading an API key", err)
	case !found.RevokedAt.IsZero():
		return caller, c.denyKey(caller, now, found, scope, reasonRevokedKey)
	case !found.ExpiresAt.IsZero() && !now.Before(found.ExpiresAt):
		return caller, c.denyKey(caller, now, found, scope, reasonExpiredKey)
	case !slices.Contains(found.Scopes, string(scope)):
		return caller, c.denyKey(caller, now, found, scope, reasonInsufficientScope)
	}
	caller.Key = &found
	return caller, nil
}

// Acted tells the log what a program did with its API key, reading included
// (C-73). Changes have events of their own beside it.
func (c *Core) Acted(caller Caller, action string) {
	e := c.event(caller, c.now(), event.AdminAction, event.Success)
	e.Method, e.Attributes = methodKey, event.Attributes{"action": action}
	if caller.Key != nil {
		e.Attributes["api_key"] = caller.Key.ID
	}
	c.traffic(e)
}

// denyKey tells the log of a refused key and gives the refusal.
func (c *Core) denyKey(caller Caller, now time.Time, key APIKey, scope KeyScope, reason string) error {
	e := c.event(caller, now, event.AdminAction, event.Failure)
	e.Method, e.Reason, e.Attributes = methodKey, reason, event.Attributes{"scope": string(scope)}
	if key.ID != "" {
		e.Attributes["api_key"] = key.ID
	}
	c.traffic(e)
	if reason == reasonInsufficientScope {
		return &Error{Code: CodeInsufficientScope}
	}
	return &Error{Code: CodeInvalidToken}
}

// checkKey judges what a new key is to be. A name that is an id would be in the
// way of revoking by id.
func checkKey(in CreateAPIKeyIn) []Field {
	var fields []Field
	n := utf8.RuneCountInString(in.Name)
	unfit := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	switch {
	case n < 1 || n > maxKeyRunes || strings.TrimSpace(in.Name) != in.Name || strings.ContainsFunc(in.Name, unfit):
		fields = append(fields, Field{"name", "has to be 1 to 64 printable characters, with no blank at either end"})
	case keyring.ValidID(in.Name):
		fields = append(fields, Field{"name", "must not look like an id"})
	}
	if len(in.Scopes) == 0 {
		fields = append(fields, Field{"scopes", "has to name at least one"})
	}
	for i, s := range in.Scopes {
		switch {
		case !slices.Contains(KeyScopes(), KeyScope(s)):
			fields = append(fields, Field{"scopes", "names one that there is not; there are " + scopeNames()})
		case slices.Contains(in.Scopes[:i], s):
			fields = append(fields, Field{"scopes", "names " + s + " twice"})
		}
	}
	if in.Life < 0 {
		fields = append(fields, Field{"life", "must not be negative"})
	}
	return fields
}

func scopeNames() string {
	var names []string
	for _, s := range KeyScopes() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// keyShaped tells whether a text can be a key of ours at all.
func keyShaped(key keyring.Secret) bool {
	text, ok := strings.CutPrefix(key.Reveal(), keyPrefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(keyBytes) {
		return false
	}
	chance, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(chance) == keyBytes // the decoder passes over line ends
}

// hashKey is what is kept of a key. It has 256 random bits: no slow hash and
// no salt would make it harder to guess.
func hashKey(key keyring.Secret) []byte {
	hash := sha256.Sum256([]byte(key.Reveal()))
	return hash[:]
}
