package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Invariant 7, in the rows of every engine: what TestInvariant07 shows of all
// that a server over SQLite writes. Here every column of every table is read,
// while the secrets are in use and after they are spent.
func TestInvariant07Stored(t *testing.T) {
	t.Parallel()
	onEveryEngine(t, nothingStoredInTheClear)
}

func nothingStoredInTheClear(t *testing.T, on engine) {
	p := newPair(t, on)
	secrets := map[string]string{canaryPassword: "password", canaryPassword2: "password"}
	for n := range 3 {
		secrets[strings.TrimPrefix(number(n), "+1")] = "phone number"
	}
	keep := func(set core.TokenSet) core.TokenSet {
		secrets[set.RefreshToken.Reveal()], secrets[set.AccessToken.Reveal()] = "refresh token", "access token"
		if set.DeviceToken != "" {
			secrets[set.DeviceToken.Reveal()] = "device token"
		}
		return set
	}
	code := func(challenge string) keyring.Secret {
		code := p.code(challenge)
		secrets[code.Reveal()] = "code"
		return code
	}

	keep(p.mustSignUp(number(0), canaryPassword))
	for range 2 { // C-11: codes of eight digits, which are nowhere by chance
		id := p.begin(number(0), "")
		p.guessWrongAt(id, core.MaxGuesses)
	}
	open, spent := p.begin(number(0), ""), p.begin(number(0), "")
	if len(code(open)) != 8 {
		t.Fatalf("a code of %d digits", len(code(open)))
	}
	p.searchRows(secrets)
	set := keep(mustGet(t)(p.verify(stranger(), spent, code(spent))))
	set = keep(mustGet(t)(p.refresh(set.RefreshToken, "")))
	caller := p.mustEnter(set)
	current := keyring.Secret(canaryPassword)
	if err := p.one().ChangePassword(context.Background(), caller, core.ChangePasswordIn{Current: &current, New: canaryPassword2}); err != nil {
		t.Fatal(err)
	}
	caller = p.mustEnter(set)
	moving, err := p.one().ChangePhone(context.Background(), caller, core.BeginIn{PhoneNumber: number(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.verify(caller, moving.ID, code(moving.ID)); err != nil {
		t.Fatal(err)
	}
	p.clock.pass(time.Hour)
	p.begin(number(2), "") // nobody's
	p.searchRows(secrets)
}

func mustGet(t *testing.T) func(core.TokenSet, error) core.TokenSet {
	return func(set core.TokenSet, err error) core.TokenSet {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
}

// mustEnter lets a living session in at the door.
func (p *pair) mustEnter(set core.TokenSet) core.Caller {
	p.t.Helper()
	caller, err := p.in(set.AccessToken)
	if err != nil {
		p.t.Fatal(err)
	}
	return caller
}

// guessWrongAt guesses wrong at one challenge, n times.
func (p *pair) guessWrongAt(challenge string, n int) {
	p.t.Helper()
	for range n {
		if _, err := p.verify(stranger(), challenge, keyring.Secret(wrongCode(p.code(challenge).Reveal()))); codeOf(err) != core.CodeInvalidCode {
			p.t.Fatalf("a wrong code: %v", err)
		}
	}
}

// searchRows looks for secrets in all that the database holds.
func (p *pair) searchRows(secrets map[string]string) {
	p.t.Helper()
	db := p.engine.look(p.t, p.where)
	var tables []string
	if err := db.rows(p.engine.tables, func(columns [][]byte) { tables = append(tables, string(columns[0])) }); err != nil {
		p.t.Fatal(err)
	}
	columns := 0
	for _, table := range tables {
		err := db.rows("SELECT * FROM "+table, func(row [][]byte) {
			columns += len(row)
			for _, column := range row {
				for value, what := range secrets {
					for form, needle := range formsOf(value) {
						if found(column, needle) {
							p.t.Errorf("table %s holds a %s, %s", table, what, form)
						}
					}
				}
			}
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	if len(tables) < 10 || columns < 500 {
		p.t.Errorf("only %d columns in %d tables were searched", columns, len(tables))
	}
}
