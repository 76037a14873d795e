package config

import "strings"

// Refusal is one setting that cannot stand, in words for the person who set it.
type Refusal struct {
	Setting string // its name in the file, or an unknown name as it was written
	Value   string // as it was written; "[redacted]" for a secret, "" where it is not told
	Source  string // "environment COUNTERSIGN_LISTEN", "flag --listen", "file x.yaml line 3", "default"
	Problem string // what is wrong, and what to do about it
}

// Error puts the refusal in one line.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.Setting)
	if r.Value != "" {
		b.WriteString(" = " + r.Value)
	}
	if r.Source != "" {
		b.WriteString(" (" + r.Source + ")")
	}
	b.WriteString(": " + r.Problem)
	return b.String()
}

// Refusals are all the reasons why the settings cannot stand, so that one
// look mends them all.
type Refusals []*Refusal

// Error gives one line a refusal.
func (r Refusals) Error() string {
	lines := make([]string, len(r))
	for i, refusal := range r {
		lines[i] = refusal.Error()
	}
	return strings.Join(lines, "\n")
}

// nearest gives the known name that takes the fewest changes to write, or ""
// where none is near.
func nearest(name string, known []string) string {
	best, least := "", len(name)/2+1
	for _, candidate := range known {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short ASCII names: how many
// letters must be put in, taken out or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
