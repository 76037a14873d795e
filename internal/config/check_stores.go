package config

import (
	"net/url"
	"slices"
	"strconv"
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
		if problem := redisProblem(text); problem != "" {
			l.refuseSetting("redis_url", "%s", problem)
		}
	}
}

// redisProblem tells what no Redis can be meant by: its loss does not stop a
// start, so a slip of the pen must.
func redisProblem(text string) string {
	scheme, _, ok := strings.Cut(text, "://")
	if !ok || scheme != "redis" && scheme != "rediss" && scheme != "unix" {
		return "must begin with rediss://, redis:// or unix://, such as rediss://user:password@host:6379/0"
	}
	u, err := url.Parse(text)
	if err != nil {
		return "is not well formed: escape what is special in the user and the password (%40 is @, %2F is /, %25 is %)"
	}
	if problem := portProblem(u.Host); problem != "" {
		return problem
	}
	database := strings.TrimPrefix(u.Path, "/")
	if scheme == "unix" {
		database = ""
	}
	for _, number := range []string{database, u.Query().Get("db")} {
		if n, err := strconv.Atoi(number); number != "" && (err != nil || n < 0) {
			return "ends in the number of a database, such as /0, or in nothing"
		}
	}
	for _, address := range u.Query()["addr"] {
		if problem := portProblem(address); problem != "" {
			return problem
		}
	}
	return ""
}

// portProblem tells whether a host's port, where it has one, is none.
func portProblem(host string) string {
	colon := strings.LastIndex(host, ":")
	if colon < 0 || colon == len(host)-1 || strings.HasSuffix(host, "]") {
		return ""
	}
	if port, err := strconv.ParseUint(host[colon+1:], 10, 16); err != nil || port == 0 {
		return "has a port that is none: it must be 1 to 65535"
	}
	return ""
}

// sslModes are PostgreSQL's, the safest first.
var sslModes = []string{"verify-full", "verify-ca", "require", "prefer", "allow", "disable"}

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
	if hosts == "" || given.Has("service") { // the library would look for them in PGHOST and in files
		return "names no host: write it before the /, or host=/run/postgresql behind the ? for a socket"
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if problem := portProblem(host); problem != "" && !given.Has("host") {
			return problem
		}
	}
	if mode := given.Get("sslmode"); mode != "" {
		if !slices.Contains(sslModes, mode) {
			return "has an sslmode that is none: it must be one of " + strings.Join(sslModes, ", ")
		}
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
	return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "%2F") || LoopbackHost(host) || Loopback(host)
}
