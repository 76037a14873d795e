package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

var errMissing = errors.New("missing")

func (s *Store) AddRollups(context.Context, core.AddRollups) error { return errMissing }
func (s *Store) AddAPIKey(context.Context, core.AddAPIKey) (core.Outcome, error) {
	return "", errMissing
}
func (s *Store) RevokeAPIKey(context.Context, core.RevokeAPIKey) (core.Outcome, error) {
	return "", errMissing
}
func (s *Store) APIKey(context.Context, []byte) (core.APIKey, error) {
	return core.APIKey{}, errMissing
}
func (s *Store) APIKeys(context.Context) ([]core.APIKey, error) { return nil, errMissing }
func (s *Store) Spending(context.Context, time.Time) ([]core.Spending, error) {
	return nil, errMissing
}
func (s *Store) Stats(context.Context, core.StatsQuery) ([]event.Rollup, error) {
	return nil, errMissing
}
func (s *Store) Queues(context.Context, time.Time) (core.Queues, error) {
	return core.Queues{}, errMissing
}
