package password

import (
	"strings"
	"testing"
)

const (
	salt22 = "AAECAwQFBgcICQoLDA0ODw"
	sum43  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

func TestParsePHC(t *testing.T) {
	good := "$argon2id$v=19$m=19456,t=2,p=1,keyid=1$" + salt22 + "$" + sum43
	p, err := parsePHC(Hash(good))
	if err != nil || p.params != defaultParams || p.keyID != 1 || len(p.salt) != 16 || len(p.sum) != 32 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.hash() != Hash(good) {
		t.Errorf("written again: %s", string(p.hash()))
	}
	for _, swap := range [][2]string{
		{"$argon2id", "argon2id"}, {"argon2id", "argon2i"}, {"argon2id", "ARGON2ID"}, {"v=19", "v=16"}, {"v=19$", ""},
		{"m=19456", "m=262145"}, {"m=19456", "m=4294967295"}, {"m=19456", "m=99999999999999999999"},
		{"m=19456", "m=0"}, {"m=19456", "m=7"}, {"m=19456", "m=019456"}, {"m=19456", "m=+19456"}, {"m=19456", "m="},
		{"m=19456", "m=1_9456"}, {"m=19456,t=2", "t=2,m=19456"}, {"t=2", "t=0"}, {"t=2", "t=17"}, {"t=2", "t=-2"},
		{"p=1", "p=0"}, {"p=1", "p=17"}, {"p=1", "p=257"}, {",keyid=1", ""}, {"keyid=1", "keyid=0"}, {"keyid=1", "keyid="},
		{"keyid=1", "keyid=1,data=x"}, {"keyid=1", "keyid=1 "}, {salt22, salt22[:10]}, {salt22, ""}, {salt22, salt22 + "=="},
		{salt22, salt22[:21] + "x"}, {salt22, salt22[:11] + "\n" + salt22[11:]}, {salt22, strings.Repeat("AAAA", 22)},
		{sum43, "AAAA"}, {sum43, sum43 + "$"}, {sum43, strings.Repeat("AAAA", 22)}, {sum43, "-" + sum43[1:]},
	} {
		bad := strings.Replace(good, swap[0], swap[1], 1)
		if _, err := parsePHC(Hash(bad)); err == nil {
			t.Errorf("takes %s", bad)
		}
	}
}

// What is taken is what would be written: no second spelling of a hash.
func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1,keyid=1$" + salt22 + "$" + sum43)
	f.Add("$argon2id$v=19$m=8,t=1,p=1,keyid=7$AAECAwQFBgc$AAECAwQFBgcICQoLDA0ODw")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(Hash(s))
		if err != nil {
			return
		}
		if p.hash() != Hash(s) {
			t.Errorf("%q is written %q", s, string(p.hash()))
		}
		if p.params.MemoryKiB > maxMemoryKiB || p.params.Time > maxTime || p.params.Threads > maxThreads ||
			p.params.Time == 0 || p.params.Threads == 0 {
			t.Errorf("%q asks for %+v", s, p.params)
		}
	})
}
