package store

import (
	"context"
	"fmt"
)

// checkImages checks the images of changes against their entries. None is no damage: they are
// kept for a time of their own.
func (c *fsck) checkImages(ctx context.Context, entries []Entry) error {
	numbers := numbersOf(entries)
	images, err := c.w.backend.ImagesAt(ctx, c.w.ws, numbers)
	if isCorrupt(err) {
		c.found(ImageUnreadable, fmt.Sprintf("%d to %d", numbers[0], numbers[len(numbers)-1]), "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	for i := range images {
		if images[i].Version != 0 {
			c.checkImage(&images[i], &entries[i])
		}
	}
	return nil
}

func (c *fsck) checkImage(r *RawImages, e *Entry) {
	on := fmt.Sprint(e.Version)
	if _, _, err := r.resources(); err != nil {
		c.found(ImageUnreadable, on, "%v", err)
		return
	}
	old, new := r.records()
	switch {
	case r.Ref != e.Ref:
		c.found(ImageFeed, on, "they are of %s, and the change is of %s", r.Ref, e.Ref)
	case (old == nil) != (e.Before == 0) || old != nil && old.Version != e.Before:
		c.found(ImageFeed, on, "the record before is not of version %d", e.Before)
	case (new == nil) != (e.Op == ChangeDelete) || new != nil && (new.Version != e.Version || new.Nonce != e.Nonce):
		c.found(ImageFeed, on, "the record after is not of this change")
	}
}
