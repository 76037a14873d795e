package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// partitioned is a table that only grows at its end: a stretch of time is a
// partition, made ahead and dropped as a whole. The key is the row's id, a UUIDv7,
// which begins with its time: so an id is unique in all of the table, and who knows
// it asks one partition. What is in no stretch (clocks jump) is in the partition
// named …_other, which is swept row by row.
type partitioned struct {
	table  string
	layout string // of a partition's name, and how it tells its beginning
	ahead  int    // stretches that are made ahead
	starts func(time.Time) time.Time
	months int // of a stretch,
	days   int // or its days
	// stays asks whether a partition (%s) has anything that may not go at a time ($1).
	stays string
}

var partitionedTables = [...]partitioned{
	{
		table: "messages", layout: "20060102", ahead: 2, days: 1,
		starts: func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) },
		stays: `SELECT FROM %[1]s WHERE challenge_id IS NULL AND expires_at > $1
			UNION ALL SELECT FROM %[1]s WHERE settled_at = 0 AND expires_at > $1 LIMIT 1`,
	},
	{
		table: "events", layout: "200601", ahead: 1, months: 1,
		starts: func(t time.Time) time.Time {
			year, month, _ := t.UTC().Date()
			return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
		},
		stays: `SELECT FROM %[1]s WHERE position IS NULL AND $1::bigint > 0
			UNION ALL SELECT FROM %[1]s WHERE position > (SELECT coalesce(min(settled), 9223372036854775807) FROM sinks) LIMIT 1`,
	},
}

func (p partitioned) name(start time.Time) string { return p.table + "_" + start.Format(p.layout) }

func (p partitioned) end(start time.Time) time.Time { return start.AddDate(0, p.months, p.days) }

// startOf reads a partition's beginning from its name.
func (p partitioned) startOf(name string) (time.Time, bool) {
	start, err := time.Parse(p.table+"_"+p.layout, name)
	return start, err == nil
}

// timeOf is the time that a UUIDv7 begins with.
func timeOf(id string) (at time.Time, dated bool) {
	b, ok := keyring.ParseID(id)
	ms := binary.BigEndian.Uint64(b[:8]) >> 16
	return time.UnixMilli(int64(ms)).UTC(), ok && b[6]>>4 == 7
}

// changeWait is how long a partition waits for those who use its table: who comes
// behind waits with it. The next sweep tries again.
const changeWait = 250 * time.Millisecond

// The server's words for what a later sweep may do (SQLSTATE).
const (
	lockNotAvailable = "55P03"
	queryCanceled    = "57014" // it took longer than a statement may
	checkViolation   = "23514" // rows of the stretch are in the other partition, till they go
)

var leftForLater = []string{lockNotAvailable, queryCanceled, checkViolation, undefinedTable}

// makePartitions makes what is missing around a time and ahead of it.
func (s *Store) makePartitions(ctx context.Context, p partitioned, has []string, now time.Time) error {
	start := p.starts(now)
	for range p.ahead + 1 {
		if name := p.name(start); !slices.Contains(has, name) {
			err := s.changePartition(ctx, "making a partition", func(tx *tx) {
				if tx.one("SELECT FROM pg_class WHERE oid = to_regclass($1)", func(*row) {}, name) {
					return
				}
				tx.exec("CREATE TABLE " + name + " (LIKE " + p.table + " INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
				tx.exec(fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')",
					p.table, name, keyring.FirstID(start), keyring.FirstID(p.end(start))))
			})
			if err != nil {
				return err
			}
		}
		start = p.end(start)
	}
	return nil
}

// dropPartitions drops those that ended before a time, and in which nothing has
// to stay.
func (s *Store) dropPartitions(ctx context.Context, p partitioned, has []string, till, now time.Time) error {
	for _, name := range has {
		start, dated := p.startOf(name)
		if !dated || p.end(start).After(till) {
			continue
		}
		err := s.changePartition(ctx, "dropping a partition", func(tx *tx) {
			stays := fmt.Sprintf(p.stays, name)
			if tx.one(stays, func(*row) {}, now) {
				return
			}
			tx.exec("LOCK TABLE " + p.table + ", " + name + " IN ACCESS EXCLUSIVE MODE")
			if !tx.one(stays, func(*row) {}, now) {
				tx.exec("DROP TABLE " + name)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// changePartition does something to a table while no other instance does, and
// without keeping its users waiting.
func (s *Store) changePartition(ctx context.Context, doing string, change func(*tx)) error {
	_, err := write(ctx, s, doing, func(tx *tx, _ *struct{}) {
		tx.holdTurn(turnPartitions)
		tx.look()
		tx.exec(fmt.Sprintf("SET LOCAL lock_timeout = %d", changeWait.Milliseconds()))
		change(tx)
	})
	var told *pgconn.PgError
	if errors.As(err, &told) && slices.Contains(leftForLater, told.Code) {
		s.log.Debug("a partition is left to a later sweep", "error", err)
		return nil
	}
	return err
}

// partitions gives the names of a table's partitions.
func (s *Store) partitions(ctx context.Context, table string) ([]string, error) {
	return read(ctx, s, "reading the partitions", func(tx *tx, out *[]string) {
		collect(tx, out, `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = to_regclass($1) ORDER BY 1`, func(r *row) (name string) {
			r.scan(&name)
			return name
		}, table)
	})
}

// sweepPartitions makes and drops the partitions of all tables.
func (s *Store) sweepPartitions(ctx context.Context, in core.Sweep) error {
	till := map[string]time.Time{
		"messages": in.Now.Add(-max(in.KeepChallenges, sendDay)), // what counts of a day stays
		"events":   in.Now.Add(-in.KeepEvents),
	}
	for _, p := range partitionedTables {
		has, err := s.partitions(ctx, p.table)
		if err != nil {
			return err
		}
		if err := s.makePartitions(ctx, p, has, in.Now); err != nil {
			return err
		}
		if err := s.dropPartitions(ctx, p, has, till[p.table], in.Now); err != nil {
			return err
		}
	}
	return nil
}

// firstPartitions makes those of today, by the database's clock.
func (s *Store) firstPartitions(ctx context.Context) error {
	now, err := read(ctx, s, "reading the database's clock", func(tx *tx, out *time.Time) {
		tx.ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", func(r *row) { r.scan(at(out)) })
	})
	for _, p := range partitionedTables {
		if err != nil {
			return err
		}
		var has []string
		if has, err = s.partitions(ctx, p.table); err == nil {
			err = s.makePartitions(ctx, p, has, now)
		}
	}
	return err
}
