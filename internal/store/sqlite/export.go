package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store"
)

// Export gives all rows of a database as they are at one moment, to be moved.
// While it is open nobody writes to the database: who tries waits, and fails.
type Export struct {
	path string
	conn *conn
	logs map[string]string
}

var _ store.Source = (*Export)(nil)

// OpenExport brings the schema up to date, lets go what an earlier run had
// claimed, and takes the database. No server may run over it. logs renames logs:
// where there are many instances, each has one of its own.
func OpenExport(ctx context.Context, o Options, logs map[string]string) (*Export, error) {
	o.Alone = true
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	conn, err := connect(s.path, o.vfs, pragmas())
	if err != nil {
		return nil, explain(s.path, err)
	}
	if _, err := conn.exec("BEGIN IMMEDIATE"); err != nil {
		return nil, errors.Join(explain(s.path, err), conn.close())
	}
	return &Export{path: s.path, conn: conn, logs: logs}, nil
}

// Close gives the database back as it was.
func (e *Export) Close() error {
	_, err := e.conn.exec("ROLLBACK")
	return wrap("closing "+e.path, errors.Join(err, e.conn.close()))
}

// Installation implements store.Source. It tells of the key of pseudonyms, which
// an installation never changes.
func (e *Export) Installation(context.Context) (id string, err error) {
	err = e.conn.query("SELECT sealed FROM keys WHERE slot = ?", func(r *row) bool {
		hash := sha256.Sum256(r.blob())
		id = hex.EncodeToString(hash[:])
		return true
	}, keyring.SlotPseudonym)
	if err == nil && id == "" {
		err = errors.New("no server has ever run over it: there is nothing to move")
	}
	return id, wrap("looking whose database "+e.path+" is", err)
}

// exported tells how a table comes into the shape of store.Tables, where it does
// not have it already.
type exported struct {
	from    string            // the table, where not named the same
	values  map[string]string // columns that are called or made otherwise
	order   string            // the rows' order, the same at each reading
	arrival string            // of tables in the order of their positions: each row's time
}

// exports are by table. position is how this engine keeps the order in which rows
// came; the other one has written_at, in microseconds, for the same.
var exports = map[string]exported{
	"keys":   {order: "id"},
	"users":  {order: "id"},
	"phones": {order: "phone_key"},
	"password_history": {
		// Each hash went with a generation. Which, does not matter: the order does.
		values: map[string]string{"generation": `(SELECT generation FROM users WHERE id = user_id) - (SELECT count(*)
			FROM password_history later WHERE later.user_id = password_history.user_id AND later.position >= password_history.position)`},
		order: "position",
	},
	"devices":    {order: "id"},
	"sessions":   {order: "id"},
	"challenges": {order: "id"},
	"messages":   {order: "position", arrival: "created_at"},
	"failures":   {values: map[string]string{"waited": "0"}, order: "phone_key, device_id, method"},
	"events": {
		values: map[string]string{
			"nth":          "1",
			"session_id":   "coalesce(CAST(payload AS TEXT) ->> '$.session_id', '')",
			"phone_masked": "coalesce(CAST(payload AS TEXT) ->> '$.phone_number', '')",
		},
		order: "position", arrival: "time",
	},
	"valid_after": {order: "time"},
	"turns": { // the last position that was given, also where the event is swept
		from:  "(SELECT 'events' AS name, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS last)",
		order: "name",
	},
	"sinks":        {order: "name"},
	"watchers":     {order: "name"},
	"heads":        {order: "log"},
	"api_keys":     {order: "id"},
	"spending":     {order: "span, country, starts_at"},
	"rollups":      {order: "span, starts_at, name, method, outcome, reason, country, provider, instance"},
	"rollup_spans": {order: "span"},
}

// query gives the statement that reads a table. Where rows have arrival times,
// position comes behind the columns.
func (e exported) query(t store.Table) string {
	var columns []string
	for _, name := range t.Names() {
		value, found := e.values[name]
		switch {
		case found:
		case name == "written_at":
			value = e.arrival + " * 1000 - position"
		default:
			value = name
		}
		columns = append(columns, value)
	}
	if e.arrival != "" {
		columns = append(columns, "position")
	}
	from := e.from
	if from == "" {
		from = t.Name
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + from + " ORDER BY " + e.order
}

// Rows implements store.Reader, in the order of each table's key or position.
func (e *Export) Rows(ctx context.Context, t store.Table, without int64, each func(store.Row) error) error {
	how, found := exports[t.Name]
	if !found {
		return fmt.Errorf("reading %s: it is not known how", t.Name)
	}
	defer e.conn.db.SetInterrupt(e.conn.db.SetInterrupt(ctx))
	var failed error
	var clock arrivals
	written := slices.Index(t.Names(), "written_at")
	err := e.conn.query(how.query(t), func(r *row) bool {
		var values store.Row
		if values, failed = exportedRow(r, t); failed != nil {
			return false
		}
		if name, found := e.logs[firstText(values)]; found && t.Name == "heads" {
			values[0] = name
		}
		if how.arrival != "" {
			values[written], failed = clock.next(values[written], r.long())
		}
		if failed == nil && without > 0 {
			without--
			return true
		}
		if failed == nil {
			failed = each(values)
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return wrap("reading "+t.Name, err)
}

// firstText is a row's first value, where that is a text.
func firstText(values store.Row) string {
	text, _ := values[0].(string)
	return text
}

// arrivals turns positions into times of arrival that rise with each row, though
// clocks are set back and many rows come at once: the row's own time, or a
// microsecond a position behind one before it.
type arrivals struct {
	ahead int64
	begun bool
}

// next gives a row's arrival, from its own time less its position.
func (a *arrivals) next(less any, position int64) (int64, error) {
	own, is := less.(int64)
	if !is {
		return 0, fmt.Errorf("the row at position %d has no time", position)
	}
	if !a.begun || own > a.ahead {
		a.ahead, a.begun = own, true
	}
	return a.ahead + position, nil
}

func exportedRow(r *row, t store.Table) (store.Row, error) {
	values := make(store.Row, len(t.Columns))
	for i, c := range t.Columns {
		at := r.column()
		if r.stmt.ColumnType(at) == sqlite3.NULL {
			continue
		}
		switch c.Kind {
		case store.Text:
			values[i] = store.Storable(r.stmt.ColumnText(at))
		case store.Integer:
			values[i] = r.stmt.ColumnInt64(at)
		case store.Bytes:
			values[i] = r.stmt.ColumnBlob(at, []byte{})
		case store.Boolean:
			values[i] = r.stmt.ColumnBool(at)
		case store.Integers:
			packed := r.stmt.ColumnBlob(at, nil)
			list := make([]int64, 0, len(packed)/8)
			for ; len(packed) >= 8; packed = packed[8:] {
				list = append(list, int64(binary.BigEndian.Uint64(packed)))
			}
			values[i] = list
		default:
			return nil, fmt.Errorf("reading %s.%s: it is not known how", t.Name, c.Name)
		}
	}
	return values, nil
}
