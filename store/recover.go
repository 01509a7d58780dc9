package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/scim"
)

// Recover finishes or undoes, in every workspace, what a process began and did not live to end. It
// returns how many changes may yet be under way.
func (s *Store) Recover(ctx context.Context) (underWay int, err error) {
	names, err := s.everyWorkspace(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		n, err := s.backend.Recover(ctx, name)
		if err != nil {
			return underWay, fmt.Errorf("store: recover %s: %w", name, err)
		}
		underWay += n
	}
	return underWay, nil
}

const (
	recoverEvery = time.Minute
	purgeEvery   = 60 // rounds of it
)

// KeepTidy recovers at once and every minute, and purges what was deleted long ago every hour, until
// the context ends.
func (s *Store) KeepTidy(ctx context.Context) {
	tick := time.NewTicker(recoverEvery)
	defer tick.Stop()
	for round := 0; ; round++ {
		_, err := s.Recover(ctx)
		if err == nil && round%purgeEvery == 0 {
			_, err = s.PurgeOld(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, scim.ErrUnavailable) {
			s.log.Error("what was left behind could not be tidied up", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
