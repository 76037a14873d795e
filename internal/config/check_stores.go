package config

import (
	"net/url"
	"strings"
)

// checkStores refuses URLs of databases that cannot be meant, or over which
// strangers could read along. What they say is never told: there is a password
// in them.
func (l *loader) checkStores(c *Config) {
	if text := c.DatabaseURL.Reveal(); text != "" {
		if problem := databaseProblem(text); problem != "" {
			l.refuseSetting("database_url", "%s", problem)
		}
	}
	if text := c.RedisURL.Reveal(); text != "" {
		scheme, _, ok := strings.Cut(text, "://")
		if !ok || scheme != "redis" && scheme != "rediss" && scheme != "unix" {
			l.refuseSetting("redis_url", "must begin with rediss://, redis:// or unix://, such as rediss://user:password@host:6379/0")
		}
	}
}

func databaseProblem(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return "must begin with postgres://, such as postgres://user:password@host:5432/countersign?sslmode=verify-full"
	}
	rest, query, _ := strings.Cut(rest, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		return "what follows its ? must be name=value pairs with & between them, and what is special in them escaped"
	}
	authority, _, _ := strings.Cut(rest, "/")
	hosts := authority[strings.LastIndex(authority, "@")+1:]
	if given.Has("host") {
		hosts = given.Get("host")
	}
	if given.Get("sslmode") != "" {
		return ""
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if !here(host) {
			return "names a host that is not this machine: say sslmode=verify-full in it, so that the server is known and nobody listens in, " +
				"or sslmode=disable where the network between is yours" // C-92
		}
	}
	return ""
}

// here tells whether a database's host, with its port or without, or the folder
// of its socket, is on this machine.
func here(host string) bool {
	return host == "" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "%2F") || LoopbackHost(host) || Loopback(host)
}
