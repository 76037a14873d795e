//go:build unix

package server

import (
	"errors"
	"os"
	"syscall"
)

// lockExclusively takes the file for this process; the system gives it back
// when the process ends, however it ends.
func lockExclusively(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
