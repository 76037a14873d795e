package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/countersign/countersign/internal/core"
)

// Attempts writes a message's attempts as engines keep them: a line of JSON for
// each, so that one more is added without looking at those before it.
func Attempts(attempts ...core.Attempt) string {
	var lines strings.Builder
	lines.Grow(160 * len(attempts))
	for _, a := range attempts {
		line, err := json.Marshal(a)
		if err != nil {
			panic(fmt.Sprintf("encoding an attempt: %v", err)) // it has a time that no clock shows
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	return lines.String()
}

// ReadAttempts reads what Attempts has written.
func ReadAttempts(lines string) ([]core.Attempt, error) {
	var attempts []core.Attempt
	for line := range strings.Lines(lines) {
		var a core.Attempt
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			return nil, fmt.Errorf("reading a message's attempts: %w", err)
		}
		attempts = append(attempts, a)
	}
	return attempts, nil
}

// InState is a condition by which messages m of a state are found along an index
// where they are few: the state is spelt out, since the indexes are of some alone.
func InState(state core.MessageState) string {
	switch state {
	case core.MessageQueued:
		return "m.settled_at = 0 AND m.state = 'queued'"
	case core.MessageSent, core.MessageDelivered, core.MessageUndelivered, core.MessageFailed, core.MessageExpired, core.MessageWithheld:
		return "m.state = '" + string(state) + "'"
	}
	return "false"
}
