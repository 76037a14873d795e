package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// conn is one connection and the statements prepared on it. It belongs to one
// goroutine at a time.
type conn struct {
	db    *sqlite3.Conn
	stmts map[string]*sqlite3.Stmt
}

// The settings of every connection. The busy timeout comes first: the others
// may already have to wait for another process.
func pragmas(more ...string) url.Values {
	return url.Values{"_pragma": append([]string{
		"busy_timeout(5000)",
		"journal_mode(wal)",
		"synchronous(full)",
		"foreign_keys(on)",
		"secure_delete(on)",
		"temp_store(memory)", // what savepoints keep to roll back, above all
		"wal_autocheckpoint(4000)",
	}, more...)}
}

// dsn is the URI of a database file.
func dsn(path, vfs string, settings url.Values) string {
	if vfs != "" {
		settings.Set("vfs", vfs)
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: settings.Encode()}).String()
}

// connect opens a connection. The files are there before SQLite would make
// them, readable by others.
func connect(path, vfs string, settings url.Values) (*conn, error) {
	if err := makeFiles(path); err != nil {
		return nil, err
	}
	db, err := sqlite3.OpenFlags(dsn(path, vfs, settings), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		return nil, err
	}
	// A plan that depends on what is bound, as one of LIMIT ? does, is made anew
	// at every use, which costs many times what the query does.
	if _, err := db.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &conn{db: db, stmts: map[string]*sqlite3.Stmt{}}, nil
}

func (c *conn) close() error {
	var failed error
	for _, stmt := range c.stmts {
		failed = errors.Join(failed, stmt.Close())
	}
	return errors.Join(failed, c.db.Close())
}

// prepared gives the statement of a query, bound to its arguments.
func (c *conn) prepared(query string, args []any) (*sqlite3.Stmt, error) {
	stmt := c.stmts[query]
	if stmt == nil {
		var tail string
		var err error
		if stmt, tail, err = c.db.Prepare(query); err != nil {
			return nil, err
		}
		c.stmts[query] = stmt
		if tail != "" || stmt.BindCount() != len(args) {
			return nil, fmt.Errorf("a query takes %d arguments, not %d", stmt.BindCount(), len(args))
		}
	}
	for i, arg := range args {
		if err := bind(stmt, i+1, arg); err != nil {
			return nil, err
		}
	}
	return stmt, nil
}

func bind(stmt *sqlite3.Stmt, at int, arg any) error {
	switch value := arg.(type) {
	case string:
		return stmt.BindText(at, value)
	case int:
		return stmt.BindInt(at, value)
	case int64:
		return stmt.BindInt64(at, value)
	case bool:
		return stmt.BindBool(at, value)
	case time.Time:
		return stmt.BindInt64(at, millis(value))
	case []byte:
		return stmt.BindBlob(at, value) // NULL where it is nil
	case nil:
		return stmt.BindNull(at)
	}
	return fmt.Errorf("no column holds a %T", arg)
}

// exec runs a query that gives no rows, and tells how many rows it changed.
func (c *conn) exec(query string, args ...any) (int64, error) {
	stmt, err := c.prepared(query, args)
	if err != nil {
		return 0, err
	}
	if err := stmt.Exec(); err != nil {
		return 0, err
	}
	return c.db.Changes(), nil
}

// query gives the rows to read, until it answers false.
func (c *conn) query(query string, read func(*row) bool, args ...any) error {
	stmt, err := c.prepared(query, args)
	if err != nil {
		return err
	}
	defer stmt.Reset()
	for stmt.Step() {
		if !read(&row{stmt: stmt}) {
			return nil
		}
	}
	return stmt.Err()
}

// row reads one row's columns from left to right.
type row struct {
	stmt *sqlite3.Stmt
	next int
}

func (r *row) column() int {
	r.next++
	return r.next - 1
}

func (r *row) text() string { return r.stmt.ColumnText(r.column()) }
func (r *row) int() int     { return r.stmt.ColumnInt(r.column()) }
func (r *row) long() int64  { return r.stmt.ColumnInt64(r.column()) }
func (r *row) flag() bool   { return r.stmt.ColumnBool(r.column()) }

// blob is nil where the column is NULL or empty.
func (r *row) blob() []byte { return r.stmt.ColumnBlob(r.column(), nil) }

func (r *row) time() time.Time { return fromMillis(r.long()) }

// millis is how times are stored: unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
