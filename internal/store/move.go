package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Reader gives the rows of tables.
type Reader interface {
	// Rows gives a table's rows, without the first few, until each fails. each may
	// keep what it gets.
	Rows(ctx context.Context, t Table, without int64, each func(Row) error) error
}

// Source is what is moved. It does not change meanwhile, and gives the rows of a
// table in the same order whenever it is asked.
type Source interface {
	Reader

	// Installation tells this installation from all others, and stays the same.
	Installation(context.Context) (string, error)
}

// Target is where rows go. It remembers how far a move has come.
type Target interface {
	Reader

	// Begin begins a move, or goes on with one of the same installation. It is
	// ErrOccupied, and nothing is changed, where there is anything else.
	Begin(ctx context.Context, installation string) (Progress, error)

	// Append adds rows to a table and keeps how far the move has come with them, in
	// one step. It fails unless the move stands at from.
	Append(ctx context.Context, t Table, rows []Row, from, to Progress) error

	// Finish keeps that the move is finished.
	Finish(ctx context.Context) error
}

// ErrOccupied is a Target's that holds something else.
var ErrOccupied = errors.New("the target is not empty")

// Progress is how far a move has come.
type Progress struct {
	Table    string // the one that is being filled; "" before the first
	Rows     int64  // that it has
	Finished bool
}

// Moved is what became of one table.
type Moved struct {
	Table    string
	From, To Sum
}

// Same tells whether both sides have the same.
func (m Moved) Same() bool { return m.From == m.To }

// Report is what a move has come to.
type Report struct {
	Tables  []Moved
	Resumed bool // an earlier run had begun it
	Earlier bool // an earlier run had finished it; nothing was copied
}

// Differs names the tables that are not the same on both sides.
func (r Report) Differs() (names []string) {
	for _, m := range r.Tables {
		if !m.Same() {
			names = append(names, m.Table)
		}
	}
	return names
}

// ErrDiffers says that the two sides are not the same after all rows were
// copied.
var ErrDiffers = errors.New("the target does not hold what the source does")

// Move copies all tables in batches of so many rows, goes on where an earlier run
// was stopped, and compares the two sides. Only where they are the same it is
// finished; else its error is ErrDiffers, with the report. Finished once, it only
// compares.
func Move(ctx context.Context, from Source, to Target, batch int) (Report, error) {
	installation, err := from.Installation(ctx)
	if err != nil {
		return Report{}, err
	}
	at, err := to.Begin(ctx, installation)
	if err != nil {
		return Report{}, err
	}
	report := Report{Resumed: at.Table != "", Earlier: at.Finished}
	if !at.Finished {
		if err := copyAll(ctx, from, to, at, batch); err != nil {
			return report, err
		}
	}
	if report.Tables, err = compare(ctx, from, to); err != nil {
		return report, err
	}
	if differs := report.Differs(); len(differs) > 0 && !at.Finished {
		return report, fmt.Errorf("%w: %s", ErrDiffers, strings.Join(differs, ", "))
	}
	if at.Finished {
		return report, nil
	}
	return report, to.Finish(ctx)
}

// copyAll copies what comes behind a place.
func copyAll(ctx context.Context, from Source, to Target, at Progress, batch int) error {
	tables := Tables()
	first := slices.IndexFunc(tables, func(t Table) bool { return t.Name == at.Table })
	for _, t := range tables[max(first, 0):] {
		if at.Table != t.Name {
			next := Progress{Table: t.Name}
			if err := to.Append(ctx, t, nil, at, next); err != nil {
				return fmt.Errorf("beginning with %s: %w", t.Name, err)
			}
			at = next
		}
		var err error
		if at, err = copyTable(ctx, from, to, t, at, batch); err != nil {
			return fmt.Errorf("copying %s: %w", t.Name, err)
		}
	}
	return nil
}

func copyTable(ctx context.Context, from Source, to Target, t Table, at Progress, batch int) (Progress, error) {
	var rows []Row
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		next := Progress{Table: t.Name, Rows: at.Rows + int64(len(rows))}
		if err := to.Append(ctx, t, rows, at, next); err != nil {
			return err
		}
		at, rows = next, nil
		return nil
	}
	err := from.Rows(ctx, t, at.Rows, func(r Row) error {
		if rows = append(rows, r); len(rows) < batch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return at, err
	}
	return at, flush()
}

// compare reads all tables on both sides.
func compare(ctx context.Context, from, to Reader) ([]Moved, error) {
	var all []Moved
	for _, t := range Tables() {
		moved := Moved{Table: t.Name}
		for _, side := range []struct {
			of  Reader
			sum *Sum
		}{{from, &moved.From}, {to, &moved.To}} {
			if err := side.of.Rows(ctx, t, 0, func(r Row) error { return side.sum.Add(t, r) }); err != nil {
				return nil, fmt.Errorf("comparing %s: %w", t.Name, err)
			}
		}
		all = append(all, moved)
	}
	return all, nil
}
