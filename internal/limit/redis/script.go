package redis

import (
	"context"
	_ "embed" // the scripts
	"errors"
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
	args := append(l.clock(now, 4+6*len(a.keys)), flag(look))
	for i, c := range a.counts {
		need := 1
		for _, before := range a.keys[:i] {
			if before == a.keys[i] {
				need++
			}
		}
		burst, interval := bucket(c.Rule)
		args = append(args, strconv.Itoa(c.Rule.N), number(micros(c.Rule.Window)), number(micros(c.Rule.Slack())),
			strconv.Itoa(need), strconv.Itoa(burst), number(interval))
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
	args := append(l.clock(taken, 4+len(a.keys)), number(micros(ago)))
	for _, c := range a.counts {
		_, interval := bucket(c.Rule)
		args = append(args, number(interval))
	}
	_, err := l.run(ctx, client, l.back, a.keys, args, 0)
	return err
}

// errNonsense is an answer that no script of ours gives.
var errNonsense = errors.New("the answer makes no sense")

// run asks a script for so many numbers. A client whose connection failed is
// thrown away: the next call makes a new one.
func (l *Limiter) run(ctx context.Context, client rueidis.Client, script *rueidis.Lua, keys, args []string, numbers int) ([]int64, error) {
	result := script.Exec(ctx, client, keys, args)
	if err := result.Error(); err != nil {
		answer, answered := rueidis.IsRedisErr(err)
		demoted := answered && strings.HasPrefix(answer.Error(), "READONLY")
		if (!answered || demoted) && !errors.Is(err, context.Canceled) {
			l.link.drop(client)
		}
		return nil, err
	}
	if numbers == 0 {
		return nil, nil
	}
	got, err := result.AsIntSlice()
	if err == nil && len(got) != numbers {
		err = errNonsense
	}
	if err != nil {
		l.link.drop(client)
	}
	return got, err
}

// callersKeep is how much longer keys are kept where the time is the callers'
// and may stand still while Redis' goes on.
const callersKeep = time.Hour

// clock begins the arguments of a script: whose time it counts by.
func (l *Limiter) clock(now time.Time, room int) []string {
	args := make([]string, 0, room)
	if !l.theirs {
		return append(args, "", "", "0")
	}
	t := now.UnixNano()
	return append(args, number(t/1000), number((t+999)/1000), number(callersKeep.Milliseconds()))
}

// bucket gives a rule's burst and interval in µs, zeros for a log.
func bucket(r limit.Rule) (burst int, interval int64) {
	if r.Logged() {
		return 0, 0
	}
	burst, each := r.Bucket()
	return burst, micros(each)
}

// micros rounds up: a window may count longer, never shorter.
func micros(d time.Duration) int64 { return (int64(d) + 999) / 1000 }

func number(n int64) string { return strconv.FormatInt(n, 10) }

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
