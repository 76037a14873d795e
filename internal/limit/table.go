package limit

// The table holds the records of all keys in cells of one size, so that what one
// key gives back serves any other, and without pointers, so that the collector
// has nothing to look through. A record is a head and as many blocks as its
// words need:
//
//	head   link and kind · key · until · first block and number of words · 4 words
//	block  link          · 7 words
const (
	cellBytes  = 64
	cellsAPage = 1024 // pages come as they are needed
	inHead     = 4
	inBlock    = 7
)

type cell [8]int64

const (
	isHead   = 1 << 32 // beside the link in the first word
	isFolded = 1 << 33
)

func (c *cell) link() uint32      { return uint32(c[0]) }
func (c *cell) setLink(id uint32) { c[0] = c[0]&^0xffffffff | int64(id) }
func (c *cell) head() bool        { return c[0]&isHead != 0 }
func (c *cell) blocks() uint32    { return uint32(c[3]) }
func (c *cell) words() int        { return int(c[3] >> 32) }
func (c *cell) until() int64      { return c[2] }

func (c *cell) setWords(blocks uint32, words int) { c[3] = int64(words)<<32 | int64(blocks) }

// state is what a record says: words that the rule's kind reads, and whether
// they were folded, since there was no room for all of them.
type state struct {
	words  []int64
	folded bool
}

type table struct {
	pages   [][]cell
	buckets []uint32 // heads by key, chained through their links
	free    uint32   // cells to use again, chained
	high    uint32   // cells begun; the first is none, so that 0 means nothing
	used    int
	records int
	most    int    // cells there may be
	cursor  uint32 // where the sweep stands
}

// newTable makes one of at most so many bytes: of each cell and the index, which
// has one to two buckets for every cell, so that chains are short.
func newTable(bytes int) table {
	t := table{high: 1}
	t.most = bytes / (cellBytes + 2*4) / cellsAPage * cellsAPage
	buckets := 1
	for buckets < t.most {
		buckets *= 2
	}
	t.buckets = make([]uint32, buckets)
	return t
}

// bytes is what the table holds, free cells and the index included.
func (t *table) bytes() int {
	return len(t.pages)*cellsAPage*cellBytes + len(t.buckets)*4
}

func (t *table) at(id uint32) *cell { return &t.pages[id/cellsAPage][id%cellsAPage] }

func (t *table) bucket(key uint64) *uint32 { return &t.buckets[key&uint64(len(t.buckets)-1)] }

// find tells a key's record, 0 if it has none.
func (t *table) find(key uint64) uint32 {
	id := *t.bucket(key)
	for id != 0 {
		c := t.at(id)
		if uint64(c[1]) == key {
			break
		}
		id = c.link()
	}
	return id
}

// create makes an empty record; the caller knows that there is room.
func (t *table) create(key uint64) uint32 {
	id := t.take()
	c, bucket := t.at(id), t.bucket(key)
	*c = cell{0: isHead | int64(*bucket), 1: int64(key)}
	*bucket = id
	t.records++
	return id
}

// read appends a record's words to buf.
func (t *table) read(id uint32, buf []int64) state {
	c := t.at(id)
	left, block := c.words(), c.blocks()
	s := state{folded: c[0]&isFolded != 0}
	n := min(left, inHead)
	s.words = append(buf, c[4:4+n]...)
	for left -= n; left > 0; left -= n {
		c = t.at(block)
		n = min(left, inBlock)
		s.words = append(s.words, c[1:1+n]...)
		block = c.link()
	}
	return s
}

// write gives a record its words. It needs more cells only up to the limit
// given; where they do not suffice it changes nothing and says so. What fits
// into a head always suffices.
func (t *table) write(id uint32, s state, until int64, limit int) bool {
	c := t.at(id)
	need, have := blocksFor(len(s.words)), blocksFor(c.words())
	if need > have && t.used+need-have > limit {
		return false
	}
	blocks := t.resize(c.blocks(), have, need)
	c.setWords(blocks, len(s.words))
	c[0] &^= isFolded
	if s.folded {
		c[0] |= isFolded
	}
	c[2] = until
	words := s.words[copy(c[4:], s.words):]
	for block := blocks; len(words) > 0; {
		b := t.at(block)
		words = words[copy(b[1:], words):]
		block = b.link()
	}
	return true
}

func blocksFor(words int) int {
	return (max(words-inHead, 0) + inBlock - 1) / inBlock
}

func (t *table) resize(blocks uint32, have, need int) uint32 {
	for ; have < need; have++ {
		id := t.take()
		*t.at(id) = cell{0: int64(blocks)}
		blocks = id
	}
	for ; have > need; have-- {
		next := t.at(blocks).link()
		t.giveUp(blocks)
		blocks = next
	}
	return blocks
}

// sweep looks at the next few cells and drops the records that have lapsed.
func (t *table) sweep(now int64, cells int) {
	for range min(cells, int(t.high)-1) {
		t.cursor++
		if t.cursor >= t.high {
			t.cursor = 1
		}
		if c := t.at(t.cursor); c.head() && c.until() <= now {
			t.drop(t.cursor)
		}
	}
}

func (t *table) drop(id uint32) {
	c := t.at(id)
	bucket := t.bucket(uint64(c[1]))
	if *bucket == id {
		*bucket = c.link()
	} else {
		before := t.at(*bucket)
		for before.link() != id {
			before = t.at(before.link())
		}
		before.setLink(c.link())
	}
	t.resize(c.blocks(), blocksFor(c.words()), 0)
	t.giveUp(id)
	t.records--
}

func (t *table) take() uint32 {
	t.used++
	if id := t.free; id != 0 {
		t.free = t.at(id).link()
		return id
	}
	if int(t.high/cellsAPage) == len(t.pages) {
		t.pages = append(t.pages, make([]cell, cellsAPage))
	}
	t.high++
	return t.high - 1
}

func (t *table) giveUp(id uint32) {
	*t.at(id) = cell{0: int64(t.free)}
	t.free = id
	t.used--
}
