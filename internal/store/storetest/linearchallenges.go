package storetest

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/countersign/countersign/internal/core"
)

// codeAct is what a client asks of a challenge.
type codeAct struct {
	what string // open, guess, disable or read
	id   string // of the challenge
	code string // a guess
	key  string // with an idempotency key; its body is the code
	by   string // the session that it would open, the account that it would make
}

// codeTold is what it is told.
type codeTold struct {
	outcome core.Outcome
	id      string // open: of the challenge that it got
	left    int    // guesses
	session string
	account string // a signup's
	created bool

	redeemed, voided bool // read
}

func (t codeTold) ended() core.Outcome { return t.outcome }

// oneCode is a challenge as the oracle has it.
type oneCode struct {
	open     bool
	left     int
	missed   string // the key of the last miss
	redeemed bool
	key      string // that it was redeemed with
	session  string // that it opened
	voided   bool
}

func (c oneCode) told() codeTold {
	return codeTold{outcome: core.Done, left: c.left, redeemed: c.redeemed, voided: c.voided}
}

// guess judges one; lives says whether a session lives that it opened before.
// Outcome "" is a match.
func (c oneCode) guess(in codeAct, lives bool) (codeTold, oneCode) {
	again := in.key != "" && in.key == c.key
	switch {
	case !c.open:
		return codeTold{outcome: core.NotFound}, c
	case c.redeemed && again && in.code == wrong, !c.redeemed && in.key != "" && in.key == c.missed && in.code == right:
		return codeTold{outcome: core.KeyConflict}, c
	case c.redeemed && again && c.session != "" && lives:
		return codeTold{outcome: core.Repeated, session: c.session}, c
	case c.redeemed:
		return codeTold{outcome: core.Spent}, c
	case in.key != "" && in.key == c.missed:
		return codeTold{outcome: core.Wrong, left: c.left}, c
	case c.voided, c.left == 0:
		return codeTold{outcome: core.Spent}, c
	case in.code == wrong:
		c.left, c.missed = c.left-1, in.key
		return codeTold{outcome: core.Wrong, left: c.left}, c
	}
	c.redeemed, c.key = true, in.key
	return codeTold{}, c
}

// void is what happens to one that is open when others end it.
func (c oneCode) void() oneCode {
	if c.open && !c.redeemed && c.left > 0 {
		c.voided = true
	}
	return c
}

// login is one login that several begin with one key, and an account that may be
// disabled meanwhile.
type login struct {
	oneCode
	id       string
	disabled bool
}

// loginOracle is invariant 2 for one code, with begins and answers that are
// repeated.
func loginOracle() oracle[login, codeAct, codeTold] {
	return oracle[login, codeAct, codeTold]{step: func(s login, in codeAct) (codeTold, login) {
		switch {
		case in.what == "open" && s.open:
			return codeTold{outcome: core.Repeated, id: s.id}, s
		case in.what == "open":
			s.oneCode, s.id = oneCode{open: true, left: core.MaxGuesses}, in.id
			return codeTold{outcome: core.Done, id: s.id}, s
		case in.what == "disable":
			s.oneCode, s.disabled = s.void(), true
			return codeTold{outcome: core.Done}, s
		case in.id != s.id:
			return codeTold{outcome: core.NotFound}, s
		case in.what == "read":
			return s.told(), s
		}
		got, next := s.guess(in, !s.disabled)
		s.oneCode = next
		switch {
		case got.outcome == "" && s.disabled:
			got.outcome = core.Stale
		case got.outcome == "":
			s.session = in.by
			got = codeTold{outcome: core.Done, session: in.by}
		}
		return got, s
	}}
}

// loginClients each begin the login, and guess at what they were told.
func loginClients(w *world, r *rand.Rand) [][]act[codeAct, codeTold] {
	owner := w.account()
	beginKey := mac("begin " + w.id())
	ended := false
	var programs [][]act[codeAct, codeTold]
	for range linearClients {
		c := w.challengeFor(owner, core.PurposeLogin)
		c.BeginKey, c.BeginBody = beginKey, mac("body")
		begun := c.ID // what this client was told, last
		opening := w.openChallenge(c)
		open := always(codeAct{what: "open", id: c.ID}, func(s core.Store, _ codeAct) (codeTold, error) {
			got, err := s.OpenChallenge(context.Background(), opening)
			if err == nil {
				begun = got.Challenge.ID
			}
			return codeTold{outcome: got.Outcome, id: got.Challenge.ID}, err
		})
		often := func() act[codeAct, codeTold] {
			if r.IntN(5) == 0 {
				return readCode(&begun)
			}
			in := core.RedeemLogin{SignIn: w.signIn()}
			return guessAct(w, r, &begun, in.Session.ID, func(s core.Store, g core.Guess) (core.RedeemResult, error) {
				in := in
				in.Guess = g
				return s.RedeemLogin(context.Background(), in)
			})
		}
		late := func() act[codeAct, codeTold] {
			if ended { // once is enough
				return open
			}
			ended = true
			in := core.ChangeUser{UserID: owner.ID, Now: w.now}
			return always(codeAct{what: "disable"}, func(s core.Store, _ codeAct) (codeTold, error) {
				outcome, err := s.DisableUser(context.Background(), in)
				return codeTold{outcome: outcome}, err
			})
		}
		programs = append(programs, append([]act[codeAct, codeTold]{open}, shuffled(r, often, late)...))
	}
	return programs
}

// guessAct guesses at a challenge, right or wrong, perhaps with one of two keys.
func guessAct(
	w *world, r *rand.Rand, id *string, by string, redeem func(core.Store, core.Guess) (core.RedeemResult, error),
) act[codeAct, codeTold] {
	in := codeAct{what: "guess", code: wrong, by: by, key: []string{"", "", "one", "two"}[r.IntN(4)]}
	if r.IntN(8) == 0 {
		in.code = right
	}
	guess := w.guess(core.Challenge{}, in.code)
	guess.Limits = core.CodeLimits{}
	if in.key != "" {
		guess.VerifyKey, guess.VerifyBody, guess.KeyLife = mac(in.key), mac(in.code), keyLife
	}
	return act[codeAct, codeTold]{
		ask: func() codeAct {
			in := in
			in.id = *id
			return in
		},
		do: func(s core.Store, in codeAct) (codeTold, error) {
			guess := guess
			guess.ChallengeID = in.id
			got, err := redeem(s, guess)
			return codeTold{outcome: got.Outcome, left: got.GuessesLeft, session: got.Session.ID}, err
		},
	}
}

// readCode reads how a challenge stands.
func readCode(id *string) act[codeAct, codeTold] {
	return act[codeAct, codeTold]{
		ask: func() codeAct { return codeAct{what: "read", id: *id} },
		do: func(s core.Store, in codeAct) (codeTold, error) {
			c, err := s.Challenge(context.Background(), in.id)
			if errors.Is(err, core.ErrNotFound) {
				return codeTold{outcome: core.NotFound}, nil
			}
			return codeTold{
				outcome: core.Done, left: c.GuessesLeft, redeemed: !c.RedeemedAt.IsZero(), voided: !c.VoidedAt.IsZero(),
			}, err
		},
	}
}
