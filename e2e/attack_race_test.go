//go:build race

package e2e

// raced tells that the race detector slows all down: what takes long without it
// is told in short.
const raced = true

// floodScale is how many times smaller floods are told than they could be.
const floodScale = 250
