package storetest

import (
	"context"
	"math/rand/v2"

	"github.com/countersign/countersign/internal/core"
)

// rivals is how many begin to sign up with one number.
const rivals = 3

// signUps are signups of one number, and the account that comes of them. Ids are
// the challenges' places.
type signUps struct {
	codes   [rivals]oneCode
	account string
	by      int // whose code made it
}

var places = [rivals]string{"0", "1", "2"}

// signupOracle is invariants 1 and 2 for one number: the first redemption makes
// the account and ends the other signups; one that is begun later signs in.
func signupOracle() oracle[signUps, codeAct, codeTold] {
	return oracle[signUps, codeAct, codeTold]{step: func(s signUps, in codeAct) (codeTold, signUps) {
		n := 0
		for places[n] != in.id {
			n++
		}
		switch {
		case in.what == "open":
			s.codes[n] = oneCode{open: true, left: core.MaxGuesses}
			return codeTold{outcome: core.Done}, s
		case in.what == "read" && s.codes[n].open:
			return s.codes[n].told(), s
		case in.what == "read":
			return codeTold{outcome: core.NotFound}, s
		}
		got, next := s.codes[n].guess(in, true)
		s.codes[n] = next
		switch got.outcome {
		case core.Repeated:
			got.account, got.created = s.account, n == s.by
		case "":
			for other := range s.codes {
				if other != n {
					s.codes[other] = s.codes[other].void()
				}
			}
			got = codeTold{outcome: core.Done, session: in.by, created: s.account == ""}
			if s.account == "" {
				s.account, s.by = "user of "+in.by, n
			}
			s.codes[n].session, got.account = in.by, s.account
		}
		return got, s
	}}
}

// signupClients guess at signups of which one is begun meanwhile.
func signupClients(w *world, r *rand.Rand) [][]act[codeAct, codeTold] {
	number := w.newNumber()
	challenges := map[string]core.Challenge{}
	opens := map[string]act[codeAct, codeTold]{}
	for _, place := range places {
		c := w.newChallenge(core.PurposeSignup, number)
		opening := w.openChallenge(c)
		challenges[place] = c
		opens[place] = always(codeAct{what: "open", id: place}, func(s core.Store, _ codeAct) (codeTold, error) {
			got, err := s.OpenChallenge(context.Background(), opening)
			return codeTold{outcome: got.Outcome}, err
		})
	}
	owners := &owners{users: map[string]string{}}
	often := func() act[codeAct, codeTold] { return signupAct(w, r, challenges, owners) }
	var programs [][]act[codeAct, codeTold]
	for client := range linearClients {
		program := shuffled(r, often, often)
		if client < rivals { // the last is begun in the middle
			at := client / (rivals - 1) * len(program) / 2
			program[at] = opens[places[client]]
		}
		programs = append(programs, program)
	}
	return programs
}

// signupAct guesses at one of the signups, or reads it.
func signupAct(w *world, r *rand.Rand, challenges map[string]core.Challenge, owners *owners) act[codeAct, codeTold] {
	place := places[r.IntN(rivals)]
	id := challenges[place].ID
	if r.IntN(5) == 0 {
		read := readCode(&id)
		return always(codeAct{what: "read", id: place}, func(s core.Store, _ codeAct) (codeTold, error) {
			return read.do(s, codeAct{id: id})
		})
	}
	in := w.redeemSignup(challenges[place])
	owners.expect(in.User.ID, "user of "+in.Session.ID)
	var made codeTold
	guess := guessAct(w, r, &id, in.Session.ID, func(s core.Store, g core.Guess) (core.RedeemResult, error) {
		in := in
		in.Guess = g
		got, err := s.RedeemSignup(context.Background(), in)
		made = codeTold{account: owners.name(got.User.ID), created: got.Created}
		return got, err
	})
	asked := guess.ask()
	asked.id = place
	return always(asked, func(s core.Store, _ codeAct) (codeTold, error) {
		got, err := guess.do(s, guess.ask())
		got.account, got.created = made.account, made.created
		return got, err
	})
}

// owners names accounts by the session whose signup would make them. It is
// complete before the run.
type owners struct{ users map[string]string }

func (o *owners) expect(user, name string) { o.users[user] = name }

func (o *owners) name(user string) string { return o.users[user] }
