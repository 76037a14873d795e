package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What SECURITY.md names has to be there: its tests, and its places in the code.
func TestSecurityNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	paper, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := exec.Command("git", "-C", "..", "ls-files", "*_test.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for file := range strings.FieldsSeq(string(files)) {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(paper), -1)
	if len(names) < 30 {
		t.Errorf("SECURITY.md names %d tests, which is few", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests.String(), "func "+name[1]) {
			t.Errorf("SECURITY.md names %s, which is no test", name[1])
		}
	}
	for _, place := range regexp.MustCompile("`(internal/[a-z0-9_/.]+)`").FindAllStringSubmatch(string(paper), -1) {
		if _, err := os.Stat(filepath.Join("..", place[1])); err != nil {
			t.Errorf("SECURITY.md names %s: %v", place[1], err)
		}
	}
}
