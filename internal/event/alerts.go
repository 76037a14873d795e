package event

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// DefaultQuiet is how long an alert says nothing more of the same subject.
const DefaultQuiet = 15 * time.Minute

// AlertOptions say how alerts are judged and where they go.
type AlertOptions struct {
	Now   func() time.Time
	Rand  io.Reader
	Rules map[string]AlertRule // in place of AlertTable's, by name; a window of 0 keeps the table's
	Quiet time.Duration        // 0: DefaultQuiet

	// Tell gets the alerts. It is called by Write and Tick, outside of all locks,
	// and must not block.
	Tell func(Event)
}

// Alerts watches events and tells of what should not happen: the sink "alerts"
// (C-80). It counts what this process was given, in bounded memory, and counts
// no alert. An alert is an event Alert whose Reason is its name and whose
// attributes say what was seen (seen, and of how many: of), what of it is too
// much (threshold, in the unit), in which window (window_seconds), of whom
// (subject: an address, a masked number, a method; "" for all), how bad it is
// (severity) and what to do (advice).
type Alerts struct {
	o     AlertOptions
	rules map[string]AlertRow

	mu       sync.Mutex
	recent   recent
	subjects map[string]*subjects // by alert
	sends    tries
	signIns  map[string]*tries // by method
	baseline int64
	budgets  map[BudgetKey]toldBudget
	found    []Event // to be told once the lock is off
}

// tries counts what may succeed or fail.
type tries struct{ all, failed window }

// Week tells which share of the sign-ins by a method worked in the last seven
// days, 0 to 1. It is not enough where too few tried.
type Week func(method string) (rate float64, enough bool)

// NewAlerts makes alerts that have seen nothing.
func NewAlerts(o AlertOptions) *Alerts {
	if o.Quiet == 0 {
		o.Quiet = DefaultQuiet
	}
	a := &Alerts{
		o: o, rules: map[string]AlertRow{}, subjects: map[string]*subjects{},
		signIns: map[string]*tries{"sms": {}, "password": {}}, budgets: map[BudgetKey]toldBudget{},
	}
	for _, row := range AlertTable() {
		if rule, ok := o.Rules[row.Name]; ok {
			row.N = rule.N
			if rule.Window > 0 {
				row.Window = rule.Window
			}
		}
		a.rules[row.Name], a.subjects[row.Name] = row, newSubjects()
	}
	return a
}

// Name is "alerts".
func (a *Alerts) Name() string { return "alerts" }

// Write looks at the events and tells what they come to. It never errs.
func (a *Alerts) Write(_ context.Context, events []Event) (Head, error) {
	a.judge(func(now time.Time) {
		for _, e := range events {
			if !a.recent.again(e.ID) {
				a.look(e, SeriesOf(e, nil), now) // no alert goes by the provider
			}
		}
	})
	return Head{}, nil
}

// Close does nothing.
func (a *Alerts) Close() error { return nil }

// SetBaseline tells how many codes fail in ten minutes as a rule: the median of
// the last seven days (C-45).
func (a *Alerts) SetBaseline(codeFailures int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.baseline = codeFailures
}

// Tick compares the sign-ins of the last window with their week. It is to be
// called each minute.
func (a *Alerts) Tick(now time.Time, week Week) {
	for method, t := range a.signIns {
		rate, enough := week(method) // may read a store: outside of the lock
		if enough {
			a.judge(func(time.Time) { a.lookAtSuccess(now, method, t, rate) })
		}
	}
}

// judge runs with the lock, and tells what was found without it.
func (a *Alerts) judge(look func(now time.Time)) {
	now := a.o.Now()
	a.mu.Lock()
	look(now)
	found := a.found
	a.found = nil
	a.mu.Unlock()
	for _, e := range found {
		a.o.Tell(e)
	}
}

// look counts an event for every alert that it concerns.
func (a *Alerts) look(e Event, s Series, now time.Time) {
	if s.SignIn() {
		a.countSignIn(e, s, now)
	}
	switch s.Name {
	case FailedLogin:
		a.countAddress(e, now)
	case CodeFailed:
		a.countAddress(e, now)
		a.countCode(e, now)
	case AccountLocked:
		a.count(AlertLock, e, e.PhonePseudonym, e.PhoneNumber, now)
		a.count(AlertLockWave, e, "", "", now)
	case SMSSent, SMSSendFailed:
		a.countSend(e, now)
	case RefreshTokenReused:
		a.count(AlertReuse, e, "", "", now)
	case AdminAction:
		if s.Outcome == Failure && !anybodys(e) {
			a.count(AlertAdmin, e, "", "", now)
		}
	case LogRecovered, Alert:
		if breaksLog[e.Reason] {
			a.count(AlertLog, e, e.Reason, e.Reason, now)
		}
	case DependencyLost:
		if text(e.Attributes, "part") == "limiter" {
			a.count(AlertLimiter, e, "", "", now)
		}
	case SendingPaused:
		subject := text(e.Attributes, "subject")
		a.count(AlertSendingPaused, e, text(e.Attributes, "scope")+" "+subject, subject, now)
	}
}

// breaksLog are what the log tells of itself when its chain does not go on as
// it should.
var breaksLog = set(reasonTorn, reasonDamaged, reasonCut, reasonReplaced)

// count counts an event for an alert, under a key, and tells the alert of the
// subject if it is one too many.
func (a *Alerts) count(name string, e Event, key, shown string, now time.Time) {
	rule := a.rules[name]
	watched := a.subjects[name].of(key)
	seen := watched.window.add(happened(e, now), rule.Window)
	if seen >= int64(rule.N) {
		f := finding{rule: rule, seen: seen, threshold: int64(rule.N), subject: shown}
		if name == AlertLock {
			f.number, f.pseudonym = e.PhoneNumber, e.PhonePseudonym
		}
		a.tell(f, watched, now)
	}
}

// finding is what an alert tells.
type finding struct {
	rule            AlertRow
	seen, threshold int64
	unit            string // "": events
	tries           int64  // of how many; 0: does not matter
	subject         string

	number, pseudonym string // whose events tell more
}

// tell keeps an alert to be told, unless it is off or quiet.
func (a *Alerts) tell(f finding, watched *subject, now time.Time) {
	if f.rule.N <= 0 || now.Before(watched.quiet) {
		return
	}
	id, err := keyring.NewID(now, a.o.Rand)
	if err != nil {
		return // without chance nobody signs in either, and the next event tells
	}
	watched.quiet = now.Add(a.o.Quiet)
	if f.unit == "" {
		f.unit = "events"
	}
	alert := Event{
		ID: id, Time: now, Name: Alert, Outcome: Failure, Reason: f.rule.Name,
		PhoneNumber: f.number, PhonePseudonym: f.pseudonym,
		Attributes: Attributes{
			"seen": f.seen, "threshold": f.threshold, "unit": f.unit,
			"window_seconds": int64(f.rule.Window / time.Second),
			"subject":        f.subject, "severity": f.rule.Severity, "advice": f.rule.Advice,
		},
	}
	if f.tries > 0 {
		alert.Attributes["of"] = f.tries
	}
	a.found = append(a.found, alert)
}

// anybodys tells a denial that any stranger can cause: on the public listener,
// with a key that was never one. It must not drown those that matter.
func anybodys(e Event) bool {
	return e.Reason == "unknown_key" && text(e.Attributes, "scope") == "clients:forward"
}
