//go:build unix

package gateway

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFileThatIsAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := hookSender(t, "file", nil, map[string]string{"path": path})
	if _, err := s.Send(t.Context(), hookMessage(t)); classOf(err) != Retry {
		t.Errorf("nobody reads: %v", err)
	}
	// A reader that also may write is there at once and waits for nobody.
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := s.Send(t.Context(), hookMessage(t)); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(reader).ReadString('\n'); err != nil || !json.Valid([]byte(line)) {
		t.Errorf("read %s, %v", line, err)
	}
}
