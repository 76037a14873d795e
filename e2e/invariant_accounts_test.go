package e2e

import (
	"context"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Invariant 1: at most one account per verified phone, at every moment.
func TestInvariant01(t *testing.T) {
	t.Parallel()
	t.Run("one signup of many makes the account", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, oneSignupOfMany)
	})
	t.Run("signups, moves and deletions cross", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, crossing)
	})
}

// oneSignupOfMany redeems 50 signups of one number at once (C-54).
func oneSignupOfMany(t *testing.T, on engine) {
	p := newPair(t, on)
	challenges := make([]string, 50)
	codes := make([]keyring.Secret, len(challenges))
	for i := range challenges {
		ch, err := p.one().Signup(context.Background(), stranger(), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number(0)}})
		if err != nil {
			t.Fatal(err)
		}
		challenges[i], codes[i] = ch.ID, p.code(ch.ID)
	}
	sets, errs := make([]core.TokenSet, len(challenges)), make([]error, len(challenges))
	together(len(challenges), func(i int) {
		sets[i], errs[i] = p.verify(stranger(), challenges[i], codes[i])
	})
	created := 0
	for i, err := range errs {
		switch {
		case err == nil && sets[i].Created:
			created++
		case codeOf(err) != core.CodeChallengeSpent: // dropped with the others
			t.Errorf("signup %d: %v, created %v", i, err, sets[i].Created)
		}
	}
	if created != 1 {
		t.Errorf("%d signups of one number made an account, want 1", created)
	}
}

// crossing lets many people sign up, move and leave over a few numbers, while
// somebody looks at all accounts in one snapshot after another.
func crossing(t *testing.T, on engine) {
	const people, rounds, numbers = 8, 30, 4
	p := newPair(t, on, func(s *core.Settings) { s.LimitsDisabled = true })
	seeds := chance(t)
	crowd := make([]*person, people)
	for i := range crowd {
		crowd[i] = &person{pair: p, rand: mathrand.New(mathrand.NewPCG(seeds.Uint64(), 0)), numbers: numbers}
	}
	watching, stop := sync.WaitGroup{}, make(chan struct{})
	db := on.look(t, p.where)
	watching.Go(func() { p.watchNumbers(db, stop) })
	for range rounds {
		together(people, func(i int) { crowd[i].act() })
	}
	close(stop)
	watching.Wait()

	owners := map[string]string{}
	done := map[string]int{}
	for _, someone := range crowd {
		for what, n := range someone.done {
			done[what] += n
		}
		for _, set := range someone.sets {
			p.checkOwner(set, owners)
		}
	}
	t.Logf("done: %v", done)
	for _, what := range []string{"signup", "sign-in", "move", "taken", "delete"} {
		if done[what] == 0 {
			t.Errorf("the run never saw a %s", what)
		}
	}
}

// person is somebody who does one thing after another.
type person struct {
	*pair
	rand    *mathrand.Rand
	numbers int
	sets    []core.TokenSet
	done    map[string]int
}

func (s *person) act() {
	if s.done == nil {
		s.done = map[string]int{}
	}
	to := number(s.rand.IntN(s.numbers))
	if len(s.sets) == 0 || s.rand.IntN(3) == 0 {
		s.signUpAs(to)
		return
	}
	set := s.sets[s.rand.IntN(len(s.sets))]
	caller, err := s.in(set.AccessToken)
	if err != nil {
		return // moved away or deleted meanwhile
	}
	if s.rand.IntN(3) > 0 {
		s.move(caller, to)
		return
	}
	switch err := s.one().DeleteMe(context.Background(), caller); codeOf(err) {
	case "":
		s.done["delete"]++
	case core.CodeInvalidToken:
	default:
		s.t.Errorf("deleting: %v", err)
	}
}

func (s *person) signUpAs(to string) {
	switch set, err := s.signUp(to, ""); codeOf(err) {
	case "":
		s.sets = append(s.sets, set)
		if set.Created {
			s.done["signup"]++
		} else {
			s.done["sign-in"]++
		}
	case core.CodeChallengeSpent, core.CodeInvalidRequest, core.CodeNotFound:
		// dropped by another's before or after its message was read, or erased with the account
	default:
		s.t.Errorf("signing up: %v", err)
	}
}

func (s *person) move(caller core.Caller, to string) {
	ch, err := s.one().ChangePhone(context.Background(), caller, core.BeginIn{PhoneNumber: to})
	if err == nil {
		_, err = s.verify(caller, ch.ID, s.code(ch.ID))
	}
	switch codeOf(err) {
	case "":
		s.done["move"]++
	case core.CodeConflict:
		s.done["taken"]++
	case core.CodeInvalidToken, core.CodeInvalidRequest, core.CodeChallengeSpent, core.CodeNotFound:
		// over, at that number already, or voided by another's move meanwhile
	default:
		s.t.Errorf("moving: %v", err)
	}
}

// checkOwner wants a living session's account to be the one of its number.
func (p *pair) checkOwner(set core.TokenSet, owners map[string]string) {
	caller, err := p.in(set.AccessToken)
	if err != nil {
		return
	}
	me, err := p.one().Me(context.Background(), caller)
	if err != nil {
		p.t.Fatal(err)
	}
	found, err := p.one().FindUser(context.Background(), me.PhoneNumber.E164())
	if err != nil || found.ID != me.ID {
		p.t.Errorf("the number of user %s finds %q, %v", me.ID, found.ID, err)
	}
	if other := owners[me.PhoneNumber.E164()]; other != "" && other != me.ID {
		p.t.Errorf("users %s and %s have one number", other, me.ID)
	}
	owners[me.PhoneNumber.E164()] = me.ID
}

// watchNumbers reads all accounts in one snapshot after another, opens their
// numbers and wants no two alike.
func (p *pair) watchNumbers(db witness, stop <-chan struct{}) {
	next := time.NewTicker(time.Millisecond)
	defer next.Stop()
	for snapshots := 0; ; snapshots++ {
		select {
		case <-stop:
			p.t.Logf("%d snapshots", snapshots)
			return
		case <-next.C:
		}
		owners := map[string]string{}
		err := db.rows("SELECT id, phone_sealed FROM users", func(columns [][]byte) {
			id := string(columns[0])
			plain, err := p.ring.Open(keyring.LabelPhone, id, columns[1])
			if err != nil {
				p.t.Errorf("opening the number of user %s: %v", id, err)
				return
			}
			if other := owners[string(plain)]; other != "" {
				p.t.Errorf("users %s and %s have one number", other, id)
			}
			owners[string(plain)] = id
		})
		if err != nil {
			p.t.Error(err)
			return
		}
	}
}
