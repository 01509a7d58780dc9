package store

import "context"

// A view is made by reading bit by bit. Where the database was restarted, replaced or failed over
// meanwhile the bits may be of different states, and not every such case shows in the feed: a
// resource that was not there, since it was deleted in what is lost now, left nothing to compare.

// steady calls read, which reads bit by bit. It is errHistory where the database became another
// one meanwhile.
func (w *Workspace) steady(ctx context.Context, read func() error) error {
	before, err := w.backend.History(ctx, w.ws)
	if err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	after, err := w.backend.History(ctx, w.ws)
	if err == nil && after != before {
		err = errHistory
	}
	return err
}
