package event

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// watchtower is alerts under a clock moved by hand, and what they told.
type watchtower struct {
	*Alerts
	t    *testing.T
	now  time.Time
	made int
	told []Event
}

func watch(t *testing.T, rules map[string]AlertRule) *watchtower {
	t.Helper()
	w := &watchtower{t: t, now: time.Date(2026, 11, 24, 7, 20, 31, 123e6, time.UTC)}
	w.Alerts = NewAlerts(AlertOptions{
		Now: func() time.Time { return w.now }, Rand: rand.NewChaCha8([32]byte{1}), Rules: rules,
		Tell: func(e Event) { w.told = append(w.told, e) },
	})
	return w
}

// see shows the alerts n events that differ by their ids.
func (w *watchtower) see(n int, e Event) {
	w.t.Helper()
	for range n {
		w.made++
		e.ID, e.Time = fmt.Sprint("event-", w.made), w.now
		write(w.t, w.Alerts, e)
	}
}

func (w *watchtower) pass(d time.Duration) { w.now = w.now.Add(d) }

// heard gives what was told since the last call: names and subjects.
func (w *watchtower) heard() string {
	var all []string
	for _, e := range w.told {
		all = append(all, strings.TrimSpace(e.Reason+" "+text(e.Attributes, "subject")))
	}
	w.told = nil
	return strings.Join(all, ", ")
}

func (w *watchtower) hears(want string) {
	w.t.Helper()
	if got := w.heard(); got != want {
		w.t.Errorf("heard %q, want %q", got, want)
	}
}

var (
	wrongPassword = Event{Name: FailedLogin, Outcome: Failure, Method: "password", Reason: "wrong_password", IPAddress: "203.0.113.7"}
	wrongCode     = Event{Name: CodeFailed, Outcome: Failure, Method: "sms", Reason: "wrong_code"}
	denied        = Event{Name: AdminAction, Outcome: Failure, Reason: "unknown_key"}
)

func TestC80FailuresOfOneAddress(t *testing.T) {
	w := watch(t, nil)
	w.see(10, wrongPassword)
	byCode := wrongCode
	byCode.IPAddress = "::ffff:203.0.113.7"
	w.see(9, byCode)
	other := wrongPassword
	other.IPAddress = "203.0.113.8"
	w.see(19, other)
	w.hears("")
	w.see(1, wrongPassword)
	w.hears("failures_per_address 203.0.113.7")

	other.IPAddress = "2001:db8:0:1::1"
	w.see(19, other)
	other.IPAddress = "2001:db8:0:2::1"
	w.see(1, other)
	w.hears("")
	other.IPAddress = "2001:db8:0:1:ffff::2"
	w.see(1, other)
	w.hears("failures_per_address 2001:db8:0:1::/64")
}

func TestC80AlertSaysWhatWasSeenAndWhatToDo(t *testing.T) {
	w := watch(t, nil)
	w.see(20, wrongPassword)
	if len(w.told) != 1 {
		t.Fatalf("told %+v", w.told)
	}
	e := w.told[0]
	if e.ID == "" || !e.Time.Equal(w.now) || e.Name != Alert || e.Outcome != Failure {
		t.Errorf("told %+v", e)
	}
	for key, want := range (Attributes{
		"seen": int64(20), "threshold": int64(20), "unit": "events", "window_seconds": int64(300),
		"subject": "203.0.113.7", "severity": "warning",
	}) {
		if e.Attributes[key] != want {
			t.Errorf("%s is %v, want %v", key, e.Attributes[key], want)
		}
	}
	for _, row := range AlertTable() {
		if !strings.HasSuffix(row.Advice, ".") || row.Doc == "" || row.Severity == "" || row.N < 1 || row.Window < time.Minute || !alertWords[row.Name] {
			t.Errorf("the row of %s lacks something: %+v", row.Name, row)
		}
	}
	if _, err := Decode(Encode(e)); err != nil {
		t.Error(err)
	}
}

func TestC80EveryLockAndLoudAtTen(t *testing.T) {
	w := watch(t, nil)
	lock := func(n int) Event {
		return Event{
			Name: AccountLocked, Outcome: Failure, Method: "password",
			PhoneNumber: fmt.Sprint("+49********0", n), PhonePseudonym: fmt.Sprint("pseudonym-", n),
		}
	}
	for n := range 9 {
		w.see(1, lock(n))
		w.hears(fmt.Sprint("account_lock +49********0", n))
	}
	w.see(1, lock(0))
	w.hears("lock_wave") // the tenth; the number's own alert is quiet
	w.see(1, lock(9))
	if e := w.told[0]; e.PhonePseudonym != "pseudonym-9" || e.PhoneNumber != "+49********09" || e.Attributes["severity"] != "info" {
		t.Errorf("told %+v", e)
	}
}

func TestC80SendFailures(t *testing.T) {
	sent := Event{Name: SMSSent, Outcome: Success}
	failed := Event{Name: SMSSendFailed, Outcome: Failure, Reason: "refused"}
	for _, c := range []struct {
		good, bad int
		want      string
	}{
		{0, 49, ""}, // too few to tell
		{0, 50, "send_failures"},
		{90, 10, ""}, // ten per cent are not more than ten
		{90, 11, "send_failures"},
	} {
		w := watch(t, nil)
		w.see(c.good, sent)
		w.see(c.bad, failed)
		if c.want != "" {
			if e := w.told[0].Attributes; e["unit"] != "percent" || e["of"] != int64(c.good+c.bad) || e["threshold"] != int64(10) {
				t.Errorf("%+v: told %+v", c, e)
			}
		}
		w.hears(c.want)
	}
	w := watch(t, nil)
	w.see(54, sent)
	w.see(6, failed.With("state", "undelivered")) // of the 54
	if of := w.told[0].Attributes["of"]; of != int64(54) {
		t.Errorf("of %v tries, want 54", of)
	}
	w.hears("send_failures")
	w = watch(t, nil)
	w.see(40, failed)
	w.pass(time.Hour + 2*time.Minute)
	w.see(49, failed)
	w.hears("")
	w.see(1, sent)
	w.hears("") // told by the next failure
	w.see(1, failed)
	w.hears("send_failures")
}

func TestC80SuccessUnderItsWeek(t *testing.T) {
	right := Event{Name: SuccessfulLogin, Outcome: Success, Method: "password"}
	week := func(rate float64, enough bool) Week {
		return func(method string) (float64, bool) { return rate, enough && method == "password" }
	}
	for _, c := range []struct {
		right, wrong int
		week         Week
		want         string
	}{
		{35, 15, week(.9, true), "success_drop password"}, // 70 %: 20 points under
		{36, 15, week(.9, true), ""},                      // 70.6 %
		{35, 15, week(.9, false), ""},                     // no week to compare with
		{34, 15, week(.9, true), ""},                      // 49 tries tell nothing
		{0, 50, week(.1, true), ""},                       // cannot be 20 points under that
		{0, 50, week(1, true), "success_drop password"},
	} {
		w := watch(t, nil)
		w.see(c.right, right)
		w.see(c.wrong, wrongPassword)
		w.heard() // of the address
		w.Tick(w.now, c.week)
		w.hears(c.want)
	}
	w := watch(t, nil)
	late := Event{Name: CodeRefused, Outcome: Failure, Method: "sms", Reason: "expired"}
	w.see(50, late)
	w.Tick(w.now, func(method string) (float64, bool) { return .5, true })
	if e := w.told[0].Attributes; e["seen"] != int64(0) || e["threshold"] != int64(30) || e["of"] != int64(50) {
		t.Errorf("told %+v", e)
	}
	w.hears("success_drop sms")
	w.pass(time.Hour + 2*time.Minute)
	w.Tick(w.now, func(string) (float64, bool) { return .5, true })
	w.hears("") // all that is over
}

func TestC80Waves(t *testing.T) {
	for _, c := range []struct {
		event Event
		n     int
		want  string
	}{
		{Event{Name: RefreshTokenReused, Outcome: Failure}, 5, "reuse_wave"},
		{denied, 5, "admin_denials"},
		{Event{Name: LogRecovered, Outcome: Success, Reason: reasonTorn}, 1, "log_broken torn_line"},
		{Event{Name: Alert, Outcome: Failure, Reason: reasonCut}, 1, "log_broken log_cut"},
		{Event{Name: Alert, Outcome: Failure, Reason: reasonDamaged}, 1, "log_broken log_damaged"},
		{Event{Name: Alert, Outcome: Failure, Reason: reasonReplaced}, 1, "log_broken log_replaced"},
		{Event{Name: DependencyLost, Outcome: Failure, Attributes: Attributes{"part": "limiter"}}, 1, "limiter_fallback"},
		{Event{Name: SendingPaused, Outcome: Failure, Attributes: Attributes{"scope": "country", "subject": "FR"}}, 1, "sending_paused FR"},
		{wrongCode, 301, "code_failures"}, // C-45: over 300
	} {
		w := watch(t, nil)
		w.see(c.n-1, c.event)
		w.hears("")
		w.see(1, c.event)
		w.hears(c.want)
	}
}

// The log writes what happened to it into itself alone; Told brings it to those
// who watch.
func TestC80BreaksOfTheLogReachTheAlerts(t *testing.T) {
	b, w := newBench(t), watch(t, nil)
	look := func(f *File, want string) {
		t.Helper()
		w.now = b.now
		write(t, w.Alerts, f.Told()...)
		w.hears(want)
		if again := f.Told(); len(again) != 0 {
			t.Errorf("told again: %+v", again)
		}
	}
	f := b.open()
	b.write(f, 3)
	look(f, "")
	b.close(f)
	b.overwrite(b.path(), b.read(b.path())+`{"id":"to`)
	f = b.open()
	look(f, "log_broken torn_line")
	b.write(f, 1)
	if err := os.Remove(b.path()); err != nil {
		t.Fatal(err)
	}
	b.write(f, 1)
	look(f, "log_broken log_replaced")
	b.close(f)
	b.head.Chain = strings.Repeat("A", chainSize)
	look(b.open(), "log_broken log_cut")
}

func TestC80WhatIsNoAlarm(t *testing.T) {
	w := watch(t, nil)
	w.see(1000, Event{Name: AdminAction, Outcome: Success})
	w.see(1000, Event{Name: AdminAction, Outcome: Failure, Reason: "unknown_key", Attributes: Attributes{"scope": "clients:forward"}})
	w.see(1000, Event{Name: DependencyLost, Outcome: Failure, Attributes: Attributes{"part": "database"}})
	w.see(1000, Event{Name: SuccessfulLogin, Outcome: Success, Method: "sms", IPAddress: "203.0.113.7"})
	w.see(1000, Event{Name: Alert, Outcome: Failure, Reason: "events_dropped"})
	for _, row := range AlertTable() {
		w.see(1000, Event{Name: Alert, Outcome: Failure, Reason: row.Name, IPAddress: "203.0.113.7"})
	}
	w.hears("")
}

func TestC45CodesAgainstWhatIsUsual(t *testing.T) {
	w := watch(t, nil)
	w.SetBaseline(150)
	w.see(450, wrongCode)
	w.hears("")
	w.see(1, wrongCode)
	if e := w.told[0].Attributes; e["seen"] != int64(451) || e["threshold"] != int64(450) {
		t.Errorf("told %+v", e)
	}
	w = watch(t, nil)
	w.SetBaseline(10)
	w.see(301, wrongCode)
	w.hears("code_failures")
}

func TestC80QuietTime(t *testing.T) {
	w := watch(t, nil)
	w.see(20, wrongPassword)
	w.hears("failures_per_address 203.0.113.7")
	w.pass(DefaultQuiet - time.Millisecond)
	w.see(40, wrongPassword)
	w.hears("")
	other := wrongPassword
	other.IPAddress = "203.0.113.8"
	w.see(20, other)
	w.hears("failures_per_address 203.0.113.8")
	w.pass(time.Millisecond)
	w.see(1, wrongPassword)
	w.hears("failures_per_address 203.0.113.7")
}

func TestC80RulesFromSettings(t *testing.T) {
	w := watch(t, map[string]AlertRule{
		AlertAddress: {N: 3, Window: time.Hour}, AlertAdmin: {N: 0, Window: time.Hour}, AlertReuse: {N: 2},
	})
	w.see(100, denied) // off
	w.see(2, wrongPassword)
	w.pass(59 * time.Minute)
	w.hears("")
	w.see(1, wrongPassword)
	w.hears("failures_per_address 203.0.113.7")
	reuse := Event{Name: RefreshTokenReused, Outcome: Failure}
	w.see(1, reuse)
	w.pass(11 * time.Minute) // the table's ten minutes stay
	w.see(1, reuse)
	w.hears("")
	w.see(1, reuse)
	w.hears("reuse_wave")
}

func TestC80AnEventThatComesAgainCountsOnce(t *testing.T) {
	w := watch(t, nil)
	var batch []Event
	for n := range 19 {
		e := wrongPassword
		e.ID, e.Time = fmt.Sprint("event-", n), w.now
		batch = append(batch, e)
	}
	write(t, w.Alerts, batch...)
	write(t, w.Alerts, batch...)
	w.hears("")
}
