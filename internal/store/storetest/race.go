//go:build race

package storetest

// raced tells that the race detector slows all down.
const raced = true
