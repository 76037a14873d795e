package store

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Sum tells whether two sides have the same rows, in whatever order: how many
// there are, and the sum, modulo 2^256, of the SHA-256 of each. Unlike an
// exclusive or, a sum also sees what is there twice.
type Sum struct {
	Rows int64
	hash [4]uint64 // the lowest first
}

// Add adds a row. Its error is that of a value that no column of that kind has.
func (s *Sum) Add(t Table, r Row) error {
	encoded, err := encode(t, r)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(encoded)
	var carry uint64
	for i := range s.hash {
		s.hash[i], carry = bits.Add64(s.hash[i], binary.LittleEndian.Uint64(hash[8*i:]), carry)
	}
	s.Rows++
	return nil
}

// String is the checksum, in hexadecimal digits.
func (s Sum) String() string {
	return fmt.Sprintf("%016x%016x%016x%016x", s.hash[3], s.hash[2], s.hash[1], s.hash[0])
}

// encode writes a row so that different rows are written differently: each value
// with its kind, and with its length where that varies. What is absent is not what
// is empty.
func encode(t Table, r Row) ([]byte, error) {
	if len(r) != len(t.Columns) {
		return nil, fmt.Errorf("a row of %s has %d values, not %d", t.Name, len(r), len(t.Columns))
	}
	var b []byte
	for i, c := range t.Columns {
		var fits bool
		if b, fits = appendValue(b, c.Kind, r[i]); !fits {
			return nil, fmt.Errorf("%s.%s has a %T", t.Name, c.Name, r[i])
		}
	}
	return b, nil
}

func appendValue(b []byte, kind Kind, value any) (_ []byte, fits bool) {
	if value == nil {
		return append(b, 'n'), true
	}
	b = append(b, byte(kind))
	switch v := value.(type) {
	case string:
		b = binary.AppendUvarint(b, uint64(len(v)))
		return append(b, v...), kind == Text
	case []byte:
		b = binary.AppendUvarint(b, uint64(len(v)))
		return append(b, v...), kind == Bytes
	case int64:
		return binary.BigEndian.AppendUint64(b, uint64(v)), kind == Integer
	case bool:
		if v {
			return append(b, 1), kind == Boolean
		}
		return append(b, 0), kind == Boolean
	case []int64:
		b = binary.AppendUvarint(b, uint64(len(v)))
		for _, n := range v {
			b = binary.BigEndian.AppendUint64(b, uint64(n))
		}
		return b, kind == Integers
	}
	return b, false
}
