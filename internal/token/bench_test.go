package token

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"testing"
	"time"
)

// BenchmarkAccess signs access tokens; ratio compares it to bare ECDSA signing,
// done in turns with it.
func BenchmarkAccess(b *testing.B) {
	m := testMinter(b)
	hash := sha256.Sum256([]byte("text"))
	inTurns(b, func() error {
		_, err := ecdsa.SignASN1(nil, m.keys.Load().signers[0].private, hash[:])
		return err
	}, func() error {
		_, err := m.Access(testAccess, testNow)
		return err
	})
}

// BenchmarkParseAccess checks a token not seen before; ratio compares it to
// bare ECDSA verification.
func BenchmarkParseAccess(b *testing.B) {
	m := testMinter(b)
	s := mint(b, m, testAccess)
	hash := sha256.Sum256([]byte("text"))
	signature, err := ecdsa.SignASN1(nil, m.keys.Load().signers[0].private, hash[:])
	if err != nil {
		b.Fatal(err)
	}
	inTurns(b, func() error {
		ecdsa.VerifyASN1(&m.keys.Load().signers[0].private.PublicKey, hash[:], signature)
		clear(m.keys.Load().verified.new)
		return nil
	}, func() error {
		_, err := m.ParseAccess(s, testNow)
		return err
	})
}

// inTurns reports ours in ns/op, and its ratio to bare. Stopping the
// benchmark's timer instead would disturb both: it reads the memory statistics.
func inTurns(b *testing.B, bare, ours func() error) {
	var bareTime, ourTime time.Duration
	for b.Loop() {
		start := time.Now()
		err1 := bare()
		middle := time.Now()
		err2 := ours()
		ourTime += time.Since(middle)
		bareTime += middle.Sub(start)
		if err := errors.Join(err1, err2); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(ourTime)/float64(b.N), "ns/op")
	b.ReportMetric(float64(ourTime)/float64(bareTime), "ratio")
}

// BenchmarkParseAccessAgain checks a token seen before.
func BenchmarkParseAccessAgain(b *testing.B) {
	m := testMinter(b)
	s := mint(b, m, testAccess)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.ParseAccess(s, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefresh(b *testing.B) {
	m := testMinter(b)
	s := refresh(b, m, Refresh{SessionID: sessionID, Counter: 1})
	b.ReportAllocs()
	for b.Loop() {
		r, err := m.ParseRefresh(s)
		if err != nil {
			b.Fatal(err)
		}
		r.Counter++
		if _, err := m.Refresh(r); err != nil {
			b.Fatal(err)
		}
	}
}
