package events

import (
	"context"
	"errors"
	"time"

	"rollcall/scim"
)

// Backlog is how far a stream is behind.
type Backlog struct {
	Workspace, Stream string
	Oldest            time.Duration // age of the oldest change that it has not delivered; 0 for none
}

// Backlogs tells of every stream that delivers by itself how far it is behind.
func (t *Transmitter) Backlogs(ctx context.Context) ([]Backlog, error) {
	list, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	var all []Backlog
	for _, s := range list {
		if s.Method == Poll {
			continue
		}
		feed, err := t.Feed(ctx, s.Workspace)
		if err != nil {
			return nil, err
		}
		p, _, err := t.progressOf(ctx, s)
		if err != nil {
			return nil, err
		}
		b := Backlog{Workspace: s.Workspace, Stream: s.Name}
		changes, err := feed.Changes(ctx, p.Position, 1)
		if err != nil && !errors.Is(err, scim.ErrInvalidVers) { // trimmed: a gap, which the stream tells of
			return nil, err
		}
		if len(changes) > 0 {
			b.Oldest = max(0, t.Now().Sub(changes[0].Time))
		}
		all = append(all, b)
	}
	return all, nil
}
