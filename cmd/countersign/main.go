package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/countersign/countersign/internal/config"
)

// What the process ends with.
const (
	exitOK     = 0
	exitFailed = 1 // the command could not do what it is for
	exitUsage  = 2 // it was not asked rightly
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run carries out one command line.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	root := commands(program{env: env, stdout: stdout, stderr: stderr})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var failed failure
	var refusals config.Refusals
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &refusals):
		fmt.Fprintf(stderr, "countersign: the settings are refused:\n")
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "  %s\n", strings.TrimSuffix(line, "\n"))
		}
		return exitFailed
	case errors.As(err, &failed):
		fmt.Fprintf(stderr, "countersign: %v\n", err)
		return exitFailed
	default:
		fmt.Fprintf(stderr, "countersign: %v\nTry `countersign --help`.\n", err)
		return exitUsage
	}
}

// failure is the error of a command that was asked rightly.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }
