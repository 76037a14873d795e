package core_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
)

// sentBefore are sends of a bucket, so long before delivering, the newest first.
type sentBefore struct {
	open, redeemed []time.Duration // the redeemed ones are older
}

func (s sentBefore) within(l core.SendLimits) core.Sends {
	sends := core.Sends{SendLimits: l}
	for _, at := range failed(s.open...) {
		sends.Add(at, true)
	}
	for _, at := range failed(s.redeemed...) {
		sends.Add(at, false)
	}
	return sends
}

func TestWhatSendsAdmit(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	waits := core.SendLimits{Waits: []time.Duration{30 * s, 10 * m}}
	few := core.SendLimits{Hour: 2, Day: 3}
	spared := core.SendLimits{Hour: 1, Waits: []time.Duration{30 * s}, Spare: &core.SendLimits{Hour: 1}}
	admitted := core.Admission{Bucket: "device"}
	refused := func(by core.SendLimit, after time.Duration) core.Admission {
		return core.Admission{Refusal: by, RetryAt: delivering.Add(after)}
	}
	for name, c := range map[string]struct {
		limits      core.SendLimits
		sent, spare sentBefore
		want        core.Admission
	}{
		"without limits":                  {sent: sentBefore{open: []time.Duration{0, 0, 0}}, want: admitted},
		"the first":                       {limits: waits, want: admitted},
		"within a wait":                   {limits: waits, sent: sentBefore{open: []time.Duration{29 * s}}, want: refused(core.SendWait, s)},
		"after a wait":                    {limits: waits, sent: sentBefore{open: []time.Duration{30 * s}}, want: admitted},
		"within the longer wait":          {limits: waits, sent: sentBefore{open: []time.Duration{m, 2 * m}}, want: refused(core.SendWait, 9*m)},
		"the last wait is that of more":   {limits: waits, sent: sentBefore{open: []time.Duration{m, 2 * m, 3 * m}}, want: refused(core.SendWait, 9*m)},
		"a wait gets shorter":             {limits: waits, sent: sentBefore{open: []time.Duration{m, 58 * m}}, want: refused(core.SendWait, 2*m)},
		"what was redeemed does not wait": {limits: waits, sent: sentBefore{redeemed: []time.Duration{s, 2 * s}}, want: admitted},
		"nor what left the hour":          {limits: waits, sent: sentBefore{open: []time.Duration{m, h}}, want: admitted},
		"a full hour":                     {limits: few, sent: sentBefore{redeemed: []time.Duration{m, 50 * m}}, want: refused(core.SendHour, 10*m)},
		"an hour that is left just now":   {limits: few, sent: sentBefore{redeemed: []time.Duration{m, h}}, want: admitted},
		"a full day":                      {limits: few, sent: sentBefore{redeemed: []time.Duration{2 * h, 3 * h, 20 * h}}, want: refused(core.SendDay, 4*h)},
		"an hour and a day":               {limits: few, sent: sentBefore{redeemed: []time.Duration{m, 2 * m, 20 * h}}, want: refused(core.SendHour, 4*h)},
		"spare judges":                    {limits: spared, sent: sentBefore{open: []time.Duration{s}}, want: core.Admission{Bucket: core.BucketSolved}},
		"spare refuses": {
			limits: spared, sent: sentBefore{open: []time.Duration{s}}, spare: sentBefore{open: []time.Duration{m}},
			want: refused(core.SendHour, 59*m),
		},
		"spare is of no use for a wait": {
			limits: core.SendLimits{Waits: spared.Waits, Spare: spared.Spare}, sent: sentBefore{open: []time.Duration{s}},
			want: refused(core.SendWait, 29*s),
		},
	} {
		spare := func() core.Sends { return c.spare.within(*c.limits.Spare) }
		if diff := cmp.Diff(c.want, c.sent.within(c.limits).Admit("device", spare, delivering)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestHowFarSendLimitsLook(t *testing.T) {
	for want, limits := range map[time.Duration][]core.SendLimits{
		0:              {{}},
		time.Hour:      {{Hour: 1}, {Waits: []time.Duration{1}}},
		24 * time.Hour: {{Day: 1}, {Day: 1, Hour: 1}},
	} {
		for _, l := range limits {
			if got := l.Window(); got != want {
				t.Errorf("%+v look back %v, want %v", l, got, want)
			}
		}
	}
}
