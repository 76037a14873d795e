package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// drainTime is how long requests in hand may take when the server stops.
const drainTime = 10 * time.Second

// startPercent is how much garbage a start may make before it is collected, as
// a part of what stays (GOGC): most stays, and to look through it costs a fifth
// of the time from main to readiness.
const startPercent = 400

// Options are what a server is told beside its settings. Zero values are the
// world's own: the clock, the system's random source, no log. Rand need not be
// safe for concurrent use.
type Options struct {
	Now     func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
	Version string // as the OpenAPI document tells it

	// NowIsRight has no database put Now right: it is a test's.
	NowIsRight bool

	clock *clock // Start's: of it, Now is the corrected time
}

// whole are the options with what is not given.
func (o Options) whole() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	} else {
		o.Rand = &sharedReader{from: o.Rand}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.clock = &clock{machine: o.Now, given: o.NowIsRight, log: o.Log}
	o.Now = o.clock.now
	return o
}

// Server is a running server. Start makes one.
type Server struct {
	config   config.Config
	options  Options
	parts    *parts
	public   net.Listener
	operator net.Listener
	servers  []*http.Server
	health   *health
	peers    *dialect.Peers
	upkeep   *upkeep
	lock     io.Closer

	serving   sync.WaitGroup // the listeners
	working   sync.WaitGroup // upkeep, then the outbox
	endUpkeep context.CancelFunc
	endOutbox context.CancelFunc
	failed    chan error // what ended without being asked to
	stopOnce  sync.Once
	stopErr   error
}

// Run serves until ctx ends or a part fails, and stops in order. It tells on
// stdout where to go next.
func Run(ctx context.Context, c config.Config, o Options, stdout io.Writer) error {
	percent := debug.SetGCPercent(startPercent)
	s, err := Start(ctx, c, o)
	debug.SetGCPercent(percent)
	if err != nil {
		return err
	}
	s.welcome(stdout)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-s.Failed():
	}
	return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
}

// Start opens everything and serves when it returns. The error of what cannot
// be opened says what to do about it; nothing stays open then.
func Start(ctx context.Context, c config.Config, o Options) (*Server, error) {
	o = o.whole()
	s := &Server{config: c, options: o, failed: make(chan error, 4)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.start()
	return s, nil
}

// open takes what a server holds, the ports first: a second server over the
// same directory fails before it touches anything.
func (s *Server) open(ctx context.Context) (err error) {
	if s.lock, err = openDataDir(s.config.DataDir); err != nil {
		return err
	}
	if s.public, err = listen(ctx, s.config.Listen, s.config); err != nil {
		return err
	}
	if s.operator, err = listen(ctx, s.config.OperatorListen, s.config); err != nil {
		return err
	}
	s.config.PublicURL = withPort(s.config.PublicURL, s.config.Listen, s.Addr())
	s.config.Audience = withPort(s.config.Audience, s.config.Listen, s.Addr())
	if s.parts, err = openParts(ctx, s.config, s.options); err != nil {
		return err
	}
	s.peers = dialect.NewPeers(s.config.TrustedProxies, s.config.PublicURL)
	s.health = &health{
		ping: s.parts.store.Ping, peers: s.peers.Warning, limiter: s.parts.limiter.warning, clock: s.options.clock.warning, sms: s.parts.smsWarning,
	}
	return nil
}

// withPort puts the port that was taken in place of an address's port 0.
func withPort(url, listen, taken string) string {
	if host, ok := strings.CutSuffix(listen, ":0"); ok && strings.HasSuffix(url, "://"+listen) {
		_, port, _ := net.SplitHostPort(taken)
		return strings.TrimSuffix(url, listen) + host + ":" + port
	}
	return url
}

func (s *Server) start() {
	var outboxCtx, upkeepCtx context.Context
	outboxCtx, s.endOutbox = context.WithCancel(context.Background())
	upkeepCtx, s.endUpkeep = context.WithCancel(context.Background())
	s.working.Go(func() { s.report("the outbox", s.parts.outbox.Run(outboxCtx)) })
	s.parts.traffic(event.ServerStarted, event.Success, event.Attributes{"version": s.options.Version})
	s.parts.tellKeys()
	s.warn()
	s.upkeep = newUpkeep(s.parts, s.peers, s.options)
	s.working.Go(func() { s.upkeep.run(upkeepCtx) })
	s.serve(s.public, s.publicHandler())
	s.serve(s.operator, s.operatorHandler())
}

func (s *Server) serve(l net.Listener, handler http.Handler) {
	server := newHTTPServer(handler, s.options.Log)
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.report("the listener "+l.Addr().String(), err)
		}
	})
}

// report tells whoever waits that a part has ended. Ending when asked is no
// failure, and the parts ask nobody's leave twice.
func (s *Server) report(part string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.failed <- fmt.Errorf("%s failed: %w", part, err)
	}
}

// Failed tells of a part that ended without being asked to.
func (s *Server) Failed() <-chan error { return s.failed }

// Addr is the public listener's address.
func (s *Server) Addr() string { return s.public.Addr().String() }

// OperatorAddr is the operator listener's address.
func (s *Server) OperatorAddr() string { return s.operator.Addr().String() }

// Stop ends the server in order: no new connections, requests in hand are
// answered (for 10 s at most), the outbox finishes what it holds, sinks and
// store are closed. It returns when all has ended; again, the same.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		s.health.stopping.Store(true)
		s.drain(ctx)
		s.endUpkeep()
		s.parts.traffic(event.ServerStopped, event.Success, nil)
		s.endOutbox()
		s.working.Wait()
		s.upkeep.finish(context.WithoutCancel(ctx))
		s.stopErr = errors.Join(s.close(), s.failure())
	})
	return s.stopErr
}

// failure is what ended without being asked to and nobody was told of.
func (s *Server) failure() error {
	select {
	case err := <-s.failed:
		return errors.Join(err, s.failure())
	default:
		return nil
	}
}

func (s *Server) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	var draining sync.WaitGroup
	for _, server := range s.servers {
		draining.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				s.options.Log.Warn("requests were cut off", "error", err)
				server.Close()
			}
		})
	}
	draining.Wait()
	s.serving.Wait()
}

// close gives back what open took, the last first.
func (s *Server) close() error {
	var errs []error
	if s.parts != nil {
		errs = append(errs, s.parts.close())
	}
	for _, l := range []net.Listener{s.operator, s.public} {
		if l != nil && len(s.servers) == 0 {
			errs = append(errs, l.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// sharedReader lets many goroutines read from a source that was made for one.
type sharedReader struct {
	mu   sync.Mutex
	from io.Reader
}

func (r *sharedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from.Read(p)
}

// newID makes an event's id, or none where there is no chance to be had: an
// event without one is not told.
func newID(now time.Time, rand io.Reader) string {
	id, err := keyring.NewID(now, rand)
	if err != nil {
		return ""
	}
	return id
}
