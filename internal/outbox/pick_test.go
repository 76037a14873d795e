package outbox

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/gateway"
)

// went is what the store tells: so many codes of a provider's were entered.
func went(provider, country, prefix string, redeemed, sent int64) core.RouteStat {
	return core.RouteStat{Provider: provider, Channel: core.ChannelSMS, Country: country, PrefixKey: prefix, Sent: sent, Redeemed: redeemed}
}

func knows(r *router, stats ...core.RouteStat) *router {
	s := shares{}
	s.add(stats, 1)
	r.learnt(s)
	return r
}

// count chooses for many messages.
func count(t *testing.T, r *router, n int, more ...func(*want)) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for i := range n {
		w := message(t, more...)
		w.id = fmt.Sprint("0192-", i)
		counts[r.choose(w).route.Sender.Name()]++
	}
	return counts
}

// usual chooses for a message that is not one to explore by.
func usual(t *testing.T, r *router, more ...func(*want)) choice {
	t.Helper()
	w := message(t, more...)
	for i := 0; w.chance("explore")%exploreOne == 0; i++ {
		w.id = fmt.Sprint(i)
	}
	return r.choose(w)
}

func TestTheCheapestOfThoseAboutAsGoodIsTaken(t *testing.T) {
	for name, test := range map[string]struct {
		stats  []core.RouteStat
		chosen string
		why    string
	}{
		"within 5 points": {
			[]core.RouteStat{went("dear", "DE", "key", 860, 1000), went("cheap", "DE", "key", 840, 1000)}, "cheap",
			"cheap 84% of 1000 codes entered here, 0.040; dear 86% of 1000 codes entered here, 0.071: within 6 points, cheaper",
		},
		"worse": {
			[]core.RouteStat{went("dear", "DE", "key", 900, 1000), went("cheap", "DE", "key", 700, 1000)}, "dear",
			"dear 90% of 1000 codes entered here, 0.071; cheap 70% of 1000 codes entered here, 0.040",
		},
		"worse with these numbers": {
			[]core.RouteStat{
				went("dear", "DE", "key", 180, 200), went("cheap", "DE", "key", 20, 200),
				went("dear", "DE", "other", 1800, 2000), went("cheap", "DE", "other", 1800, 2000),
			}, "dear", "cheap 17% of 200 codes entered here",
		},
		"worse in the country": {
			[]core.RouteStat{
				went("dear", "DE", "other", 900, 1000), went("cheap", "DE", "other", 500, 1000), went("cheap", "FR", "", 9000, 10000), went("dear", "FR", "", 9000, 10000),
			}, "dear", "dear 90% of 1000 codes entered in DE",
		},
		"worse anywhere": {
			[]core.RouteStat{went("dear", "FR", "", 900, 1000), went("cheap", "FR", "", 500, 1000)}, "dear", "dear 89% of 1000 codes entered, 0.071; cheap 51%",
		},
		"too little is known":  {[]core.RouteStat{went("dear", "DE", "key", 2, 2), went("cheap", "DE", "key", 1, 2)}, "cheap", "cheaper"},
		"nothing is known":     {nil, "cheap", "cheap not known yet, 0.040; "},
		"of another channel":   {[]core.RouteStat{{Provider: "cheap", Channel: core.ChannelVoice, Sent: 1000}}, "cheap", "not known yet"},
		"none taken, as it is": {[]core.RouteStat{went("dear", "DE", "key", 900, 1000), {Provider: "cheap", Channel: core.ChannelSMS, Country: "DE", Failed: 90}}, "cheap", ""},
	} {
		r := knows(newRouter([]Route{by("dear", costs(71_000)), by("cheap", costs(40_000))}, Learn, 100), test.stats...)
		got := usual(t, r)
		if got.route.Sender.Name() != test.chosen || !strings.Contains(got.why, test.why) {
			t.Errorf("%s: %s: %s", name, got.route.Sender.Name(), got.why)
		}
	}
}

func TestNewMessagesCountMoreThanOldOnes(t *testing.T) {
	r := newRouter([]Route{by("a"), by("b", costs(1))}, Learn, 100)
	s := shares{}
	s.add([]core.RouteStat{went("a", "DE", "key", 0, 100), went("b", "DE", "key", 90, 100)}, 0.1)
	s.add([]core.RouteStat{went("a", "DE", "key", 90, 100), went("b", "DE", "key", 0, 100)}, 1)
	r.learnt(s)
	if got := usual(t, r); got.route.Sender.Name() != "a" {
		t.Error(got.why)
	}
}

func TestWeightsShareOutWhatIsEqual(t *testing.T) {
	r := newRouter([]Route{by("a", weighs(3)), by("b", weighs(1)), by("c", weighs(0))}, Learn, 100)
	got := count(t, r, 4000, after("c")) // at a resend nothing is explored
	if got["a"] < 2850 || got["a"] > 3150 || got["a"]+got["b"] != 4000 {
		t.Errorf("%v", got)
	}
	if got := usual(t, r); !strings.Contains(got.why, "one of 2 alike, by weight ") {
		t.Error(got.why)
	}
	r = newRouter([]Route{by("a", weighs(0)), by("b", weighs(0))}, Learn, 100)
	if got := count(t, r, 100, after("x")); got["a"] != 100 {
		t.Errorf("of two for want of better: %v", got)
	}
}

// So a provider that recovered is found again.
func TestOneMessageInTwentyTriesAnother(t *testing.T) {
	routes := []Route{by("best", costs(10)), by("weak", costs(20)), by("bad", costs(5))}
	stats := []core.RouteStat{went("best", "DE", "key", 900, 1000), went("weak", "DE", "key", 700, 1000), went("bad", "DE", "key", 100, 1000)}
	r := knows(newRouter(routes, Learn, 100), stats...)
	got := count(t, r, 20_000)
	if got["weak"] < 850 || got["weak"] > 1050 || got["bad"] < 20 || got["bad"] > 90 {
		t.Errorf("%v", got)
	}
	again := count(t, r, 20_000)
	if fmt.Sprint(got) != fmt.Sprint(again) {
		t.Errorf("not the same twice: %v, %v", got, again)
	}
	for name, more := range map[string]func(*want){"resends": after("nobody"), "second tries": tried("nobody", gateway.Retry)} {
		if got := count(t, r, 2000, more); got["best"] != 2000 {
			t.Errorf("%s explore: %v", name, got)
		}
	}
	r = knows(newRouter(routes, Fixed, 100), stats...)
	if got := count(t, r, 2000); got["best"] != 2000 {
		t.Errorf("a fixed order explores: %v", got)
	}
}

// C-75: reasons are kept and shown: no number, and no part of one that is longer
// than an operator's settings have it.
func TestC75AReasonHoldsNoNumber(t *testing.T) {
	number := regexp.MustCompile(`\+?[0-9]{6,}`)
	routes := []Route{by("a", of("+49151"), costs(1_234_567)), by("b"), by("c", in("DE"))}
	for _, routing := range []Routing{Learn, Fixed} {
		r := knows(newRouter(routes, routing, 1), went("a", "DE", "key", 90, 100))
		for _, more := range []func(*want){after("a"), tried("a", gateway.Retry), tried("b", gateway.Failover), lost("c"), func(w *want) { w.country = "" }} {
			for i := range 50 {
				w := message(t, more)
				w.id = fmt.Sprint(i)
				if got := r.choose(w); number.MatchString(got.why) || strings.Contains(got.why, w.prefixKey) || len(got.why) > 300 {
					t.Errorf("why: %s", got.why)
				}
			}
		}
	}
}
