package e2e

import (
	"testing"

	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// fleetKey is the master key of all instances of a fleet.
const fleetKey = "COUNTERSIGN_MASTER_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// fleet is several instances over one PostgreSQL database: processes of the
// built binary, each with a data folder of its own.
type fleet struct {
	t        *testing.T
	database string // its URL
	all      []*program
}

// startFleet starts one over a fresh database.
func startFleet(t *testing.T, n int, settings ...string) *fleet {
	t.Helper()
	f := newFleet(t, n, settings...)
	for _, p := range f.all {
		p.start()
	}
	return f
}

// newFleet makes one that does not run yet.
func newFleet(t *testing.T, n int, settings ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, database: pgtest.Database(t)}
	binary := buildBinary(t)
	for range n {
		p := &program{t: t, path: binary, dir: t.TempDir()}
		p.more = append([]string{"COUNTERSIGN_DATABASE_URL=" + f.database, fleetKey}, settings...)
		t.Cleanup(p.kill)
		f.all = append(f.all, p)
	}
	return f
}

// code waits for the message of a challenge, on whichever instance sent it, and
// reads its code.
func (f *fleet) code(challenge string) (code string) {
	f.t.Helper()
	eventually(f.t, "the message of challenge "+challenge, func() bool {
		for _, p := range f.all {
			if p.command == nil {
				continue
			}
			messages, err := p.inbox("")
			if err != nil {
				f.t.Fatal(err)
			}
			for _, m := range messages {
				if m.ChallengeID == challenge {
					code = lastCode.FindStringSubmatch(m.Body)[1]
					return true
				}
			}
		}
		return false
	})
	return code
}
