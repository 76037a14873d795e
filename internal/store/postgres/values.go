package postgres

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store"
)

// values turns arguments into what columns hold.
func values(args []any) []any {
	stored := make([]any, len(args))
	for i, arg := range args {
		switch value := arg.(type) {
		case time.Time:
			stored[i] = millis(value)
		case time.Duration:
			stored[i] = value.Milliseconds()
		case string:
			stored[i] = store.Storable(value)
		case int:
			stored[i] = int64(value)
		case int64, bool, []byte, [][]byte, []int64, []string, nil:
			stored[i] = value
		default:
			panic(fmt.Sprintf("no column holds a %T", arg))
		}
	}
	return stored
}

// behind numbers the parameters of a part of a statement from behind those of
// the parts before it.
func behind(parameters int, part string) string {
	return parameter.ReplaceAllStringFunc(part, func(p string) string {
		n, _ := strconv.Atoi(p[1:]) // digits, says the expression
		return "$" + strconv.Itoa(n+parameters)
	})
}

var parameter = regexp.MustCompile(`\$[0-9]+`)

// row is the row that is being read.
type row struct {
	rows pgx.Rows
	err  error
}

// scan reads all columns.
func (r *row) scan(into ...any) {
	if r.err == nil {
		r.err = r.rows.Scan(into...)
	}
}

// moment is a time that is scanned from its milliseconds.
type moment time.Time

func at(t *time.Time) *moment { return (*moment)(t) }

// ScanInt64 implements pgtype.Int64Scanner.
func (m *moment) ScanInt64(value pgtype.Int8) error {
	*m = moment(fromMillis(value.Int64))
	return nil
}

// words are scanned from a text with blanks between them.
type words []string

// ScanText implements pgtype.TextScanner.
func (w *words) ScanText(value pgtype.Text) error {
	*w = strings.Fields(value.String)
	return nil
}

// attempts are scanned from how store.Attempts writes them.
type attempts []core.Attempt

// ScanText implements pgtype.TextScanner.
func (a *attempts) ScanText(value pgtype.Text) (err error) {
	*a, err = store.ReadAttempts(value.String)
	return err
}
