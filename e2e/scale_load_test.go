package e2e

import (
	"fmt"
	"math"
	"testing"
)

// docs/scale.md is arithmetic over what is assumed of people and what was
// measured; the tables are made here, so that no number on the page is older than
// its reasons.

const scalePage = "../docs/scale.md"

// What is assumed of users. Whose own are others puts them here.
const (
	activeShare      = 0.4  // of all users, on a day
	refreshesADay    = 10.0 // of each active one: visits to the app after the access token's 5 min
	ownCallsADay     = 1.0  // GET /v1/me and the like, of each active one
	signInsAMonth    = 0.5  // of each user: new devices, sessions that lapsed
	signUpsAMonth    = 0.05 // of each user there is
	wrongCodes       = 0.3  // to each sign-in: codes asked for again, wrong ones
	passwordShare    = 0.3  // of sign-ins, by password
	peak             = 4.0  // the busiest minute of a day, of the average
	opening          = 0.05 // of all users, after a message to everybody, most within a minute
	sessionsOfUser   = 2.0
	devicesOfUser    = 2.0
	checkpointPeriod = 900.0 // s between checkpoints of PostgreSQL (checkpoint_timeout = 15 min)
)

// What was measured. Costs are processor time, on a virtual machine of two
// cores that others shared: upper bounds.
const (
	refreshCPU      = 529e-6 // s at the instance, with its caller: BenchmarkPostgresRefresh/synced
	refreshPGCPU    = 496e-6 // s at PostgreSQL: the same
	updatePGCPU     = 332e-6 // s at PostgreSQL of pgbench's bare UPDATE: the same
	signInRefreshes = 21     // refreshes that a sign-in costs PostgreSQL, begin, guess and outbox: 8.6 ms of 0.41 ms, beside BenchmarkSizes
	updatesOfOne    = 25_400 // bare UPDATEs a second that pgbench did at 16 connections on a whole machine
	passwordsOfCore = 31.0   // Argon2id, 19 MiB: BenchmarkVerify of internal/password, one slot
	redisOfScript   = 20e-6  // s at Redis of a script call with one count: BenchmarkTake of internal/limit/redis
	busy            = 0.6    // of what can be done: more is for failover, vacuum, backups
)

// What BenchmarkSizes found, of a thousand people: bytes of a row with its share
// of the indexes, and of the write-ahead log.
const (
	usersBytes      = 385.0
	phonesBytes     = 303.0
	devicesBytes    = 385.0
	sessionsBytes   = 799.0
	numbersBytes    = 311.0
	challengesBytes = 746.0
	messagesBytes   = 987.0
	eventsBytes     = 1251.0
	eventsOfBegin   = 3.4
	refreshLog      = 369.0
	signInLog       = 11_000.0
	sessionHeap     = 640.0 // of sessionsBytes, without the indexes
	pageRoom        = 0.2   // sessions' fillfactor leaves so much of a page empty, and what is empty is not written
)

// kept is what BenchmarkSizes found of a table: bytes of a row with its indexes.
type kept struct {
	table string
	bytes float64
	rows  func() float64 // of each user, in the long run
	why   string
}

func keptTables() []kept {
	begins := (signInsAMonth + signUpsAMonth) * (1 + wrongCodes) / 30 // a day
	constant := func(n float64) func() float64 { return func() float64 { return n } }
	return []kept{
		{"users", usersBytes, constant(1), "1 (a password adds 130 B, and 5 old ones as much each)"},
		{"phones", phonesBytes, constant(1), "1"},
		{"devices", devicesBytes, constant(devicesOfUser), "2"},
		{"sessions", sessionsBytes, constant(sessionsOfUser), "2, ended ones for 30 days"},
		{"numbers", numbersBytes, constant(1.1), "1 and strangers'"},
		{"challenges", challengesBytes, constant(begins), "those of a day"},
		{"messages", messagesBytes, constant(begins * 2), "those of two days"},
		{"events", eventsBytes, constant(begins * eventsOfBegin * 395), "a year and a month of them"},
	}
}

// peakLoad are refreshes a second of so many users in the busiest minute.
func peakLoad(users float64) float64 {
	return peak * users * activeShare * refreshesADay / day.Seconds()
}

// refreshesOfOne is how many refreshes a second one PostgreSQL does.
func refreshesOfOne() float64 { return updatesOfOne * updatePGCPU / refreshPGCPU }

// sized calls a function with each number of users that the page tells of.
func sized(least int, row func(users float64) []string) [][]string {
	var rows [][]string
	for users := least; users <= 100_000_000; users *= 10 {
		rows = append(rows, append([]string{thousands(users)}, row(float64(users))...))
	}
	return rows
}

// count writes a number to two digits or so.
func count(x float64) string {
	switch {
	case x < 0.095:
		return fmt.Sprintf("%.2f", x)
	case x < 9.5:
		return fmt.Sprintf("%.1f", x)
	}
	unit := math.Pow(10, max(0, math.Floor(math.Log10(x))-1))
	return thousands(int(math.Round(x/unit) * unit))
}

func TestScaleLoad(t *testing.T) {
	t.Parallel()
	perSecond := func(aDay float64) string {
		return count(aDay/day.Seconds()) + " / " + count(peak*aDay/day.Seconds())
	}
	rows := sized(100_000, func(users float64) []string {
		signIns := users * (signInsAMonth + signUpsAMonth) / 30
		return []string{
			perSecond(users * activeShare * refreshesADay), perSecond(users * activeShare * ownCallsADay),
			perSecond(signIns * (1 + wrongCodes)), perSecond(signIns * passwordShare),
			count(peak * users * activeShare * refreshesADay / day.Seconds() * 288 / refreshesADay),
		}
	})
	onPageOf(t, scalePage, "load", table([]string{
		"users", "refreshes", "own calls", "codes begun, and as many guessed", "passwords", "refreshes if each active user never closed the app",
	}, rows))
}

func TestScaleServers(t *testing.T) {
	t.Parallel()
	rows := sized(1_000_000, func(users float64) []string {
		refreshes := peakLoad(users)
		passwords := peak * users * signInsAMonth * passwordShare / 30 / day.Seconds()
		signIns := peak * users * (signInsAMonth + signUpsAMonth) * (1 + wrongCodes) / 30 / day.Seconds()
		cores := (refreshes+signIns*signInRefreshes)*refreshCPU/busy + passwords/passwordsOfCore/busy
		hot := (refreshes + signIns*signInRefreshes) / refreshesOfOne()
		return []string{
			count(cores), fmt.Sprint(max(2, int(math.Ceil(cores/4))) + 1),
			fmt.Sprintf("%.1f %%", 100*hot), fmt.Sprint(max(1, int(math.Ceil(hot/busy)))),
			fmt.Sprintf("%.1f %%", 100*refreshes*redisOfScript),
			count(fewConnections(refreshes)),
		}
	})
	onPageOf(t, scalePage, "servers", table([]string{
		"users", "cores of instances", "instances of 4 cores, one to spare", "of one PostgreSQL", "PostgreSQL servers by rate alone", "of one Redis", "connections in use",
	}, rows))
}

// fewConnections is how many connections are in use at once, by Little's law: a
// trip of 2 ms, the disk's sync in it.
func fewConnections(perSecond float64) float64 { return perSecond * 0.002 }

func TestScaleBytes(t *testing.T) {
	t.Parallel()
	var rows [][]string
	sum := 0.0
	for _, k := range keptTables() {
		each := k.bytes * k.rows()
		sum += each
		rows = append(rows, []string{"`" + k.table + "`", count(k.bytes), k.why, count(each), gigabytes(each * 1e7), gigabytes(each * 1e8)})
	}
	rows = append(rows, []string{"all", "", "", count(sum), gigabytes(sum * 1e7), gigabytes(sum * 1e8)})
	onPageOf(t, scalePage, "bytes", table([]string{
		"table", "bytes of a row, indexes and all", "rows of a user", "bytes of a user", "10⁷ users", "10⁸ users",
	}, rows))
}

func gigabytes(bytes float64) string { return count(bytes/1e9) + " GB" }

// What goes to the write-ahead log at the peak. The first change of a page
// after a checkpoint writes the whole page, and sessions of people who refresh lie
// anywhere.
func TestScaleLog(t *testing.T) {
	t.Parallel()
	rows := sized(1_000_000, func(users float64) []string {
		refreshes, pages := peakLoad(users), users*sessionsOfUser*sessionHeap/8192
		changes := refreshes * checkpointPeriod
		first := pages * (1 - math.Exp(-changes/pages)) / changes
		signIns := peak * users * (signInsAMonth + signUpsAMonth) / 30 / day.Seconds()
		whole := refreshes * first * 8192 * (1 - pageRoom)
		return []string{
			count(refreshes * refreshLog / 1e6), fmt.Sprintf("%.0f %%", 100*first), count(whole / 1e6),
			count(signIns * signInLog / 1e6), count((refreshes*refreshLog + whole + signIns*signInLog) / 1e6 / peak * day.Seconds() / 1e3),
		}
	})
	onPageOf(t, scalePage, "log", table([]string{
		"users", "refreshes, MB/s", "of them first on their page", "whole pages for these, MB/s", "sign-ins, MB/s", "GB a day",
	}, rows))
}
