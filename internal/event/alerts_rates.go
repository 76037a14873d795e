package event

import (
	"net/netip"
	"time"
)

// countAddress counts a failed guess at who somebody is.
func (a *Alerts) countAddress(e Event, now time.Time) {
	if e.IPAddress != "" {
		from := neighbours(e.IPAddress)
		a.count(AlertAddress, e, from, from, now)
	}
}

// neighbours is an IPv4 address, or the /64 of an IPv6 one: whoever has one of
// it has all.
func neighbours(address string) string {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	if parsed = parsed.Unmap().WithZone(""); parsed.Is4() {
		return parsed.String()
	}
	prefix, err := parsed.Prefix(64)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// countCode counts a failed code against what is usual (C-45).
func (a *Alerts) countCode(e Event, now time.Time) {
	rule := a.rules[AlertCodes]
	most := max(int64(rule.N), baselineFactor*a.baseline)
	watched := a.subjects[AlertCodes].of("")
	if seen := watched.window.add(happened(e, now), rule.Window); seen > most {
		a.tell(finding{rule: rule, seen: seen, threshold: most}, watched, now)
	}
}

// countSend counts a try to send a message. One that a receipt says has failed was
// counted when it was sent.
func (a *Alerts) countSend(e Event, now time.Time) {
	rule, at := a.rules[AlertSends], happened(e, now)
	count := a.sends.all.add
	if e.Name == SMSSendFailed && text(e.Attributes, "state") != "" {
		count = a.sends.all.sum
	}
	all := count(at, rule.Window)
	if e.Name != SMSSendFailed {
		return
	}
	failed := a.sends.failed.add(at, rule.Window)
	if all >= int64(rule.N) && failed*100 > sendFailurePercent*all {
		a.tell(finding{
			rule: rule, seen: failed * 100 / all, threshold: sendFailurePercent, unit: "percent", tries: all,
		}, a.subjects[AlertSends].of(""), now)
	}
}

// countSignIn counts a try to sign in, for Tick to look at.
func (a *Alerts) countSignIn(e Event, s Series, now time.Time) {
	t := a.signIns[s.Method]
	if t == nil {
		return
	}
	at, length := happened(e, now), a.rules[AlertSuccess].Window
	t.all.add(at, length)
	if s.Outcome != Success {
		t.failed.add(at, length)
	}
}

// lookAtSuccess tells if fewer sign-ins work than in their week.
func (a *Alerts) lookAtSuccess(now time.Time, method string, t *tries, week float64) {
	rule := a.rules[AlertSuccess]
	all, failed := t.all.sum(now, rule.Window), t.failed.sum(now, rule.Window)
	if all < successTries {
		return
	}
	usual := int64(week*1000 + .5) // in tenths of a per cent, lest a rounding hide a drop
	if (all-failed)*1000 > (usual-int64(rule.N)*10)*all {
		return
	}
	a.tell(finding{
		rule: rule, seen: (all - failed) * 100 / all, threshold: max(0, usual/10-int64(rule.N)),
		unit: "percent", tries: all, subject: method,
	}, a.subjects[AlertSuccess].of(method), now)
}
