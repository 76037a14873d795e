package core_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// at is a stranger at an address.
func at(address string) core.Caller {
	caller := stranger()
	caller.Address = netip.MustParseAddr(address)
	return caller
}

// spread is the i-th of numbers of which no two have a prefix in common.
func spread(i int) string { return fmt.Sprintf("+1%d%d0100", 415+i/800, 200+i%800) }

// only leaves one limit as it is, or as n makes it, and all others so wide that
// nothing reaches them; the waits between messages stay too.
func only(name string, n int) func(*core.Settings) {
	return func(s *core.Settings) {
		s.Limits = map[string]limit.Rule{}
		for _, row := range core.LimitTable() {
			switch {
			case row.Name == string(core.SendWait):
			case row.Name != name:
				s.Limits[row.Name] = limit.Rule{N: 1 << 20, Window: row.Window}
			case n > 0:
				s.Limits[name] = limit.Rule{N: n, Window: row.Window}
			}
		}
	}
}

// heardLimit is the reason of the newest rate_limited event.
func (h *house) heardLimit() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.traffic) - 1; i >= 0; i-- {
		if h.traffic[i].Name == event.RateLimited {
			return h.traffic[i].Reason
		}
	}
	return ""
}

// probe shows one limit.
type probe struct {
	limit  string
	n      int // 0: as LimitTable has it
	change func(*core.Settings)

	// act gives what is limited: the i-th differs from all others in everything
	// but what is counted.
	act func(h *house) func(i int) error
}

func (p probe) row(t *testing.T) core.LimitRow {
	t.Helper()
	for _, row := range core.LimitTable() {
		if row.Name == p.limit {
			if p.n > 0 {
				row.N = p.n
			}
			return row
		}
	}
	t.Fatalf("the table of limits has no %s", p.limit)
	return core.LimitRow{}
}

func (p probe) house(t *testing.T) *house {
	t.Helper()
	change := []func(*core.Settings){only(p.limit, p.n), func(s *core.Settings) { s.GuardMonitor = true }}
	if p.change != nil {
		change = append(change, p.change)
	}
	return newHouse(t, change...)
}

// run shows the limit at N and at N+1, at both edges of its window, and in
// parallel.
func (p probe) run(t *testing.T) {
	t.Run(p.limit, func(t *testing.T) {
		t.Parallel()
		row := p.row(t)
		h := p.house(t)
		act := p.act(h)
		for i := range row.N {
			if err := act(i); codeOf(err) == core.CodeRateLimited {
				t.Fatalf("number %d of %d: %v (%s)", i+1, row.N, err, h.heardLimit())
			}
		}
		refused := func(i int, wait time.Duration) {
			t.Helper()
			refusal := want(t, act(i), core.CodeRateLimited)
			if refusal.RetryAfter != wait || h.heardLimit() != p.limit {
				t.Fatalf("retry after %v by %s, want %v by %s", refusal.RetryAfter, h.heardLimit(), wait, p.limit)
			}
		}
		refused(row.N, row.Window)
		h.pass(row.Window - time.Millisecond)
		refused(row.N, time.Second) // a millisecond, told in whole seconds
		h.pass(time.Millisecond)
		if err := act(row.N); codeOf(err) == core.CodeRateLimited {
			t.Errorf("a window later: %v", err)
		}
	})
	t.Run(p.limit+" in parallel", func(t *testing.T) {
		t.Parallel()
		row := p.row(t)
		act := p.act(p.house(t))
		var passed atomic.Int64
		var all sync.WaitGroup
		for i := range row.N + 20 {
			all.Go(func() {
				if codeOf(act(i)) != core.CodeRateLimited {
					passed.Add(1)
				}
			})
		}
		all.Wait()
		if passed.Load() != int64(row.N) {
			t.Errorf("%d of %d passed at once", passed.Load(), row.N)
		}
	})
}

func beginAt(address func(i int) string, number func(i int) string) func(*house) func(int) error {
	return func(h *house) func(int) error {
		return func(i int) error {
			_, err := h.LoginSMS(ctx, at(address(i)), core.BeginIn{PhoneNumber: number(i)})
			return err
		}
	}
}

func everywhere(i int) string { return fmt.Sprintf("10.%d.%d.7", i/200, i%200) }
func oneHost(int) string      { return "198.51.100.9" }
func oneHost6(i int) string   { return fmt.Sprintf("2001:db8:7:7::%x", i+1) }
func oneNet(i int) string     { return fmt.Sprintf("198.51.100.%d", i%250) }
func oneNet6(i int) string    { return fmt.Sprintf("2001:db8:7:%x::1", i+1) }
func mapped(i int) string {
	if i%2 == 0 {
		return oneHost(i)
	}
	return "::ffff:" + oneHost(i)
}

// wrongCodes are wrong guesses of as many challenges as it takes.
func wrongCodes(address func(i int) string) func(*house) func(int) error {
	return func(h *house) func(int) error {
		var mu sync.Mutex
		begun := map[int]core.Challenge{}
		return func(i int) error {
			mu.Lock()
			ch, ok := begun[i/core.MaxGuesses]
			if !ok {
				var err error
				if ch, err = h.LoginSMS(ctx, at(everywhere(i)), core.BeginIn{PhoneNumber: spread(i / core.MaxGuesses)}); err != nil {
					h.t.Error(err)
				}
				begun[i/core.MaxGuesses] = ch
			}
			mu.Unlock()
			_, err := h.Verify(ctx, at(address(i)), core.VerifyIn{ChallengeID: ch.ID, Code: "000000"})
			return err
		}
	}
}

func wrongPasswords(address func(i int) string) func(*house) func(int) error {
	return func(h *house) func(int) error {
		return func(i int) error {
			_, err := h.LoginPassword(ctx, at(address(i)), core.LoginPasswordIn{PhoneNumber: spread(i), Password: "not the password"})
			return err
		}
	}
}

func TestC44AddressesAndNetworksAreLimited(t *testing.T) {
	t.Parallel()
	probe{limit: "begin_address", act: beginAt(oneHost, spread)}.run(t)
	probe{limit: "begin_address", n: 7, act: beginAt(mapped, spread)}.run(t)
	probe{limit: "begin_address", n: 7, act: beginAt(oneHost6, spread)}.run(t)
	probe{limit: "begin_network", act: beginAt(oneNet, spread)}.run(t)
	probe{limit: "begin_network", n: 7, act: beginAt(oneNet6, spread)}.run(t)
	probe{limit: "code_failures_address", act: wrongCodes(oneHost)}.run(t)
	probe{limit: "code_failures_network", n: 40, act: wrongCodes(oneNet)}.run(t)
	probe{limit: "password_failures_address", act: wrongPasswords(oneHost)}.run(t)
	probe{limit: "password_failures_network", act: wrongPasswords(oneNet)}.run(t)
}

func TestC49PrefixesCountriesAndTheTotalAreLimited(t *testing.T) {
	t.Parallel()
	onePrefix := func(i int) string { return fmt.Sprintf("+14155550%03d", i) }
	worldwide := func(i int) string { return []string{spread(i), fmt.Sprintf("+447400%06d", 123456+10000*i)}[i%2] }
	probe{limit: "send_prefix", act: beginAt(everywhere, onePrefix)}.run(t)
	probe{limit: "send_country", n: 30, act: beginAt(everywhere, spread)}.run(t)
	probe{limit: "send_total", n: 30, act: beginAt(everywhere, worldwide)}.run(t)
	for _, row := range core.LimitTable() {
		if n, ok := map[string]int{"send_prefix": 20, "send_country": 20_000, "send_total": 50_000}[row.Name]; ok && row.N != n {
			t.Errorf("%s is %d", row.Name, row.N)
		}
	}
}

func TestAKnownDeviceASessionAndATestNumberAreLimited(t *testing.T) {
	t.Parallel()
	atKnown := func(h *house) func(int) error {
		known := h.signUp(alice, "").DeviceToken
		var one sync.Mutex // who redeems does not wait (C-39), but one after another
		return func(i int) error {
			one.Lock()
			defer one.Unlock()
			ch, err := h.LoginSMS(ctx, at(everywhere(i)), core.BeginIn{PhoneNumber: alice, Device: core.DeviceIn{Token: known}})
			if err == nil {
				_, err = h.verify(ch, h.code(ch))
			}
			return err
		}
	}
	probe{limit: "begin_device", act: atKnown}.run(t)
	probe{limit: "begin_devices", act: atKnown}.run(t)
	probe{limit: "send_prefix_devices", n: 12, act: atKnown}.run(t)
	probe{limit: "refresh_session", n: 60, act: func(h *house) func(int) error {
		token := h.signUp(alice, "").RefreshToken
		return func(i int) error {
			_, err := h.Refresh(ctx, at(everywhere(i)), core.RefreshIn{RefreshToken: token})
			return err
		}
	}}.run(t)
	const reviewer = "+15005550006"
	probe{
		limit: "test_number", change: func(s *core.Settings) { s.TestNumbers = map[string]string{reviewer: "123456"} },
		act: beginAt(everywhere, func(int) string { return reviewer }),
	}.run(t)
}

// A refusal of the refresh limit ends nothing: the token still works.
func TestARefreshTooManyEndsNoSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("refresh_session", 60))
	token := h.signUp(alice, "").RefreshToken
	for i := range 61 {
		set, err := h.refresh(token, "")
		if i == 60 {
			want(t, err, core.CodeRateLimited)
			break
		}
		want(t, err, "")
		token = set.RefreshToken
	}
	h.pass(time.Minute)
	_, err := h.refresh(token, "")
	want(t, err, "")
}

// C-38: number and address are buckets of their own. Neither many addresses nor
// many numbers get around the other.
func TestC38NumberAndAddressAreSeparateBuckets(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i, wait := range append([]time.Duration{0}, sendWaits...) {
		h.pass(wait)
		_, err := h.LoginSMS(ctx, at(everywhere(i)), core.BeginIn{PhoneNumber: bob})
		want(t, err, "")
	}
	h.pass(longestWait)
	_, err := h.LoginSMS(ctx, at(everywhere(99)), core.BeginIn{PhoneNumber: bob})
	want(t, err, core.CodeRateLimited)
	if h.heardLimit() != "send_number_hour" {
		t.Errorf("spread over addresses, refused by %s", h.heardLimit())
	}
	for i := range 61 {
		if _, err = h.LoginSMS(ctx, at(oneHost(i)), core.BeginIn{PhoneNumber: spread(i)}); i < 60 {
			want(t, err, "")
		}
	}
	want(t, err, core.CodeRateLimited)
	if h.heardLimit() != "begin_address" {
		t.Errorf("spread over numbers, refused by %s", h.heardLimit())
	}
}

// What sends nothing takes up none of what sending is limited by, and one
// refused limit leaves none half counted.
func TestWhatSendsNothingIsGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("send_prefix", 3))
	begin := func(number, key, body string) error {
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{
			PhoneNumber: number, Idempotency: core.Idempotency{Key: key, Body: []byte(body)},
		})
		return err
	}
	want(t, begin(alice, "k", "b"), "")
	for range 5 {
		want(t, begin(alice, "", ""), core.CodeRateLimited) // too soon after the last
		want(t, begin(alice, "k", "b"), "")                 // told again
		want(t, begin(alice, "k", "other"), core.CodeIdempotencyConflict)
	}
	ch, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: bob})
	want(t, err, "")
	for range 5 {
		_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
		want(t, err, core.CodeRateLimited)
	}
	want(t, begin(carol, "", ""), "")
	want(t, begin("+14155550103", "", ""), core.CodeRateLimited)
	if h.heardLimit() != "send_prefix" {
		t.Errorf("refused by %s", h.heardLimit())
	}
}

func TestLimitsCanBeSwitchedOffButNotCountriesAndMoney(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) {
		s.LimitsDisabled = true
		s.SMSCountries = []string{"US", "DE"}
	})
	h.signUp(alice, goodPassword)
	for i := range 70 {
		h.begin(alice)
		if _, err := h.loginPassword(alice, "not the password", ""); codeOf(err) != core.CodeInvalidCredentials {
			t.Fatalf("password %d: %v", i, err)
		}
	}
	if rows := h.EffectiveLimits(); len(rows) != 0 {
		t.Errorf("%d limits are in force", len(rows))
	}
	_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: "+447400123456"})
	want(t, err, core.CodeCountryNotAllowed)
	h.SetBudgetState(core.BudgetState{Closed: map[string]bool{"US": true}})
	_, err = h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice})
	want(t, err, core.CodeDeliveryUnavailable)
}

func TestLimitsAreTheOperatorsToChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) {
		s.Limits = map[string]limit.Rule{
			"code_failures_device": {N: 2, Window: time.Minute}, "send_number_hour": {N: 2, Window: time.Minute},
		}
	})
	for _, row := range h.EffectiveLimits() {
		switch row.Name {
		case "code_failures_device":
			if row.N != 2 || row.Window != time.Minute || !row.Store {
				t.Errorf("%+v", row)
			}
		case "send_number_hour":
			if row.N != 2 || row.Window != time.Hour {
				t.Errorf("%+v", row)
			}
		}
	}
	known := h.signUp(alice, "")
	ch := h.loginSMS(alice, known.DeviceToken)
	bad := wrong(h.code(ch))
	for _, code := range []core.Code{core.CodeInvalidCode, core.CodeInvalidCode, core.CodeRateLimited} {
		_, err := h.verify(ch, bad)
		want(t, err, code)
	}
	if h.heardLimit() != "code_failures_device" {
		t.Errorf("refused by %s", h.heardLimit())
	}
	h.pass(time.Minute)
	_, err := h.verify(ch, h.code(ch))
	want(t, err, "")
}

// Right and wrong secrets get the same answer where the address is full (C-62).
func TestC62RightAndWrongAreRefusedAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) {
		s.Limits = map[string]limit.Rule{
			"code_failures_address": {N: 1, Window: time.Hour}, "password_failures_address": {N: 1, Window: time.Hour},
		}
	})
	h.signUp(alice, goodPassword)
	ch := h.loginSMS(alice, "")
	code := h.code(ch)
	_, err := h.verify(ch, wrong(code))
	want(t, err, core.CodeInvalidCode)
	_, err = h.loginPassword(alice, "not the password", "")
	want(t, err, core.CodeInvalidCredentials)
	for _, typed := range []keyring.Secret{code, wrong(code)} {
		_, err := h.verify(ch, typed)
		if e := want(t, err, core.CodeRateLimited); e.RetryAfter != time.Hour {
			t.Errorf("%s: retry after %v", typed.Reveal(), e.RetryAfter)
		}
	}
	for _, typed := range []string{goodPassword, "not the password"} {
		_, err := h.loginPassword(alice, typed, "")
		if e := want(t, err, core.CodeRateLimited); e.RetryAfter != time.Hour {
			t.Errorf("%s: retry after %v", typed, e.RetryAfter)
		}
	}
	if now, _ := h.store.Challenge(ctx, ch.ID); now.GuessesLeft != core.MaxGuesses-1 {
		t.Error("a refused guess was spent")
	}
}
