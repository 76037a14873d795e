package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/countersign/countersign/internal/store"
)

// ErrMoveUnfinished is Open's where the database holds a part of another
// installation.
var ErrMoveUnfinished = errors.New("an installation is being moved into it, and that is not finished: run `countersign move` again")

// Import takes all rows of an installation that moves to this engine.
type Import struct{ s *Store }

var _ store.Target = (*Import)(nil)

// OpenImport opens a database to be filled, and brings its schema up to date.
// Statements may take as long as they need.
func OpenImport(ctx context.Context, o Options) (*Import, error) {
	s, err := connected(ctx, o, unbounded)
	if err != nil {
		return nil, err
	}
	return &Import{s: s}, nil
}

// unbounded lets statements run until they are done.
func unbounded(*pgxpool.Config) []string { return nil }

// refuseUnfinished refuses a database that holds a part of an installation.
func (s *Store) refuseUnfinished(ctx context.Context) error {
	unfinished, err := read(ctx, s, "looking for an unfinished move", func(tx *tx, out *bool) {
		tx.exists(out, "SELECT FROM moves WHERE NOT finished")
	})
	if err == nil && unfinished {
		err = ErrMoveUnfinished
	}
	return err
}

// Close closes all connections.
func (i *Import) Close() error {
	i.s.pool.Close()
	return nil
}

// given are rows that the schema itself brings. A move brings its own.
const given = "DELETE FROM rollup_spans; DELETE FROM valid_after; DELETE FROM turns WHERE name = 'events'"

// mine says which rows of a table are moved, where not all are.
var mine = map[string]string{"turns": " WHERE name = 'events'"}

// Begin implements store.Target.
func (i *Import) Begin(ctx context.Context, installation string) (at store.Progress, err error) {
	err = i.write(ctx, "beginning a move", func(tx pgx.Tx) error {
		begun, err := tx.Exec(ctx, "INSERT INTO moves (installation) VALUES ($1) ON CONFLICT DO NOTHING", installation)
		if err != nil {
			return err
		}
		if begun.RowsAffected() > 0 {
			return prepareEmpty(ctx, tx)
		}
		var whose string
		err = tx.QueryRow(ctx, "SELECT installation, table_name, rows, finished FROM moves").
			Scan(&whose, &at.Table, &at.Rows, &at.Finished)
		if err == nil && whose != installation {
			err = fmt.Errorf("%w: another installation was moved into it, or a part of one", store.ErrOccupied)
		}
		return err
	})
	return at, err
}

// prepareEmpty makes room for an installation where there is nothing.
func prepareEmpty(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, given); err != nil {
		return err
	}
	for _, t := range store.Tables() {
		var some bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+t.Name+mine[t.Name]+")").Scan(&some); err != nil {
			return err
		}
		if some {
			return fmt.Errorf("%w: there are %s in it", store.ErrOccupied, t.Name)
		}
	}
	return nil
}

// Append implements store.Target.
func (i *Import) Append(ctx context.Context, t store.Table, rows []store.Row, from, to store.Progress) error {
	if err := i.makeRoom(ctx, t, rows); err != nil {
		return err
	}
	return i.write(ctx, "adding rows", func(tx pgx.Tx) error {
		moved, err := tx.Exec(ctx, "UPDATE moves SET table_name = $1, rows = $2 WHERE table_name = $3 AND rows = $4 AND NOT finished",
			to.Table, to.Rows, from.Table, from.Rows)
		if err != nil {
			return err
		}
		if moved.RowsAffected() != 1 {
			return errors.New("another run has moved on meanwhile")
		}
		if len(rows) == 0 {
			return nil
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{t.Name}, t.Names(), pgx.CopyFromSlice(len(rows), func(n int) ([]any, error) {
			return rows[n], nil
		}))
		return err
	})
}

// mostPartitions bounds what makeRoom makes: rows of clocks that jumped are to be
// found where they would be else.
const mostPartitions = 40

// makeRoom makes the partitions that rows of long ago belong to, such as a year's
// events. In the partition for what is in no stretch each of them would be swept by
// itself, and whenever a partition is made all of them would be looked at, while
// nobody may use the table.
func (i *Import) makeRoom(ctx context.Context, t store.Table, rows []store.Row) error {
	n := slices.IndexFunc(partitionedTables[:], func(p partitioned) bool { return p.table == t.Name })
	if n < 0 || len(rows) == 0 {
		return nil
	}
	p, id := partitionedTables[n], slices.Index(t.Names(), "id")
	p.ahead = 0
	has, err := i.s.partitions(ctx, p.table)
	if err != nil {
		return err
	}
	for _, row := range rows {
		text, _ := row[id].(string)
		at, dated := timeOf(text)
		name := p.name(p.starts(at))
		if !dated || slices.Contains(has, name) || len(has) >= mostPartitions {
			continue
		}
		if err := i.s.makePartitions(ctx, p, has, at); err != nil {
			return err
		}
		has = append(has, name)
	}
	return nil
}

// Finish implements store.Target.
func (i *Import) Finish(ctx context.Context) error {
	err := i.write(ctx, "finishing a move", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE moves SET finished = true")
		return err
	})
	if err != nil {
		return err
	}
	// What was copied at once has not been counted: the first plans would be bad.
	if _, err := i.s.pool.Exec(ctx, "ANALYZE"); err != nil {
		i.s.log.Warn("the moved tables are not analyzed", "error", err)
	}
	return nil
}

func (i *Import) write(ctx context.Context, doing string, run func(pgx.Tx) error) error {
	if err := pgx.BeginFunc(ctx, i.s.pool, run); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// Rows implements store.Reader, in whatever order.
func (i *Import) Rows(ctx context.Context, t store.Table, without int64, each func(store.Row) error) error {
	query := "SELECT " + strings.Join(t.Names(), ", ") + " FROM " + t.Name + mine[t.Name] + " OFFSET $1"
	rows, err := i.s.pool.Query(ctx, query, without)
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.Name, err)
	}
	defer rows.Close()
	columns := make([]any, len(t.Columns))
	for n, c := range t.Columns {
		columns[n] = columnOf(c.Kind)
	}
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return fmt.Errorf("reading %s: %w", t.Name, err)
		}
		values := make(store.Row, len(columns))
		for n, c := range columns {
			values[n] = valueOf(c)
		}
		if err := each(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", t.Name, err)
	}
	return nil
}

// columnOf gives what a column of a kind is scanned into, NULL too.
func columnOf(kind store.Kind) any {
	switch kind {
	case store.Text:
		return new(pgtype.Text)
	case store.Integer:
		return new(pgtype.Int8)
	case store.Boolean:
		return new(pgtype.Bool)
	case store.Integers:
		return new([]int64)
	default:
		return new([]byte)
	}
}

func valueOf(column any) any {
	switch c := column.(type) {
	case *pgtype.Text:
		if c.Valid {
			return c.String
		}
	case *pgtype.Int8:
		if c.Valid {
			return c.Int64
		}
	case *pgtype.Bool:
		if c.Valid {
			return c.Bool
		}
	case *[]int64:
		if *c != nil {
			return slices.Clone(*c)
		}
	case *[]byte:
		if *c != nil {
			return slices.Clone(*c)
		}
	}
	return nil
}
