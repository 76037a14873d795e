package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// attendWithin is for how long an instance counts that was seen: some looks of
// upkeep, and clocks that differ by seconds.
const attendWithin = 30 * time.Second

// instances tells how many there are, as last seen.
func (p *parts) instances() int { return int(max(1, p.present.Load())) }

// attend says that this instance is there, and learns how many are.
func (p *parts) attend(ctx context.Context) error {
	seen, err := p.store.Attend(ctx, core.Attend{Instance: p.instance, Now: p.now(), Within: attendWithin})
	if err != nil {
		return fmt.Errorf("telling the database of this instance: %w", err)
	}
	p.present.Store(int64(seen))
	return nil
}

// leave has the others count without this instance at once.
func (p *parts) leave(ctx context.Context) error {
	_, err := p.store.Attend(ctx, core.Attend{Instance: p.instance, Leaving: true, Now: p.now(), Within: attendWithin})
	return err
}

// sharedLog is the name of the one log of an embedded database.
const sharedLog = "file"

// logName names this data directory's security log in the database. Over a
// shared one each directory has its own, and keeps its name in a file.
func logName(c config.Config, rand io.Reader, now time.Time) (string, error) {
	name, err := knownLogName(c)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	id, err := keyring.NewID(now, rand)
	if err != nil {
		return "", fmt.Errorf("naming this instance's security log: %w", err)
	}
	if err := os.WriteFile(filepath.Join(c.DataDir, instanceFile), []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("naming this instance's security log: %w", err)
	}
	return sharedLog + "@" + id, nil
}

// knownLogName is logName for who only reads: fs.ErrNotExist where no server
// has written a log here.
func knownLogName(c config.Config) (string, error) {
	if !shared(c) {
		return sharedLog, nil
	}
	id, err := os.ReadFile(filepath.Join(c.DataDir, instanceFile))
	if err != nil {
		return "", fmt.Errorf("reading which instance's security log it is: %w; give data_dir the directory of the instance that wrote it", err)
	}
	return sharedLog + "@" + strings.TrimSpace(string(id)), nil
}
