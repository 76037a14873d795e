package keyring

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxMasterFile is what is read of a master key file, in bytes.
const maxMasterFile = 4096

// MasterFile reads the master keys in the file at path, in ParseMasters' form.
// If there is no file it makes one with a fresh key, mode 0600, and says so; the
// key is on disk when it returns. A file that group or others may touch is
// refused (CHECKLIST C-89).
func MasterFile(path string, rand io.Reader) (masters []Master, made bool, err error) {
	masters, err = readMasterFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return masters, false, err
	}
	err = makeMasterFile(path, rand)
	switch {
	case errors.Is(err, fs.ErrExist): // another instance was first
	case err != nil:
		return nil, false, fmt.Errorf("making the master key file: %w", err)
	default:
		made = true
	}
	masters, err = readMasterFile(path)
	return masters, made && err == nil, err
}

func readMasterFile(path string) ([]Master, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the master key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, not of what the name means by now
	if err != nil {
		return nil, fmt.Errorf("reading the master key file's mode: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("master key file %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("master key file %s has mode %04o, so others than its owner may touch it: run chmod 0600 %s, and replace the key if others may have read it", path, mode, path)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxMasterFile))
	if err != nil {
		return nil, fmt.Errorf("reading the master key file: %w", err)
	}
	masters, err := ParseMasters(string(content))
	if err != nil {
		return nil, fmt.Errorf("master key file %s: %w", path, err)
	}
	return masters, nil
}

// makeMasterFile writes under another name first and then links it: the file
// is never seen half written, and of two makers one wins (fs.ErrExist).
func makeMasterFile(path string, rand io.Reader) error {
	var random [keySize + 8]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return fmt.Errorf("reading random bytes: %w", err)
	}
	key := base64.StdEncoding.EncodeToString(random[:keySize])
	draft := path + ".new-" + hex.EncodeToString(random[keySize:])
	if err := writeSynced(draft, key+"\n"); err != nil {
		return err
	}
	defer os.Remove(draft)
	if err := os.Link(draft, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(path)
	}
	return err
}

// syncDir makes the new name itself survive a crash of the machine.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
