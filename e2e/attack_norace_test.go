//go:build !race

package e2e

const raced = false

// floodScale is how many times smaller floods are told than they could be.
const floodScale = 25
