//go:build race

package e2e

// raced tells that the race detector slows all down: what takes long without it
// is told in short.
const raced = true
