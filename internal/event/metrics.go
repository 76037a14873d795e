package event

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapeTimeout is how long a scrape may take: gauges may ask the store.
const scrapeTimeout = 10 * time.Second

// MetricsOptions say what metrics are to know beforehand.
type MetricsOptions struct {
	Version   string    // of the program
	Providers Providers // others count as "other"
	Routes    []string  // all that ObserveHTTP may be told; others count as "other"
}

// Metrics counts events for Prometheus: the sink "metrics". No label tells of a
// person, an address or anything that a client can choose (C-79, C-75).
type Metrics struct {
	registry  *prometheus.Registry
	providers Providers
	routes    []string
	mu        sync.Mutex
	recent    recent

	events, signIns, codesSent, codesRedeemed, codesFailed *prometheus.CounterVec
	locks, refreshes, refusals, accounts, alerts           *prometheus.CounterVec
	adminActions, pauses                                   *prometheus.CounterVec
	unlocks, reuses, foreignKeys                           prometheus.Counter
	deliveries, receiptsRefused                            *prometheus.CounterVec
	requests, delivery                                     *prometheus.HistogramVec
}

// NewMetrics makes metrics that have counted nothing, in a registry of their
// own, beside what Go and the operating system tell of the process.
func NewMetrics(o MetricsOptions) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), routes: slices.Clone(o.Routes), providers: o.Providers}
	m.events = m.counters("events_total", "Events of the security log.", "event", "outcome")
	m.signIns = m.counters("signins_total", "Tries to sign in; codes for whatever purpose among them.", "method", "outcome", "reason")
	m.codesSent = m.counters("codes_sent_total", "Tries to send a code by a provider: success, failure, or withheld because nobody has the number.", "provider", "country", "outcome")
	m.deliveries = m.counters("deliveries_total", "Messages that a provider took and of which its receipts tell the end.", "provider", "country", "state")
	m.receiptsRefused = m.counters("receipts_refused_total", "Calls at /receipts that were not the provider's, or that could not be read.", "provider", "reason")
	m.codesRedeemed = m.counters("codes_redeemed_total", "Right codes.", "country")
	m.codesFailed = m.counters("codes_failed_total", "Wrong codes, and codes refused unevaluated.", "reason")
	m.locks = m.counters("locks_total", "Pauses that failures earned a phone number.", "method")
	m.refreshes = m.counters("refreshes_total", "Refresh tokens shown.", "outcome", "reason")
	m.refusals = m.counters("limit_refusals_total", "Requests that a limit refused.", "limit")
	m.accounts = m.counters("accounts_total", "Accounts made, changed and deleted.", "change")
	m.alerts = m.counters("alerts_total", "Alerts told.", "alert")
	m.adminActions = m.counters("admin_actions_total", "What programs did with an API key, reads too, and what they were denied, but for foreign keys.", "outcome", "reason")
	m.foreignKeys = m.counters("foreign_keys_total", "Requests that anybody can make: to the public listener, with an API key that never was one.").WithLabelValues()
	m.pauses = m.counters("sending_paused_total", "Times that too few codes were redeemed and sending was paused.", "scope")
	m.unlocks = m.counters("unlocks_total", "Ends of the pauses that failures earned a phone number.").WithLabelValues()
	m.reuses = m.counters("refresh_token_reuse_total", "Old refresh tokens shown again, each of which ended a session.").WithLabelValues()
	m.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "countersign_http_request_duration_seconds", Help: "Time to answer a request.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "status"})
	m.delivery = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "countersign_delivery_seconds", Help: "Time from the try by which a message was sent to its delivery, as receipts tell it.",
		Buckets: []float64{.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600},
	}, []string{"provider"})
	m.begin()
	m.registry.MustRegister(m.requests, m.delivery, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Gauge("countersign_build_info", "The version that runs; always 1.",
		map[string]string{"version": o.Version, "go": runtime.Version()}, func() float64 { return 1 })
	return m
}

// begin sets to zero what alerts look at: Prometheus sees no increase in a
// series that begins with one.
func (m *Metrics) begin() {
	for word := range alertWords {
		m.alerts.WithLabelValues(word)
	}
	for word := range limitWords {
		m.refusals.WithLabelValues(word)
	}
	for word := range pauseScopes {
		m.pauses.WithLabelValues(word)
	}
	for _, change := range changes {
		m.accounts.WithLabelValues(change)
	}
	for _, method := range []string{"sms", "password"} {
		m.locks.WithLabelValues(method)
	}
	for _, reason := range []string{"unknown_key", "revoked_key", "expired_key", "insufficient_scope"} {
		m.adminActions.WithLabelValues(string(Failure), reason)
	}
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "countersign_" + name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// Name is "metrics".
func (m *Metrics) Name() string { return "metrics" }

// Write counts the events. It never errs.
func (m *Metrics) Write(_ context.Context, events []Event) (Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		if !m.recent.again(e.ID) {
			m.count(e, SeriesOf(e, m.providers))
		}
	}
	return Head{}, nil
}

// Close does nothing.
func (m *Metrics) Close() error { return nil }

// count adds an event to all that count it.
func (m *Metrics) count(e Event, s Series) {
	outcome := string(s.Outcome)
	m.events.WithLabelValues(string(s.Name), outcome).Inc()
	if s.SignIn() {
		m.signIns.WithLabelValues(s.Method, outcome, s.Reason).Inc()
	}
	if s.Redeemed() {
		m.codesRedeemed.WithLabelValues(s.Country).Inc()
	}
	if change := changes[s.Name]; change != "" {
		m.accounts.WithLabelValues(change).Inc()
	}
	switch s.Name {
	case SMSSent:
		m.countSent(e, s, outcome)
	case SMSSendFailed:
		if !m.countReceipt(e, s) {
			m.countSent(e, s, outcome)
		}
	case SMSDelivered:
		m.countReceipt(e, s)
	case ReceiptRefused:
		m.receiptsRefused.WithLabelValues(s.Provider, s.Reason).Inc()
	case SMSWithheld:
		m.countSent(e, s, "withheld")
	case CodeFailed, CodeRefused:
		m.codesFailed.WithLabelValues(s.Reason).Inc()
	case AccountLocked:
		m.locks.WithLabelValues(s.Method).Inc()
	case AccountUnlocked:
		m.unlocks.Inc()
	case TokenRefreshed, TokenRefreshFailed:
		m.refreshes.WithLabelValues(outcome, s.Reason).Inc()
	case RefreshTokenReused:
		m.reuses.Inc()
	case RateLimited:
		m.refusals.WithLabelValues(s.Reason).Inc()
	case Alert:
		m.alerts.WithLabelValues(s.Reason).Inc()
	case AdminAction:
		if anybodys(e) {
			m.foreignKeys.Inc()
		} else {
			m.adminActions.WithLabelValues(outcome, s.Reason).Inc()
		}
	case SendingPaused:
		m.pauses.WithLabelValues(oneOf(pauseScopes, text(e.Attributes, "scope"))).Inc()
	}
}

// countSent counts a message if it holds a code. Notices are no codes: nobody
// is to redeem them.
func (m *Metrics) countSent(e Event, s Series, outcome string) {
	if !strings.HasSuffix(text(e.Attributes, "purpose"), "_notice") {
		m.codesSent.WithLabelValues(s.Provider, s.Country, outcome).Inc()
	}
}

// countReceipt counts the end of a message, if it is a receipt that tells it. That
// was no try to send: the try was counted before.
func (m *Metrics) countReceipt(e Event, s Series) bool {
	state := text(e.Attributes, "state")
	if state == "" {
		return false
	}
	m.deliveries.WithLabelValues(s.Provider, s.Country, oneOf(stateWords, state)).Inc()
	if took, ok := e.Attributes["took_ms"].(int64); ok {
		m.delivery.WithLabelValues(s.Provider).Observe(float64(took) / 1000)
	}
	return true
}

// changes are the events that change accounts, as metrics call them.
var changes = map[Name]string{
	AccountCreated: "created", AccountDisabled: "disabled", AccountEnabled: "enabled", AccountDeleted: "deleted",
	PasswordChanged: "password_changed", PasswordReset: "password_reset",
	PhoneNumberChanged: "phone_number_changed", ProfileChanged: "profile_changed",
}

// ObserveHTTP counts an answered request. The route is its pattern, one of
// MetricsOptions.Routes, never its path.
func (m *Metrics) ObserveHTTP(route string, status int, took time.Duration) {
	if !slices.Contains(m.routes, route) {
		route = OtherReason
	}
	class := OtherReason
	if status >= 100 && status <= 599 {
		class = strconv.Itoa(status/100) + "xx"
	}
	m.requests.WithLabelValues(route, class).Observe(took.Seconds())
}

// Gauge adds a value that is read at each scrape; read has to be safe for
// concurrent use. The values of its labels must not come from outside the
// program. Two gauges of one name and labels are a fault of the program: it
// panics.
func (m *Metrics) Gauge(name, help string, labels map[string]string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// Total is a Gauge of what only grows, such as how often something was done
// since the start.
func (m *Metrics) Total(name, help string, labels map[string]string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// Handler serves the metrics in Prometheus' text formats.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: scrapeTimeout})
}
