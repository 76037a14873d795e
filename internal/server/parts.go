package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/outbox"
	"github.com/countersign/countersign/internal/password"
	"github.com/countersign/countersign/internal/token"
)

// inboxKeeps is how many messages the development inbox keeps.
const inboxKeeps = 1000

// clientID is that of all access tokens, until clients are registered.
const clientID = "default"

// parts are what stands behind the listeners.
type parts struct {
	options Options
	ring    *keyring.Ring
	keys    keys
	made    bool // the master key file is new
	store   engine
	log     *event.File
	inbox   *gateway.Inbox

	providers []provider
	currency  string        // of all prices
	ready     chan struct{} // closed once the core is there

	outbox  *outbox.Outbox
	limiter *limiter
	hasher  *password.Hasher
	core    *core.Core
	watch   *watch

	schedule *keySchedule
	instance string       // an id of this run
	present  atomic.Int64 // how many instances there are, as last seen
}

// engine is what keeps everything: one of the two.
type engine interface {
	core.Store
	Commits() (commits, operations int64)
	Close() error
}

// openParts opens them in the order in which they need each other. After an
// error nothing stays open.
func openParts(ctx context.Context, c config.Config, o Options) (*parts, error) {
	p := &parts{options: o, currency: c.SMSCurrency, ready: make(chan struct{})}
	p.instance = newID(p.now(), o.Rand)
	if err := p.open(ctx, c); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *parts) open(ctx context.Context, c config.Config) error {
	if err := p.openStore(ctx, c, true); err != nil {
		return err
	}
	logName, err := logName(c, p.options.Rand, p.now())
	if err != nil {
		return err
	}
	head, err := p.store.LogHead(ctx, logName)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("reading the security log's head: %w", err)
	}
	p.log, err = event.OpenFile(event.FileOptions{
		Path: filepath.Join(c.DataDir, logFile), Ring: p.ring, Head: head, Now: p.now, Rand: p.options.Rand,
	})
	if err != nil {
		return fmt.Errorf("opening the security log: %w", err)
	}
	p.inbox = gateway.NewInbox(inboxKeeps)
	if p.providers, err = openProviders(c, p.options, p.inbox, p.deliver); err != nil {
		return err
	}
	p.watch = newWatch(c, p.options, p.now, func(e event.Event) { p.outbox.Traffic(e) })
	p.outbox = outbox.New(outbox.Options{
		Store: p.store, Ring: p.ring, Routes: outboxRoutes(p.providers), Routing: outbox.Routing(c.SMSRouting), Currency: c.SMSCurrency,
		Sinks: []event.Sink{p.log}, Watchers: []event.Sink{p.watch.sink()}, Budgets: budgets(c),
		LogName: logName,
		Now:     p.now, Rand: p.options.Rand, Log: p.options.Log,
	})
	if err := p.attend(ctx); err != nil {
		return err
	}
	if err := p.makeCore(c, p.outbox.Traffic); err != nil {
		return err
	}
	close(p.ready)
	p.watch.read(p)
	return nil
}

// openStore opens the database, the ring, and the ring with the database's keys.
// alone says that no server runs over the same data directory.
func (p *parts) openStore(ctx context.Context, c config.Config, alone bool) (err error) {
	if p.store, err = openEngine(ctx, c, p.options, alone); err != nil {
		return err
	}
	stored, err := p.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("reading the stored keys: %w", err)
	}
	if len(stored) == 0 && shared(c) && !alone {
		return fmt.Errorf("%s holds no installation: check it, or start the server first", databaseName(c))
	}
	if len(stored) == 0 && exists(filepath.Join(c.DataDir, logFile)) {
		return notEmptyBeside(c)
	}
	keys, made, err := masters(c, len(stored) == 0, p.options.Rand)
	if err != nil {
		return err
	}
	p.made = made
	if p.ring, err = keyring.New(keys); err != nil {
		return err
	}
	if p.keys, err = openKeys(ctx, p.store, p.ring, stored, p.now(), p.options.Rand); err != nil {
		return fmt.Errorf("opening the keys in %s: %w", databaseName(c), err)
	}
	return nil
}

func (p *parts) makeCore(c config.Config, traffic func(event.Event)) error {
	tokens, err := token.New(p.ring, minted(p.keys.signing), token.Settings{
		Issuer: c.PublicURL, Audience: c.Audience, ClientID: clientID, TTL: c.AccessTokenTTL,
	}, p.options.Rand)
	if err != nil {
		return err
	}
	p.schedule = newKeySchedule(p, tokens, c.JWTKeyRotation)
	more, err := readLines(c.PasswordList)
	if err != nil {
		return fmt.Errorf("reading the list of passwords: %w", err)
	}
	texts, err := textsOf(c)
	if err != nil {
		return err
	}
	verifier, err := captchaOf(c, p.ring, p.options)
	if err != nil {
		return err
	}
	if p.limiter, err = newLimiter(c, p); err != nil {
		return err
	}
	p.hasher = password.NewHasher(password.HasherOptions{Ring: p.ring, Rand: p.options.Rand})
	p.core = core.New(core.Deps{
		Store: p.store, Ring: p.ring, Tokens: tokens, Hasher: p.hasher,
		Policy:  password.NewPolicy(c.PasswordMinLength, c.AppName, more),
		Traffic: traffic, Routed: p.routed, Now: p.options.Now, Rand: p.options.Rand,
		Limiter: p.limiter.Limiter, Captcha: verifier, Settings: coreSettings(c, texts, p.now()),
	})
	return nil
}

// close closes what is open, the last first.
func (p *parts) close() error {
	errs := []error{closeProviders(p.providers)}
	if p.log != nil {
		errs = append(errs, p.log.Close())
	}
	if p.limiter != nil {
		p.limiter.close()
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	return errors.Join(errs...)
}

// now is the clock as the store keeps time: UTC, whole milliseconds.
func (p *parts) now() time.Time { return p.options.Now().UTC().Truncate(time.Millisecond) }

// traffic tells the sinks of something that the server itself did or saw.
func (p *parts) traffic(name event.Name, outcome event.Outcome, attributes event.Attributes) {
	p.tell(name, outcome, "", attributes)
}

// tell is traffic with a reason.
func (p *parts) tell(name event.Name, outcome event.Outcome, reason string, attributes event.Attributes) {
	now := p.now()
	if id := newID(now, p.options.Rand); id != "" {
		p.outbox.Traffic(event.Event{ID: id, Time: now, Name: name, Outcome: outcome, Reason: reason, Attributes: attributes})
	}
}

// tellKeys tells of the keys that the start made or sealed anew.
func (p *parts) tellKeys() {
	if p.made {
		p.traffic(event.KeyCreated, event.Success, event.Attributes{"slot": "master", "key_id": p.ring.KeyID()})
	}
	for _, slot := range p.keys.made {
		p.traffic(event.KeyCreated, event.Success, event.Attributes{"slot": slot})
	}
	for _, slot := range p.keys.resealed {
		p.traffic(event.KeyRotated, event.Success, event.Attributes{"slot": slot, "key_id": p.ring.KeyID()})
	}
}

func readLines(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if line := scanner.Text(); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, scanner.Err()
}
