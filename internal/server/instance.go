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

// attend says that this instance is there, and learns how many are, and the time.
func (p *parts) attend(ctx context.Context) error {
	clock := p.options.clock
	before := clock.machine()
	seen, err := p.store.Attend(ctx, core.Attend{Instance: p.instance, Now: p.now(), Within: attendWithin})
	if err == nil && clock.learn(before, clock.machine(), seen.Clock) { // it gave a wrong time
		seen, err = p.store.Attend(ctx, core.Attend{Instance: p.instance, Now: p.now(), Within: attendWithin})
	}
	if err != nil {
		return fmt.Errorf("telling the database of this instance: %w", err)
	}
	p.present.Store(int64(seen.Instances))
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
// shared one each directory has its own, and keeps its name in a file. A log whose
// name is lost is not given another: under that one nothing would tell what was cut
// off its end.
func logName(c config.Config, rand io.Reader, now time.Time) (string, error) {
	name, err := knownLogName(c)
	if errors.Is(err, fs.ErrNotExist) && exists(filepath.Join(c.DataDir, logFile)) {
		return "", fmt.Errorf("the file %s, which names the security log beside it in the database, is not there: put it back; "+
			"to bring an embedded installation there, run countersign move; to begin a new log, move %s away",
			filepath.Join(c.DataDir, instanceFile), logFile)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nameLog(c, rand, now)
	}
	return name, err
}

// nameLog gives the log in a data directory its name.
func nameLog(c config.Config, rand io.Reader, now time.Time) (string, error) {
	name, err := knownLogName(c)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	id, err := keyring.NewID(now, rand)
	if err == nil {
		err = writeWhole(filepath.Join(c.DataDir, instanceFile), id+"\n")
	}
	if err != nil {
		return "", fmt.Errorf("naming this instance's security log: %w", err)
	}
	return sharedLog + "@" + id, nil
}

// writeWhole makes a file that has all of the text or is not there, whenever the
// power fails.
func writeWhole(path, text string) error {
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
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
	name := strings.TrimSpace(string(id))
	if !keyring.ValidID(name) {
		return "", fmt.Errorf("the file %s names no security log: put back what was in it; to begin a new log, move it and %s away",
			filepath.Join(c.DataDir, instanceFile), logFile)
	}
	return sharedLog + "@" + name, nil
}
