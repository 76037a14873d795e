package password

import (
	_ "embed"
	"hash/maphash"
	"slices"
	"sort"
	"strings"
)

// common is one folded password a line, sorted by bytes. It is searched where
// it lies in the binary: it costs no start-up time and no heap.
//
//go:embed common.txt
var common string

// commonList is the embedded list and an operator's own. Of the latter only a
// 64-bit hash a word is kept, so that a long list stays small: among ten
// million words a good password is refused by chance once in 10^12.
type commonList struct {
	seed maphash.Seed
	more []uint64 // sorted
}

func newCommonList(more []string) commonList {
	l := commonList{seed: maphash.MakeSeed(), more: make([]uint64, 0, len(more))}
	for _, word := range more {
		l.more = append(l.more, maphash.String(l.seed, fold(word)))
	}
	slices.Sort(l.more)
	return l
}

func (l commonList) has(folded string) bool {
	if _, found := slices.BinarySearch(l.more, maphash.String(l.seed, folded)); found {
		return true
	}
	// The first byte whose line is not below the word begins the word's line,
	// if it has one.
	at := sort.Search(len(common), func(i int) bool { return lineAt(i) >= folded })
	return at < len(common) && lineAt(at) == folded
}

// lineAt gives the line to which byte i of common belongs.
func lineAt(i int) string {
	start := strings.LastIndexByte(common[:i], '\n') + 1
	end := i + strings.IndexByte(common[i:], '\n')
	return common[start:end]
}
