package captcha_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/captcha/captchatest"
)

func BenchmarkAsk(b *testing.B) {
	p := newPoW(b, masterOne)
	for b.Loop() {
		asked(b, p, captcha.Hardest)
	}
}

// BenchmarkVerify is what judging costs: good work, and what is refused.
func BenchmarkVerify(b *testing.B) {
	p := newPoW(b, masterOne)
	for h := captcha.Easy; h <= captcha.Hardest; h++ {
		s := solved(b, asked(b, p, h))
		b.Run(fmt.Sprintf("hardness %d", h), func(b *testing.B) {
			for b.Loop() {
				if _, err := p.Verify(b.Context(), now, subject, captcha.Easy, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	forged := solved(b, asked(b, newPoW(b, masterTwo), captcha.Easy))
	for what, s := range map[string]captcha.Solution{"forged": forged, "rubbish": altcha(strings.Repeat("A", 4096)), "too long": altcha(strings.Repeat("A", 15000))} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				if _, err := p.Verify(b.Context(), now, subject, captcha.Easy, s); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// BenchmarkSolve is the work itself, on one core of this machine.
func BenchmarkSolve(b *testing.B) {
	p := newPoW(b, masterOne)
	for h := captcha.Easy; h <= captcha.Hardest; h++ {
		b.Run(fmt.Sprintf("hardness %d", h), func(b *testing.B) {
			for b.Loop() {
				if _, err := captchatest.Solve(asked(b, p, h)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
