package config

import (
	"strings"
	"testing"
)

// Where several instances meet: what cannot be meant is refused, what strangers
// could read along needs a word, and no password is told.
func TestC92WhereInstancesMeet(t *testing.T) {
	key := strings.Repeat("A", 43) + "="
	for _, c := range []struct{ set, says string }{
		{"DATABASE_URL=mysql://u:hunter2@127.0.0.1/d", "must begin with postgres://"},
		{"DATABASE_URL=host=db.example password=hunter2", "must begin with postgres://"},
		{"DATABASE_URL=postgres://u:hunter2@127.0.0.1/d?sslmode=%zz", "name=value"},
		{"DATABASE_URL=postgres://u:hunter2@db.example/d", "sslmode=verify-full"},
		{"DATABASE_URL=postgres://u:hunter2@10.0.0.5:5432/d", "sslmode=verify-full"},
		{"DATABASE_URL=postgres://u:hunter2@127.0.0.1:5432,db.example:5432/d", "sslmode=verify-full"},
		{"DATABASE_URL=postgres://u:hunter2@/d?host=db.example", "sslmode=verify-full"},
		{"MASTER_KEY=" + key + "," + key, "listed twice"},
		{"DATABASE_URL=postgres://u:hunter2@127.0.0.1:99999/d", "1 to 65535"},
		{"DATABASE_URL=postgres://u:hunter2@127.0.0.1:5432,localhost:x/d", "1 to 65535"},
		{"DATABASE_URL=postgres://u:hunter2@db.example/d?sslmode=full", "verify-full, verify-ca"},
		{"REDIS_URL=redis://:hunter2@127.0.0.1:99999/0", "1 to 65535"},
		{"REDIS_URL=redis://:hunter2@127.0.0.1:6379/0?addr=b:0", "1 to 65535"},
		{"REDIS_URL=redis://:hunter2@127.0.0.1:6379/sessions", "number of a database"},
		{"REDIS_URL=redis://:hunter2@127.0.0.1:6379?db=-1", "number of a database"},
		{"REDIS_URL=redis://:hunter2%zz@127.0.0.1:6379", "escape what is special"},
		{"DATABASE_URL=postgres://u:hunter2@/d", "names no host"},
		{"DATABASE_URL=postgres:///d?service=other", "names no host"},
		{"REDIS_URL=http://:hunter2@127.0.0.1", "must begin with rediss://"},
		{"REDIS_URL=hunter2", "must begin with rediss://"},

		{"DATABASE_URL=postgres://u:hunter2@127.0.0.1:5432,localhost:5433/d", ""},
		{"DATABASE_URL=postgresql://u:hunter2@[::1]:5432/d?pool_max_conns=4", ""},
		{"DATABASE_URL=postgres://u@%2Frun%2Fpostgresql/d", ""},
		{"DATABASE_URL=postgres:///d?host=/run/postgresql", ""},
		{"DATABASE_URL=postgres://u:hunter2@db.example/d?sslmode=verify-full", ""},
		{"DATABASE_URL=postgres://u:hunter2@a.example,b.example/d?sslmode=disable&target_session_attrs=read-write", ""},
		{"REDIS_URL=rediss://u:hunter2@cache.example:6379/0?addr=b:6379", ""},
		{"REDIS_URL=redis://[::1]", ""},
		{"REDIS_URL=redis://:hunter2@cache.example:6379/2", ""},
		{"DATABASE_URL=postgres:///d?host=/run/postgresql&port=5433", ""},
		{"REDIS_URL=unix:///run/redis.sock", ""},
	} {
		_, err := load(c.set)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", c.set, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %s", c.set, err, c.says)
		}
	}
}
