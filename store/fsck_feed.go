package store

import (
	"context"
	"fmt"
	"slices"

	"rollcall/scim"
)

// checkVersions compares records with the feed's entries of their versions.
func (c *fsck) checkVersions(ctx context.Context, raws []Raw) error {
	var sound []Raw
	var numbers []scim.Version
	for _, raw := range raws {
		if raw.Damage == "" {
			sound, numbers = append(sound, raw), append(numbers, raw.Version)
		}
	}
	entries, err := c.w.backend.FeedAt(ctx, c.w.ws, numbers)
	if err != nil {
		if !isCorrupt(err) {
			return err
		}
		return nil // told by feed
	}
	_, now, err := c.w.backend.Feed(ctx, c.w.ws, maxVersion, 1)
	if err != nil {
		return err
	}
	for i, raw := range sound {
		e := entries[i]
		switch {
		case raw.Version > now:
			c.found(RecordVersion, raw.Ref.String(), "version %d is above the workspace's number %d", raw.Version, now)
		case e.Version == 0: // trimmed, or a gap, which feed tells
		case e.Nonce != raw.Nonce || e.Ref != raw.Ref && !slices.Contains(e.Groups, raw.Ref):
			c.found(RecordFeed, raw.Ref.String(), "change %d is another one, of %s", e.Version, e.Ref)
		}
	}
	return nil
}

// feed checks that no number is missing, and that the records show what the entries say.
func (c *fsck) feed(ctx context.Context) error {
	const page = 500
	var after scim.Version
	for {
		entries, head, err := c.w.backend.Feed(ctx, c.w.ws, after, page)
		if isCorrupt(err) {
			c.found(FeedUnreadable, fmt.Sprintf("after %d", after), "%v", err)
			return nil
		}
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			if after != head {
				c.repairHead(c.found(FeedHead, fmt.Sprint(head), "the newest entry is %d", after), head, after)
			}
			for ref, n := range c.gone {
				c.repairGone(ctx, c.found(FeedRecord, fmt.Sprint(n), "%s is gone, and was not deleted", ref), ref, n)
			}
			return nil
		}
		if c.oldest == 0 {
			c.oldest = entries[0].Version
			after = c.oldest - 1
		}
		c.report.Changes += len(entries)
		for _, e := range entries {
			if e.Version != after+1 {
				c.found(FeedGap, fmt.Sprint(after+1), "the next entry is %d", e.Version)
			}
			after = e.Version
		}
		if err := c.checkEntries(ctx, entries); err != nil {
			return err
		}
		if err := c.checkImages(ctx, entries); err != nil {
			return err
		}
	}
}

func (c *fsck) checkEntries(ctx context.Context, entries []Entry) error {
	refs := make([]scim.Ref, len(entries))
	var befores []scim.Version
	for i, e := range entries {
		refs[i] = e.Ref
		befores = append(befores, e.Before)
	}
	raws, err := c.w.backend.Read(ctx, c.w.ws, refs, false)
	if err != nil {
		return err
	}
	earlier, err := c.w.backend.FeedAt(ctx, c.w.ws, befores)
	if err != nil && !isCorrupt(err) {
		return err
	}
	for i, e := range entries {
		on, raw := fmt.Sprint(e.Version), raws[i]
		if raw.Found || e.Op == ChangeDelete {
			delete(c.gone, e.Ref)
		} else {
			c.gone[e.Ref] = e.Version
		}
		switch {
		case raw.Damage != "": // told by records
		case e.Op != ChangeDelete && raw.Found && raw.Version < e.Version:
			c.found(FeedRecord, on, "%s is at version %d", e.Ref, raw.Version)
		case e.Op == ChangeDelete && raw.Found && raw.Version <= e.Version:
			c.found(FeedRecord, on, "%s was deleted, and is there", e.Ref)
		}
		if e.Before >= e.Version || (e.Op == ChangeCreate) != (e.Before == 0) {
			c.found(FeedBefore, on, "%s of %s at version %d", e.Op, e.Ref, e.Before)
		} else if err == nil && earlier[i].Version != 0 && earlier[i].Ref != e.Ref && !slices.Contains(earlier[i].Groups, e.Ref) {
			c.found(FeedBefore, on, "version %d before is a change of %s, not %s", e.Before, earlier[i].Ref, e.Ref)
		}
	}
	return nil
}
