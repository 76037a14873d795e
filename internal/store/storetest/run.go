package storetest

import (
	"slices"
	"testing"

	"github.com/countersign/countersign/internal/core"
)

// Run holds an engine against the definition of core.Store. open gives a
// fresh, empty store and registers its own cleanup; it is called once a case.
func Run(t *testing.T, open func(t *testing.T) core.Store) {
	run(t, open, func(string) bool { return true })
}

// RunFlows runs some of the flows, by their names, for what stands between an
// engine that has passed all of them and its server.
func RunFlows(t *testing.T, open func(t *testing.T) core.Store, names ...string) {
	known := 0
	run(t, open, func(name string) bool {
		if !slices.Contains(names, name) {
			return false
		}
		known++
		return true
	})
	if known != len(names) {
		t.Errorf("of the flows %v, there are %d", names, known)
	}
}

func run(t *testing.T, open func(t *testing.T) core.Store, wanted func(name string) bool) {
	flows := []struct {
		name  string
		cases func(flow)
	}{
		{"challenge", challenges},
		{"resend", resends},
		{"sends", sends},
		{"guess", guesses},
		{"repeat", repeats},
		{"limits", limits},
		{"signin", signIns},
		{"signup", signups},
		{"login", logins},
		{"reset", resets},
		{"phone", phoneChanges},
		{"reauth", reauthentications},
		{"try", passwordTries},
		{"password", passwords},
		{"rotate", rotations},
		{"sessions", sessionEnds},
		{"user", users},
		{"erasure", erasures},
		{"devices", devices},
		{"operator", operators},
		{"outbox", messages},
		{"delivery", deliveries},
		{"routes", routes},
		{"budgets", budgets},
		{"queues", queues},
		{"events", events},
		{"instances", instances},
		{"keys", keys},
		{"apikeys", apiKeys},
		{"rollups", rollups},
		{"sweep", sweeps},
		{"races", races},
		{"endings", endings},
		{"everybody's end", everybodysEnd},
		{"model", models},
		{"model of sends", sendModels},
		{"model of budgets", budgetModels},
	}
	for _, each := range flows {
		if !wanted(each.name) {
			continue
		}
		t.Run(each.name, func(t *testing.T) {
			t.Parallel()
			each.cases(flow{t: t, open: open})
		})
	}
}

// flow is one file's list of cases.
type flow struct {
	t    *testing.T
	open func(t *testing.T) core.Store
}

// shows runs one case in a world of its own.
func (f flow) shows(what string, body func(*world)) {
	f.t.Run(what, func(t *testing.T) {
		t.Parallel()
		body(newWorld(t, f.open(t), seeded()))
	})
}
