package keyring

import (
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func encodedMaster(n byte) string {
	m := testMaster(n)
	return base64.StdEncoding.EncodeToString(m.key[:])
}

func TestParseMasters(t *testing.T) {
	one, two := encodedMaster(0xfb), encodedMaster(2)
	for list, want := range map[string]int{
		one:                                   1,
		strings.TrimRight(one, "="):           1,
		one + "," + two:                       2,
		" " + one + " ,\n" + two + "\n":       2,
		"":                                    0,
		" , ":                                 0,
		one + "=":                             0,
		one[:40]:                              0,
		one + two:                             0,
		"-" + one[1:]:                         0, // base64url
		one[:42] + "9=":                       0, // stray trailing bits
		strings.Repeat(one+",", maxMasters+1): 0,
	} {
		masters, err := ParseMasters(list)
		if len(masters) != want || (err == nil) != (want > 0) {
			t.Errorf("ParseMasters(%q): %d masters, %v", list, len(masters), err)
		}
	}
	masters, _ := ParseMasters(one + "," + two)
	if masters[0].key != testMaster(0xfb).key || masters[1].key != testMaster(2).key {
		t.Error("keys are wrong or out of order")
	}
}

func TestParseMastersNeverShowsAKey(t *testing.T) {
	for _, bad := range []string{"c2VjcmV0LWJ1dC1zaG9ydA==", "!!secret-but-not-base64!!"} {
		_, err := ParseMasters(encodedMaster(1) + "," + bad)
		if err == nil || strings.Contains(err.Error(), bad[2:8]) || !strings.Contains(err.Error(), "2 of 2") {
			t.Errorf("error for a bad second key: %v", err)
		}
	}
}

func TestMasterFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, made, err := MasterFile(path, testRand(1))
	if err != nil || !made || len(first) != 1 {
		t.Fatalf("MasterFile: %d masters, made %v, %v", len(first), made, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, made, err := MasterFile(path, testRand(2))
	if err != nil || made || !slices.Equal(again, first) {
		t.Errorf("the second time: made %v, %v", made, err)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestMasterFileRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	var (
		wg      sync.WaitGroup
		results [8][]Master
		makers  [8]bool
	)
	for i := range results {
		wg.Go(func() {
			var err error
			results[i], makers[i], err = MasterFile(path, testRand(byte(i)))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for i := range results {
		if makers[i] {
			n++
		}
		if !slices.Equal(results[i], results[0]) {
			t.Error("two starters have two keys")
		}
	}
	if n != 1 {
		t.Errorf("%d starters made the key", n)
	}
}

// C-89: a key file that others may touch stops the start.
func TestC89MasterFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte(encodedMaster(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o644: false, 0o640: false, 0o604: false, 0o620: false, 0o601: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := MasterFile(path, testRand(1))
		if (err == nil) != ok {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err != nil && !strings.Contains(err.Error(), "chmod 0600 "+path) {
			t.Errorf("mode %04o: no remedy in %q", mode, err)
		}
	}
}

func TestMasterFileRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := MasterFile(dir, testRand(1)); err == nil {
		t.Error("a directory was taken")
	}
	path := filepath.Join(dir, "master.key")
	if _, _, err := MasterFile(path, io.LimitReader(testRand(1), 16)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without entropy: %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if err := os.WriteFile(path, []byte("c2hvcnQ="), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, made, err := MasterFile(path, testRand(1)); err == nil || made || !strings.Contains(err.Error(), path) {
		t.Errorf("a short key: made %v, %v", made, err)
	}
}

func FuzzParseMasters(f *testing.F) {
	f.Add(encodedMaster(1))
	f.Add(encodedMaster(1) + ", " + encodedMaster(2) + "\n")
	f.Add("=,=")
	f.Fuzz(func(t *testing.T, list string) {
		masters, err := ParseMasters(list)
		if (err == nil) != (len(masters) > 0) {
			t.Fatalf("%d masters, %v", len(masters), err)
		}
		var again []string
		for _, m := range masters {
			again = append(again, base64.StdEncoding.EncodeToString(m.key[:]))
		}
		if err == nil {
			if back, err := ParseMasters(strings.Join(again, ",")); err != nil || !slices.Equal(back, masters) {
				t.Fatalf("read again: %v", err)
			}
		}
	})
}
