package pgtest

import (
	"testing"
)

// Durable starts a cluster for one benchmark that keeps what it acknowledges, as
// a server in production does, and gives the URL of an empty database in it.
// more are server settings, as in "shared_buffers=256MB"; they win.
func Durable(t testing.TB, more ...string) (url string) {
	t.Helper()
	c, err := start(append([]string{"fsync=on", "full_page_writes=on", "autovacuum=on"}, more...)...)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	c.tell(t, "CREATE DATABASE durable")
	return c.url("durable")
}
