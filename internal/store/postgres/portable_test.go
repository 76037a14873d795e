package postgres

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// foreign is what Citus, YugabyteDB or CockroachDB do not have, or have in a
// way that would make a bottleneck of one server: sequences (each number from one
// place), advisory locks, triggers, tables that are not replicated, constraints
// over several shards, places on disk.
var foreign = regexp.MustCompile(`(?i)\b(\w*serial|identity|sequence|nextval|currval|setval|pg_\w*advisory\w*|create (or replace )?(function|procedure|rule|trigger|extension)|create (unlogged|temp|temporary)|exclude using|ctid|xmin|with hold|set session|create materialized|listen)\b`)

// allowed is what of it is here nevertheless, and why.
var allowed = map[string]string{
	"LISTEN ": "a hint with polling behind it: TestWithoutNotifications",
}

func TestNothingForeignToDistributedServers(t *testing.T) {
	found := textsOfThePackage(t)
	if len(found) < 100 {
		t.Fatalf("only %d texts were found", len(found))
	}
	for place, text := range found {
		if word := foreign.FindString(text); word != "" && allowed[text] == "" {
			t.Errorf("%s: %q in %s", place, word, text)
		}
	}
}

// textsOfThePackage are the strings of its code, and its migrations without their
// comments.
func textsOfThePackage(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, is := n.(*ast.BasicLit); is && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				all[files.Position(literal.Pos()).String()] = text
			}
			return true
		})
	}
	scripts, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		text, err := fs.ReadFile(migrations, script)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			code, _, _ := strings.Cut(line, "--")
			all[fmt.Sprintf("%s:%d", script, i+1)] = code
		}
	}
	return all
}

var (
	// sharded are the tables that would be spread by user or by number.
	sharded = regexp.MustCompile(`\b(FROM|JOIN|UPDATE|INTO) (users|phones|password_history|devices|sessions|challenges|messages|failures|numbers|events)\b`)

	// ofOne is a statement that asks for one key's rows, or writes one.
	ofOne = regexp.MustCompile(`\b(id|user_id|phone_key|challenge_id|begin_key)\s*(=|IN|<>)\s*(ANY )?\(*(\$\d|SELECT)|VALUES \(\$1|SELECT \$\d`)
)

// acrossUsers are the statements that look at everybody's rows, by their
// beginnings, and why they may.
var acrossUsers = map[string]string{
	"UPDATE challenges SET sealed = NULL WHERE id = ANY (ARRAY(":                                     "Sweep: each shard can be swept by itself",
	"DELETE FROM challenges WHERE id = ANY (ARRAY(":                                                  "Sweep",
	"DELETE FROM messages WHERE id = ANY (ARRAY(":                                                    "Sweep",
	"WITH old AS MATERIALIZED (SELECT phone_key, device_id":                                          "Sweep",
	"DELETE FROM numbers WHERE phone_key = ANY (ARRAY(":                                              "Sweep",
	"SELECT id, CASE ended_at WHEN 0":                                                                "Sweep",
	"SELECT payload, user_id, session_id, phone_masked, phone_pseudonym FROM events WHERE addressed": "Sweep",
	"SELECT m.written_at, c.sealed, c.id IS NOT NULL AND":                                            "ClaimMessages: the outbox is one queue, whose order is a wish; each shard may be one",
	"SELECT FROM events WHERE position IS NULL LIMIT 1":                                              "ClaimEvents: the events of all are one log, in one order",
	"WITH fresh AS (SELECT id, row_number() OVER":                                                    "ClaimEvents",
	"INSERT INTO watchers":                                                                           "ClaimEvents",
	"SELECT position, payload":                                                                       "ClaimEvents",
	"SELECT count(*) FILTER (WHERE due_at":                                                           "Queues: a gauge",
	"SELECT m.challenge_id, m.channel, m.country, m.prefix_key":                                      "Routes: sums of the newest messages, that each shard can make by itself",
	"SELECT m.id, coalesce(m.challenge_id, ''), m.user_id":                                           "FindMessages: what operators look through, newest first; each shard can be asked by itself",
	"SELECT s.name, (SELECT count(*) FROM events WHERE position IS NULL)":                            "Queues",
}

// A statement is one user's or one number's, or has its reason.
func TestStatementsKeepToOneUser(t *testing.T) {
	heard := &statements{args: map[string][]any{}}
	s := open(t, Options{configure: heard.listen})
	m := &maker{prefix: "keeps"}
	prepared := operations(t, s, m)
	maps.Copy(prepared, hot(t, s, m))
	for _, name := range inOrder(prepared) {
		if err := prepared[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	used := map[string]bool{}
	for _, query := range slices.Sorted(maps.Keys(heard.args)) {
		if !sharded.MatchString(query) {
			continue
		}
		listed := false
		for beginning := range acrossUsers {
			if strings.HasPrefix(query, beginning) {
				used[beginning], listed = true, true
			}
		}
		if !listed && !ofOne.MatchString(query) {
			t.Errorf("of everybody, without a reason: %s", query)
		}
	}
	for beginning := range acrossUsers {
		if !used[beginning] {
			t.Errorf("there is no such statement any more: %s", beginning)
		}
	}
}
