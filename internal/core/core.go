package core

import (
	"io"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/locale"
	"github.com/countersign/countersign/internal/password"
	"github.com/countersign/countersign/internal/token"
)

// Core holds what the flows need. It has no state of its own but what upkeep
// tells it of money and of usual days (guard.go).
type Core struct {
	store    Store
	ring     *keyring.Ring
	tokens   *token.Minter
	hasher   *password.Hasher
	policy   *password.Policy
	traffic  func(event.Event)
	routed   func(provider, country string, failed bool) // nil: nobody asks
	clock    func() time.Time
	rand     io.Reader
	limiter  limit.Limiter
	captcha  captcha.Verifier // nil: none is ever asked for
	settings Settings
	limits   limits
	watched  watched
	turns    turns           // of messages to one number
	peeking  chan struct{}   // who looks at the limiter just now
	testKeys map[string]bool // the pseudonyms of the test numbers
}

// Deps are the parts that a Core is made of.
type Deps struct {
	Store   Store
	Ring    *keyring.Ring // unlocked
	Tokens  *token.Minter
	Hasher  *password.Hasher
	Policy  *password.Policy
	Traffic func(event.Event) // where traffic events go; must not block

	// Routed is told what receipts say of the way to a country, so that a provider
	// whose messages do not arrive is left alone. It must not block; nil: nobody asks.
	Routed func(provider, country string, failed bool)

	Now      func() time.Time
	Rand     io.Reader
	Limiter  limit.Limiter
	Captcha  captcha.Verifier // nil: none is ever asked for
	Settings Settings
}

// Settings are the operator's choices that flows decide by.
type Settings struct {
	AppName       string            // named in messages
	Host          string            // the origin-bound last line's host; "" leaves the line out
	Texts         locale.Texts      // of messages
	DefaultRegion string            // for numbers typed without +; "" refuses them
	CodeTTL       time.Duration     // how long a challenge lives
	RefreshGrace  time.Duration     // how long a predecessor gets its successor again
	IdleTimeout   time.Duration     // a session ends after so long without a refresh
	Lifetime      time.Duration     // and after so long in any case
	ReauthWindow  time.Duration     // how fresh auth_time must be
	TestNumbers   map[string]string // E.164 → code: no message, a fixed code

	// AndroidAppHash ends the messages that a device of the platform "android" asks
	// for, in place of the origin-bound line: the SMS Retriever finds its app by it.
	// "" for none.
	AndroidAppHash string

	// TestNumbersUntil is when they become ordinary numbers; zero: never.
	TestNumbersUntil time.Time

	Limits       map[string]limit.Rule // in place of those in LimitTable, by name: N and Window
	SMSCountries []string              // ISO 3166-1 alpha-2: where messages may go; empty: everywhere
	Prices       Prices                // of messages; nil: they cost nothing
	Routes       []Route               // by which messages go, in the operator's order; none: SMS, everywhere
	Budgets      Budgets               // what messages may cost
	Currency     string                // of prices and budgets: ISO 4217
	GuardMonitor bool                  // the conversion guard tells and pauses nothing (C-50)
	CaptchaLifts bool                  // a solved captcha opens what others have exhausted (C-42)

	// LimitsDisabled switches limits, delays, locks, resend waits, the conversion
	// guard and eight-digit codes off; never the guesses that a challenge allows
	// (C-36), the countries, or what messages may cost.
	LimitsDisabled bool
}

// New makes a Core.
func New(d Deps) *Core {
	testKeys := map[string]bool{}
	for number := range d.Settings.TestNumbers {
		testKeys[d.Ring.Pseudonym(number)] = true
	}
	return &Core{
		store: d.Store, ring: d.Ring, tokens: d.Tokens, hasher: d.Hasher, policy: d.Policy,
		traffic: d.Traffic, routed: d.Routed, clock: d.Now, rand: d.Rand, limiter: d.Limiter, captcha: d.Captcha,
		settings: d.Settings, limits: limitsOf(d.Settings),
		turns: newTurns(), peeking: make(chan struct{}, peeks), testKeys: testKeys,
	}
}

// JWKS gives the public keys of access tokens as a JWK Set (RFC 7517).
func (c *Core) JWKS() []byte { return c.tokens.JWKS() }

// now is the one clock: UTC, whole milliseconds, as the store keeps time.
func (c *Core) now() time.Time { return c.clock().UTC().Truncate(time.Millisecond) }
