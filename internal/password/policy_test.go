package password

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/countersign/countersign/internal/keyring"
)

// reasons gives the first two words of each message, without the colon.
func reasons(messages []string) []string {
	var short []string
	for _, m := range messages {
		short = append(short, strings.TrimSuffix(strings.Join(strings.Fields(m)[:2], " "), ":"))
	}
	return short
}

func TestC13Length(t *testing.T) {
	p := NewPolicy(8, "Countersign", nil)
	for _, c := range []struct {
		name, password string
		want           []string
	}{
		{"7 code points", "gzkvupw", []string{"too short"}},
		{"8 code points", "gzkvupwq", nil},
		{"7 code points of 28 bytes", strings.Repeat("😀🐙", 3) + "🐌", []string{"too short"}},
		{"8 code points of 32 bytes", strings.Repeat("😀🐙", 4), nil},
		{"8 that NFKC makes 4", "e\u0301a\u0301o\u0308u\u0308", []string{"too short"}},
		{"one that NFKC makes 18", "ﷺ", nil},
		{"128 code points", strings.Repeat("gzkvupwq", 16), nil},
		{"128 code points of 512 bytes", strings.Repeat("😀🐙🐌🦑", 32), nil},
		{"1024 bytes", strings.Repeat("gzkvupwq", 128), nil},
		{"1025 bytes", strings.Repeat("gzkvupwq", 128) + "g", []string{"too long"}},
		{"spaces count", " g z k v", nil},
		{"spaces around count", "  gzkv  ", nil},
		{"no digit, no capital, no sign", "abkhtrvmwq", nil},
		{"none", "", []string{"too short"}},
	} {
		if got := reasons(p.Check(keyring.Secret(c.password), Own{})); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestC13MinimumIsSettable(t *testing.T) {
	for set, held := range map[int]int{0: 8, 7: 8, 8: 8, 15: 15, 64: 64, 65: 64} {
		p := NewPolicy(set, "", nil)
		short := keyring.Secret(strings.Repeat("gzkvupwq", 8)[:held-1])
		enough := keyring.Secret(strings.Repeat("gzkvupwq", 8)[:held])
		if p.Check(short, Own{}) == nil || p.Check(enough, Own{}) != nil {
			t.Errorf("a minimum of %d is not held at %d", set, held)
		}
	}
}

func TestC14CommonOnesAreRefused(t *testing.T) {
	p := NewPolicy(8, "Countersign", []string{"of-our-company", "Sömmer 2024"})
	for _, pw := range []string{
		"password", "PassWord", "12345678", "qwertyuiop", "iloveyou", "!qaz2wsx", "zzzzzzz1", "trustno1", "ｐａｓｓｗｏｒｄ",
		"of-our-company", "OF-OUR-COMPANY", "so\u0308mmer 2024", "ffffffffffffffffffffff", "😀😀😀😀😀😀😀😀",
	} {
		if got := reasons(p.Check(keyring.Secret(pw), Own{})); !slices.Equal(got, []string{"common or"}) {
			t.Errorf("%q: %q", pw, got)
		}
	}
	for _, pw := range []string{"password and its horse", "kvupwqgz", "zzzzzzz1\n!qaz2wsx", "~~~~ ~~~~"} {
		if got := p.Check(keyring.Secret(pw), Own{}); got != nil {
			t.Errorf("%q: %q", pw, got)
		}
	}
}

func TestC14TheListIsWholeSortedAndFolded(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(common, "\n"), "\n")
	if len(lines) < 49_000 {
		t.Errorf("%d entries", len(lines))
	}
	if !slices.IsSorted(lines) {
		t.Error("not sorted: the search would miss some")
	}
	l := newCommonList(nil)
	for _, line := range lines {
		if line != fold(line) || !l.has(line) || line == "" {
			t.Fatalf("%q is not folded, or not found", line)
		}
		if l.has(line+"\x00") || l.has(line+"\n") {
			t.Fatalf("more than %q is found", line)
		}
	}
	if l.has("") {
		t.Error("nothing is found")
	}
}

func TestC14ServiceNameIsRefused(t *testing.T) {
	for service, passwords := range map[string][]string{
		"Countersign": {"countersign", "my COUNTERSIGN pass", "c-o-u-n-t-e-r-sign", "Countersign!2026"},
		"Acme Bank":   {"acme bank 77", "acmebank77", "Acme-Bank-77"},
	} {
		p := NewPolicy(8, service, nil)
		for _, pw := range passwords {
			if got := reasons(p.Check(keyring.Secret(pw), Own{})); !slices.Contains(got, "contains the") {
				t.Errorf("%s, %q: %q", service, pw, got)
			}
		}
		for _, pw := range []string{"river embankment 4", "counter and sing"} {
			if got := p.Check(keyring.Secret(pw), Own{}); got != nil {
				t.Errorf("%s, %q: %q", service, pw, got)
			}
		}
	}
	if got := NewPolicy(8, "", nil).Check("gzkvupwq", Own{}); got != nil {
		t.Errorf("without a name: %q", got)
	}
}

func TestC14OwnDataIsRefused(t *testing.T) {
	p := NewPolicy(8, "Countersign", nil)
	own := Own{Phone: "+14155550100", Name: "Zoë Marlowe-Quist", Email: "z.quist+signin@example.com"}
	for _, pw := range []string{
		"4155550100", "+1 (415) 555-0100", "gzkv555010wq", "x5-5-5-0-1-0-0x", "14155550",
		"marlowe7!x", "MARLOWE7!x", "xxquistxx9", "Zoë Marlowe", "zoe\u0308-marlowe",
		"z.quist+signin", "zquistsignin", "z.quist+signin@example.com", "signin-77x",
	} {
		if got := reasons(p.Check(keyring.Secret(pw), own)); !slices.Contains(got, "contains your") {
			t.Errorf("%q: %q", pw, got)
		}
	}
	for _, pw := range []string{"zoëgzkvupwq", "gzkv41555wq", "example horse", "gzkvupwq", "zoe gzkv quis"} {
		if got := p.Check(keyring.Secret(pw), own); got != nil {
			t.Errorf("%q: %q", pw, got)
		}
	}
	if got := p.Check("liwei-2210", Own{Name: "Li Wei"}); got == nil {
		t.Error("a name of short parts is not seen")
	}
}

func TestC14AllReasonsAreTold(t *testing.T) {
	p := NewPolicy(15, "Shadow", nil)
	got := reasons(p.Check("shadow", Own{Name: "Shadow"}))
	if want := []string{"too short", "common or", "contains the", "contains your"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzCheck(f *testing.F) {
	p := NewPolicy(8, "Countersign", []string{"of-our-company"})
	f.Add("password", "+14155550100", "Zoë", "z@example.com")
	f.Add("ｐａｓｓ\u0301", "", "", "@")
	f.Fuzz(func(t *testing.T, pw, phone, name, email string) {
		if len(phone)+len(name)+len(email) > 1000 { // the core bounds them
			return
		}
		got := p.Check(keyring.Secret(pw), Own{Phone: phone, Name: name, Email: email})
		if len(pw) <= maxBytes {
			again := p.Check(keyring.Secret(norm.NFKC.String(pw)), Own{Phone: phone, Name: name, Email: email})
			if len(norm.NFKC.String(pw)) <= maxBytes && !slices.Equal(got, again) {
				t.Errorf("%q is judged otherwise than its NFKC form: %q, %q", pw, got, again)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	p := NewPolicy(8, "Countersign", nil)
	own := Own{Phone: "+14155550100", Name: "Zoë Marlowe-Quist", Email: "z.quist@example.com"}
	for b.Loop() {
		p.Check("gzkvupwq horse", own)
	}
}
