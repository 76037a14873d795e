package limit

import "hash/maphash"

// NewSmall makes an engine of so few pages in each part that a test can fill it in no time.
func NewSmall(pages int) *Memory {
	table := func() part { return part{table: newTable(pages * cellsAPage * (cellBytes + 8))} }
	return &Memory{seed: maphash.MakeSeed(), open: table(), reserved: table()}
}
