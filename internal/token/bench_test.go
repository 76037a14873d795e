package token

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"testing"
	"time"
)

// BenchmarkAccess signs access tokens and reports the time as a ratio to bare
// ECDSA signing, measured in turns with it.
func BenchmarkAccess(b *testing.B) {
	m := testMinter(b)
	hash := sha256.Sum256([]byte("text"))
	var bare time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		start := time.Now()
		if _, err := ecdsa.SignASN1(nil, m.signer.private, hash[:]); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(start)
		b.StartTimer()
		if _, err := m.Access(testAccess, testNow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(bare), "ratio")
}

// BenchmarkParseAccess/first checks a token not seen before, as a ratio to bare
// ECDSA verification; /again one that was.
func BenchmarkParseAccess(b *testing.B) {
	m := testMinter(b)
	s := mint(b, m, testAccess)
	b.Run("first", func(b *testing.B) {
		hash := sha256.Sum256([]byte("text"))
		signature, err := ecdsa.SignASN1(nil, m.signer.private, hash[:])
		if err != nil {
			b.Fatal(err)
		}
		var bare time.Duration
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			start := time.Now()
			ecdsa.VerifyASN1(&m.signer.private.PublicKey, hash[:], signature)
			bare += time.Since(start)
			m.verified = newVerifiedTokens()
			b.StartTimer()
			if _, err := m.ParseAccess(s, testNow); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(bare), "ratio")
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.ParseAccess(s, testNow); err != nil {
				b.Fatal(err)
			}
		}
	})
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
