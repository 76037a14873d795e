package store

import (
	"slices"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// all has a column of each kind, and some twice, so that values may slide.
func all() Table {
	return table("all", "t a", "t b", "i n", "x c", "x d", "b yes", "l times")
}

func drawRow(rt *rapid.T) Row {
	absent := func(value any) any {
		if rapid.IntRange(0, 3).Draw(rt, "absent") == 0 {
			return nil
		}
		return value
	}
	text, bytes := rapid.StringN(0, 3, -1), rapid.SliceOfN(rapid.Byte(), 0, 3)
	return Row{
		absent(text.Draw(rt, "a")), absent(text.Draw(rt, "b")), absent(rapid.Int64().Draw(rt, "n")),
		absent(bytes.Draw(rt, "c")), absent(bytes.Draw(rt, "d")), absent(rapid.Bool().Draw(rt, "yes")),
		absent(rapid.SliceOfN(rapid.Int64(), 0, 2).Draw(rt, "times")),
	}
}

func sumOf(t testing.TB, rows ...Row) (s Sum) {
	t.Helper()
	for _, r := range rows {
		if err := s.Add(all(), r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Rows that differ anywhere are written differently; nothing slides from one
// value into the next, and what is absent is not what is empty.
func TestRowsThatDifferAreWrittenDifferently(t *testing.T) {
	full := func() Row { return Row{"ab", "c", int64(1), []byte("ab"), []byte("c"), true, []int64{1, 2}} }
	rows := []Row{full()}
	for i, other := range []any{"a", "bc", int64(-1), []byte("a"), []byte("bc"), false, []int64{1}} {
		for _, value := range []any{other, nil} {
			r := full()
			r[i] = value
			rows = append(rows, r)
		}
	}
	empty := Row{"", "", int64(0), []byte{}, []byte{}, false, []int64{}}
	rows = append(rows, empty, Row{nil, nil, nil, nil, nil, nil, nil}, Row{"a", "bc", int64(1), []byte("ab"), []byte("c"), true, []int64{1, 2}})
	seen := map[string]Row{}
	for _, r := range rows {
		b, err := encode(all(), r)
		if err != nil {
			t.Fatal(err)
		}
		if other, found := seen[string(b)]; found {
			t.Errorf("%v is written as %v", r, other)
		}
		seen[string(b)] = r
	}
}

// A sum does not depend on the order, and sees what is changed, missing or there
// twice.
func TestSum(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(drawRow), 1, 6).Draw(rt, "rows")
		shuffled := rapid.Permutation(rows).Draw(rt, "shuffled")
		sum := sumOf(t, rows...)
		if got := sumOf(t, shuffled...); got != sum {
			rt.Fatalf("in another order: %v, want %v", got, sum)
		}
		for what, other := range map[string]Sum{
			"without one": sumOf(t, rows[1:]...),
			"one twice":   sumOf(t, append(slices.Clone(rows), rows[0], rows[0])...),
		} {
			if other == sum || other.String() == sum.String() {
				rt.Fatalf("%s: the same sum %v", what, sum)
			}
		}
		changed := slices.Clone(rows[0])
		changed[2] = int64(0)
		if n, is := rows[0][2].(int64); is {
			changed[2] = n + 1
		}
		if sumOf(t, append([]Row{changed}, rows[1:]...)...) == sum {
			rt.Fatal("a changed value: the same sum")
		}
	})
}

func TestSumRefusesWhatNoColumnHolds(t *testing.T) {
	row := Row{"a", "b", int64(1), []byte("c"), []byte("d"), true, []int64{1}}
	for i, other := range []any{[]byte("a"), int64(1), "1", "c", true, int64(1), 1} {
		r := slices.Clone(row)
		r[i] = other
		if err := new(Sum).Add(all(), r); err == nil {
			t.Errorf("column %d took a %T", i, other)
		}
	}
	if err := new(Sum).Add(all(), row[1:]); err == nil {
		t.Error("a row without its first value was added")
	}
}

func TestStorableIsText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := string(rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes"))
		got := Storable(from)
		if !utf8.ValidString(got) || slices.Contains([]byte(got), 0) || Storable(got) != got {
			rt.Fatalf("%q became %q", from, got)
		}
		if utf8.ValidString(from) && !slices.Contains([]byte(from), 0) && got != from {
			rt.Fatalf("%q was changed to %q", from, got)
		}
	})
}
