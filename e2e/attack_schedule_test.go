package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

// Invariant 10, C-37 to C-44: whatever a few people ask for, in whatever order, at
// once or at the edges of windows, no window of any limit's length holds more than
// the limit says. What was let through is told from the answers alone.
func TestC37NoScheduleGetsMore(t *testing.T) {
	t.Parallel()
	refused, runs := map[string]int{}, 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; raced && runs > 6 {
			return // enough for the race detector, which makes each take seconds
		}
		// The guard would pause what is to be counted here.
		s := newSiege(t, newGivenAway, func(s *core.Settings) { s.GuardMonitor = true })
		defer func() { _ = s.store.Close() }()
		r := &schedule{siege: s, rt: rt, windows: map[string]*window{}, owner: inLand(homeLand, 700)}
		r.device = s.signUp(stranger(), r.owner, goodPassword).DeviceToken
		s.clock.pass(2 * day)
		rt.Repeat(map[string]func(*rapid.T){
			"begin": r.begins, "resend": r.resends, "guess": r.guesses, "passwords": r.passwords, "storm": r.storm,
			"": func(rt *rapid.T) {
				if r.broken != "" {
					rt.Fatal(r.broken)
				}
			},
			"wait": func(rt *rapid.T) { s.clock.pass(rapid.SampledFrom(steps).Draw(rt, "time")) },
		})
		for name, n := range s.refused {
			refused[name] += n
		}
	})
	for _, name := range []string{
		"send_wait", "send_prefix", "begin_address", "code_failures_address", "password_failures_address", "password_failures_network",
	} {
		if refused[name] == 0 {
			t.Errorf("no schedule met %s: %v", name, refused)
		}
	}
}

var steps = []time.Duration{
	time.Millisecond, time.Second, 30*time.Second - time.Millisecond, 30 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute,
	time.Hour - time.Millisecond, time.Hour, 23 * time.Hour, day - time.Hour,
}

// schedule is one random run.
type schedule struct {
	*siege
	rt     *rapid.T
	owner  string
	device keyring.Secret

	mu              sync.Mutex
	next            int                // of the numbers nobody asked for before
	windows         map[string]*window // by limit and who is counted
	broken          string             // what held too much
	open, openKnown []asked
}

// asked is a challenge and the number that it is about.
type asked struct {
	core.Challenge
	number string
}

// passed notes what was let through, of each that a row of the table counts.
func (r *schedule) passed(who map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.read()
	for _, row := range core.LimitTable() {
		key, counted := who[row.Name]
		if !counted {
			continue
		}
		w := r.windows[row.Name+" "+key]
		if w == nil {
			w = &window{most: row.N, length: row.Window}
			r.windows[row.Name+" "+key] = w
		}
		w.passed = append(w.passed, now)
		if n := len(w.passed); n > w.most && now.Sub(w.passed[n-1-w.most]) < w.length {
			r.broken = fmt.Sprintf("%s of %s: %d let through within %v", row.Name, key, w.most+1, row.Window)
		}
	}
}

// places are who is counted of those at an address.
func places(of string, a netip.Addr, more map[string]string) map[string]string {
	network, _ := a.Prefix(24)
	more[of+"_address"], more[of+"_network"] = a.String(), network.String()
	return more
}

// Five addresses share a network, one has its own.
var addresses = []string{"192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.10", "192.0.2.11", "203.0.113.5"}

func (r *schedule) address() netip.Addr {
	return netip.MustParseAddr(rapid.SampledFrom(addresses).Draw(r.rt, "address"))
}

// number is the owner's, one of few, or a new one of the same prefix or another.
func (r *schedule) number(kind int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	switch kind {
	case 0:
		return r.owner
	case 1:
		return inLand(homeLand, r.next%3)
	case 2:
		return inLand(homeLand, 700*(10+r.next))
	}
	return anywhere(1000 + r.next)
}

func (r *schedule) burst() (n, kind int, known bool, address netip.Addr) {
	most := 40
	if raced {
		most = 20
	}
	kind = rapid.IntRange(0, 3).Draw(r.rt, "numbers")
	return rapid.IntRange(1, most).Draw(r.rt, "burst"), kind, kind == 0 && rapid.Bool().Draw(r.rt, "known device"), r.address()
}

// sent is who is counted of a message.
func (r *schedule) sent(number string, known bool, a netip.Addr) map[string]string {
	if known {
		return map[string]string{
			"begin_device": "", "begin_devices": "", "send_prefix_devices": "",
			"send_number_hour": "device", "send_number_day": "device", "send_wait": "device",
		}
	}
	n, err := phone.FromE164(number)
	if err != nil {
		r.t.Fatal(err)
	}
	return places("begin", a, map[string]string{
		"send_number_hour": number, "send_number_day": number, "send_wait": number,
		"send_prefix": n.Prefix(), "send_country": n.Region(), "send_total": "",
	})
}

func (r *schedule) begins(*rapid.T) {
	n, kind, known, a := r.burst()
	together(n, func(int) { r.beginOne(r.number(kind), known, a) })
}

func (r *schedule) beginOne(number string, known bool, a netip.Addr) {
	in := core.BeginIn{PhoneNumber: number}
	if known {
		in.Device.Token = r.device
	}
	_ = solving(func(solved captcha.Solution) error {
		in.Captcha = solved
		ch, err := r.LoginSMS(context.Background(), from(a), in)
		if err == nil {
			r.passed(r.sent(number, known, a))
			r.mu.Lock()
			defer r.mu.Unlock()
			if known {
				r.openKnown = append(r.openKnown, asked{ch, number})
			} else {
				r.open = append(r.open, asked{ch, number})
			}
		}
		return err
	})
}

// storm has every address begin, guess and try passwords at numbers of its own.
func (r *schedule) storm(*rapid.T) {
	n := rapid.IntRange(1, 70).Draw(r.rt, "of each")
	together(len(addresses), func(i int) {
		a := netip.MustParseAddr(addresses[i])
		for range (n + core.MaxGuesses - 1) / core.MaxGuesses {
			r.beginOne(r.number(3), false, a)
		}
		r.mu.Lock()
		all := r.pick(false)
		r.mu.Unlock()
		for j := range n {
			if len(all) > 0 {
				r.guessOne(all[(i+j)%len(all)], false, a)
			}
			r.passwordOne(r.number(3), false, a)
		}
	})
}

// pick gives the challenges that a burst is about, the newest first.
func (r *schedule) pick(known bool) []asked {
	all := slices.Clone(r.open)
	if known {
		all = slices.Clone(r.openKnown)
	}
	slices.Reverse(all)
	return all[:min(len(all), 60)]
}

func (r *schedule) resends(*rapid.T) {
	n, _, known, a := r.burst()
	all := r.pick(known)
	if len(all) == 0 {
		return
	}
	together(n, func(i int) {
		ch := all[i%len(all)]
		_ = solving(func(solved captcha.Solution) error {
			_, err := r.Resend(context.Background(), from(a), core.ResendIn{ChallengeID: ch.ID, Captcha: solved})
			if err == nil {
				r.passed(r.sent(ch.number, known, a))
			}
			return err
		})
	})
}

func (r *schedule) guesses(*rapid.T) {
	n, _, known, a := r.burst()
	all := r.pick(known)
	if len(all) == 0 {
		return
	}
	together(n, func(i int) { r.guessOne(all[i%len(all)], known, a) })
}

func (r *schedule) guessOne(ch asked, known bool, a netip.Addr) {
	code := strings.Repeat("0", ch.CodeLength)
	_, err := r.Verify(context.Background(), from(a), core.VerifyIn{ChallengeID: ch.ID, Code: keyring.Secret(code)})
	switch {
	case codeOf(err) != core.CodeInvalidCode:
	case known:
		r.passed(map[string]string{"code_failures_device": ""})
	default:
		r.passed(places("code_failures", a, map[string]string{"code_failures_number": ch.number}))
	}
}

func (r *schedule) passwords(*rapid.T) {
	n, kind, known, a := r.burst()
	together(n, func(int) { r.passwordOne(r.number(kind), known, a) })
}

func (r *schedule) passwordOne(number string, known bool, a netip.Addr) {
	in := core.LoginPasswordIn{PhoneNumber: number, Password: "not the password"}
	if known {
		in.Device.Token = r.device
	}
	switch _, err := r.LoginPassword(context.Background(), from(a), in); {
	case codeOf(err) != core.CodeInvalidCredentials:
	case known:
		r.passed(map[string]string{"password_failures_device": ""})
	default:
		r.passed(places("password_failures", a, map[string]string{}))
	}
}
