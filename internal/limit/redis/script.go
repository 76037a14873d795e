package redis

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/countersign/countersign/internal/limit"
)

var (
	//go:embed common.lua
	commonScript string
	//go:embed take.lua
	takeScript string
	//go:embed giveback.lua
	backScript string
	//go:embed tally.lua
	tallyScript string
)

// takeOnce takes all that is asked in one call; look: it only looks.
func (l *Limiter) takeOnce(ctx context.Context, client rueidis.Client, now time.Time, a asking, look bool) (limit.Decision, error) {
	args := append(l.begin(client, now, 5+5*len(a.keys)), flag(look))
	for i, c := range a.counts {
		need := 1
		for _, before := range a.keys[:i] {
			if before == a.keys[i] {
				need++
			}
		}
		args = append(args, strconv.Itoa(c.Rule.N), number(micros(c.Rule.Window)), number(micros(c.Rule.Slack())),
			strconv.Itoa(need), number(micros(c.Rule.Slot())))
	}
	got, err := l.run(ctx, client, l.take, a.keys, args, 2)
	if err != nil || got[0] == 0 {
		return limit.Decision{}, err
	}
	if got[0] < 0 || int(got[0]) > len(a.counts) || got[1] <= 0 {
		return limit.Decision{}, errNonsense
	}
	return limit.Decision{
		Refused: a.counts[got[0]-1].Rule.Name, RetryAfter: time.Duration(got[1]) * time.Microsecond,
	}, nil
}

func (l *Limiter) giveBack(ctx context.Context, client rueidis.Client, taken time.Time, a asking) error {
	ago := max(0, l.now().Sub(taken)) + l.bound
	args := append(l.begin(client, taken, 5+len(a.keys)), number(micros(ago)))
	for _, c := range a.counts {
		args = append(args, number(micros(c.Rule.Slot())))
	}
	_, err := l.run(ctx, client, l.back, a.keys, args, 0)
	return err
}

var (
	errNonsense = errors.New("the answer makes no sense")
	errForgot   = errors.New("what was counted is lost: it began anew")
)

// run asks a script for so many numbers. A client whose connection failed is
// thrown away: the next call makes a new one.
func (l *Limiter) run(ctx context.Context, client rueidis.Client, script *rueidis.Lua, keys, args []string, numbers int) ([]int64, error) {
	if !clustered(client) {
		keys = append(slices.Clip(keys), l.born)
	}
	result := script.Exec(ctx, client, keys, args)
	if err := result.Error(); err != nil {
		answer, answered := rueidis.IsRedisErr(err)
		demoted := answered && strings.HasPrefix(answer.Error(), "READONLY")
		if (!answered || demoted) && !errors.Is(err, context.Canceled) {
			l.link.drop(client)
		}
		return nil, err
	}
	got, err := result.AsIntSlice()
	if err == nil && len(got) != 1+numbers {
		err = errNonsense
	}
	if err != nil {
		l.link.drop(client)
		return nil, err
	}
	if before := l.bornAt.Swap(got[0]); before != 0 && before != got[0] {
		return nil, errForgot
	}
	return got[1:], nil
}

// callersKeep is how much longer keys are kept where the time is the callers'
// and may stand still while Redis' goes on.
const callersKeep = time.Hour

// begin makes the first arguments of a script: whose time it counts by, and
// whether it tells when Redis began to count. In a cluster it cannot: that would
// be a key of another slot.
func (l *Limiter) begin(client rueidis.Client, now time.Time, room int) []string {
	args := make([]string, 0, room)
	if l.theirs {
		t := now.UnixNano()
		args = append(args, number(t/1000), number((t+999)/1000), number(callersKeep.Milliseconds()))
	} else {
		args = append(args, "", "", "0")
	}
	return append(args, flag(!clustered(client)))
}

func clustered(client rueidis.Client) bool { return client.Mode() == rueidis.ClientModeCluster }

// micros rounds up: a window may count longer, never shorter.
func micros(d time.Duration) int64 { return (int64(d) + 999) / 1000 }

func number(n int64) string { return strconv.FormatInt(n, 10) }

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
