package limit

import "hash/maphash"

// NewSmall makes an engine of so few pages that a test can fill it in no time.
func NewSmall(pages int) *Memory {
	return &Memory{seed: maphash.MakeSeed(), table: newTable(pages * cellsAPage * (cellBytes + 8))}
}
