package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var testNow = time.Date(2026, 11, 24, 7, 20, 31, 123e6, time.UTC)

// testRand is an entropy source that repeats itself from run to run.
func testRand(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// testMaster has the key n n n n ….
func testMaster(n byte) Master { return Master{key: [keySize]byte(bytes.Repeat([]byte{n}, keySize))} }

func testRing(t testing.TB, masters ...Master) *Ring {
	t.Helper()
	r, err := New(masters)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testKeys(t testing.TB, r *Ring, seed byte) []StoredKey {
	t.Helper()
	var keys []StoredKey
	for i, slot := range []string{SlotPseudonym, SlotPepper, SlotData} {
		k, err := r.MakeKey(slot, testNow, testRand(seed+byte(i)))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	return keys
}

func unlock(t testing.TB, r *Ring, keys []StoredKey) *Ring {
	t.Helper()
	if err := r.Unlock(keys); err != nil {
		t.Fatal(err)
	}
	return r
}

func unlockedRing(t testing.TB) *Ring {
	r := testRing(t, testMaster(1))
	return unlock(t, r, testKeys(t, r, 10))
}

// What is stored was made by these forms: a change here would make it useless.
// The values were computed with another HKDF and HMAC.
func TestFormsArePinned(t *testing.T) {
	r := testRing(t, testMaster(1))
	if got, want := r.KeyID(), "a6801aff"; got != want {
		t.Errorf("KeyID = %s, want %s", got, want)
	}
	got := hex.EncodeToString(r.MAC(LabelCode, []byte("a"), []byte("bc")))
	if want := "4802e6f430f21387a3df230855d2fc8d169c5fdccd2a05311d0a7af0601c36f1"; got != want {
		t.Errorf("MAC = %s, want %s", got, want)
	}
}

func TestMACTellsPartsApart(t *testing.T) {
	r := testRing(t, testMaster(1))
	list := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 3), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		a, b := list.Draw(t, "a"), list.Draw(t, "b")
		same := slices.EqualFunc(a, b, bytes.Equal)
		if equal := bytes.Equal(r.MAC(LabelCode, a...), r.MAC(LabelCode, b...)); equal != same {
			t.Fatalf("MACs of %q and %q: equal %v", a, b, equal)
		}
	})
	split := [][]byte{[]byte("ab"), []byte("c")}
	joined := [][]byte{[]byte("a"), []byte("bc")}
	if bytes.Equal(r.MAC(LabelCode, split...), r.MAC(LabelCode, joined...)) {
		t.Error("ab|c and a|bc have one MAC")
	}
}

// C-89: a label has a key of its own, under each parent.
func TestC89AKeyPerUse(t *testing.T) {
	r := unlockedRing(t)
	seen := map[string]string{}
	for _, label := range append(labels[:], labelKeyID, "another") {
		for name, p := range map[string]*parent{"master": r.masters[0].parent, "pseudonym": r.pseudonym, "data": r.data} {
			key := string(p.sub(label))
			use := fmt.Sprintf("%s/%s", name, label)
			if other, ok := seen[key]; ok {
				t.Errorf("%s and %s share a key", use, other)
			}
			seen[key] = use
		}
	}
}

// The limiter's secret leaves the ring: no other use may stand on its key, and
// changing what it was given must not change the ring's.
func TestLimiterSecretIsItsOwn(t *testing.T) {
	r := unlockedRing(t)
	secret := r.LimiterSecret()
	if len(secret) != keySize {
		t.Fatalf("%d bytes", len(secret))
	}
	for _, label := range append(labels[:], labelKeyID, "another") {
		for name, p := range map[string]*parent{"master": r.masters[0].parent, "pseudonym": r.pseudonym, "pepper": r.pepper, "data": r.data} {
			if own := name == "pseudonym" && label == labelLimiter; bytes.Equal(p.sub(label), secret) != own {
				t.Errorf("%s/%s: the limiter's key: %v", name, label, !own)
			}
		}
	}
	clear(secret)
	if bytes.Equal(secret, r.LimiterSecret()) {
		t.Error("the ring's own key was given out")
	}
}

func TestMACsAndMACFor(t *testing.T) {
	old, current := testRing(t, testMaster(1)), testRing(t, testMaster(2), testMaster(1))
	part := []byte("x")
	if macs := current.MACs(LabelRefresh, part); len(macs) != 2 ||
		!bytes.Equal(macs[0], current.MAC(LabelRefresh, part)) || !bytes.Equal(macs[1], old.MAC(LabelRefresh, part)) {
		t.Error("MACs are not those of each master in order")
	}
	if mac, ok := current.MACFor(old.KeyID(), LabelRefresh, part); !ok || !bytes.Equal(mac, old.MAC(LabelRefresh, part)) {
		t.Error("MACFor does not find the earlier master")
	}
	if _, ok := old.MACFor(current.KeyID(), LabelRefresh, part); ok {
		t.Error("MACFor found a master that is not there")
	}
	if got, want := current.KeyIDs(), []string{current.KeyID(), old.KeyID()}; !slices.Equal(got, want) {
		t.Errorf("KeyIDs = %v, want %v", got, want)
	}
}

// C-08: the MAC of a code is bound to key, challenge, purpose and phone.
func TestC08CodeMACIsBound(t *testing.T) {
	r := testRing(t, testMaster(1))
	base := r.CodeMACs("id", "login", "phone", "123456")
	if len(base) != 1 || len(base[0]) != 32 || bytes.Contains(base[0], []byte("123456")) {
		t.Fatalf("CodeMACs = %x", base)
	}
	for name, other := range map[string][][]byte{
		"challenge": r.CodeMACs("ie", "login", "phone", "123456"),
		"purpose":   r.CodeMACs("id", "signup", "phone", "123456"),
		"phone":     r.CodeMACs("id", "login", "phonf", "123456"),
		"code":      r.CodeMACs("id", "login", "phone", "123457"),
		"shifted":   r.CodeMACs("idl", "ogin", "phone", "123456"),
		"key":       testRing(t, testMaster(2)).CodeMACs("id", "login", "phone", "123456"),
	} {
		if bytes.Equal(base[0], other[0]) {
			t.Errorf("another %s has the same MAC", name)
		}
	}
}

// C-90: after a rotation what was made before is still known, and what stands
// on stored keys stays as it was.
func TestC90MasterRotation(t *testing.T) {
	before := testRing(t, testMaster(1))
	keys := testKeys(t, before, 10)
	unlock(t, before, keys)
	sealed, err := before.Seal(testRand(9), LabelPhone, "row", []byte("+15550100"))
	if err != nil {
		t.Fatal(err)
	}

	during := unlock(t, testRing(t, testMaster(2), testMaster(1)), keys)
	var resealed []StoredKey
	for _, k := range keys {
		if before.NeedsReseal(k) || !during.NeedsReseal(k) {
			t.Fatalf("%s: NeedsReseal is wrong", k.Slot)
		}
		key, err := during.OpenKey(k)
		if err != nil {
			t.Fatal(err)
		}
		again, err := during.SealKey(k.ID, k.Slot, key, testNow, testRand(8))
		if err != nil {
			t.Fatal(err)
		}
		if during.NeedsReseal(again) {
			t.Fatalf("%s: sealed anew, and needs it still", k.Slot)
		}
		resealed = append(resealed, again)
	}
	after := unlock(t, testRing(t, testMaster(2)), resealed)
	// One instance of several that has not put the new key first yet.
	for _, each := range [][]StoredKey{keys, resealed} {
		if r := unlock(t, testRing(t, testMaster(1), testMaster(2)), each); r.KeyID() != before.KeyID() {
			t.Error("the new master behind the old one makes")
		}
	}
	if code := before.CodeMACs("c", "p", "n", "123456")[0]; !bytes.Equal(code, during.CodeMACs("c", "p", "n", "123456")[1]) {
		t.Error("a code sent before the rotation is not known after it")
	}
	for name, r := range map[string]*Ring{"during": during, "after": after} {
		if r.Pseudonym("+15550100") != before.Pseudonym("+15550100") {
			t.Errorf("%s: another pseudonym", name)
		}
		if !bytes.Equal(r.Fingerprint(LabelDevice, []byte("d")), before.Fingerprint(LabelDevice, []byte("d"))) {
			t.Errorf("%s: another fingerprint", name)
		}
		if !bytes.Equal(r.LimiterSecret(), before.LimiterSecret()) {
			t.Errorf("%s: another limiter secret: all counts begin anew", name)
		}
		if !bytes.Equal(r.Pepper([]byte("pw")), before.Pepper([]byte("pw"))) || r.PepperVersion() != 1 {
			t.Errorf("%s: another pepper", name)
		}
		if got, err := r.Open(LabelPhone, "row", sealed); err != nil || string(got) != "+15550100" {
			t.Errorf("%s: Open = %q, %v", name, got, err)
		}
	}
}

// C-100: pseudonyms have 22 characters and depend on the stored key.
func TestC100PseudonymIsKeyed(t *testing.T) {
	r := testRing(t, testMaster(1))
	a, b := unlock(t, testRing(t, testMaster(1)), testKeys(t, r, 10)), unlock(t, testRing(t, testMaster(1)), testKeys(t, r, 20))
	p := a.Pseudonym("+15550100")
	if raw, err := base64.RawURLEncoding.DecodeString(p); err != nil || len(p) != 22 || len(raw) != 16 {
		t.Errorf("Pseudonym = %q", p)
	}
	if p != a.Pseudonym("+15550100") || p == a.Pseudonym("+15550101") {
		t.Error("a pseudonym is not the same for one number, or is for two")
	}
	if p == b.Pseudonym("+15550100") {
		t.Error("the pseudonym does not depend on the key")
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(nil); err == nil {
		t.Error("no master was taken")
	}
	if _, err := New([]Master{testMaster(1), testMaster(2), testMaster(1)}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("one master twice: %v", err)
	}
}

func TestUseBeforeUnlockStops(t *testing.T) {
	r := testRing(t, testMaster(1))
	for name, use := range map[string]func(){
		"Pseudonym":     func() { r.Pseudonym("+1") },
		"LimiterSecret": func() { r.LimiterSecret() },
		"Fingerprint":   func() { r.Fingerprint(LabelDevice) },
		"Pepper":        func() { r.Pepper(nil) },
		"Seal":          func() { _, _ = r.Seal(testRand(1), LabelPhone, "", nil) },
		"Open":          func() { _, _ = r.Open(LabelPhone, "", []byte{sealVersion}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s went on without its key", name)
				}
			}()
			use()
		}()
	}
}
