package event

// recentIDs is how many ids a sink remembers: more than a batch and what waits
// behind it, so that a batch that comes again is told by them.
const recentIDs = 2048

// recent tells events that were just seen from new ones.
type recent struct {
	ring [recentIDs]string
	next int
	seen map[string]struct{}
}

// again tells whether the id was seen before, and remembers it. An event
// without an id is always new.
func (r *recent) again(id string) bool {
	if id == "" {
		return false
	}
	if _, ok := r.seen[id]; ok {
		return true
	}
	if r.seen == nil {
		r.seen = make(map[string]struct{}, recentIDs)
	}
	delete(r.seen, r.ring[r.next])
	r.ring[r.next] = id
	r.seen[id] = struct{}{}
	r.next = (r.next + 1) % recentIDs
	return false
}
