package store

import (
	"context"
	"fmt"

	"rollcall/scim"
)

// What can be worked out from the rest is repaired: a record that cannot be read, from the images of
// its last change; claims and names, from the records; memberships, from the groups' side of them.
// What the truth was of two that claim one name, or of a feed with a gap, nobody can tell.

// Repair does what each finding's Repair says. Nobody may write meanwhile. It goes on behind what
// it cannot repair, and returns how many it has repaired.
func (w *Workspace) Repair(ctx context.Context, r *Report) (repaired int, err error) {
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.fix == nil {
			continue
		}
		if err := f.fix(ctx); err != nil {
			return repaired, fmt.Errorf("store: repair %s of %s: %w", f.Code, f.On, err)
		}
		repaired++
	}
	return repaired, nil
}

// set gives a finding its repair.
func (f *Finding) set(what string, fix func(context.Context) error) { f.Repair, f.fix = what, fix }

func (c *fsck) load(items ...Item) func(context.Context) error {
	return func(ctx context.Context) error { return c.w.backend.Load(ctx, c.w.ws, items) }
}

func (c *fsck) remove(items ...Item) func(context.Context) error {
	return func(ctx context.Context) error { return c.w.backend.Remove(ctx, c.w.ws, items) }
}

// repairRecord takes the record from the image of its last change, where that is kept.
func (c *fsck) repairRecord(ctx context.Context, f *Finding, raw Raw) {
	if raw.Damage != "" {
		return
	}
	if after := c.imageAfter(ctx, raw.Ref, raw.Version); after != nil && after.Nonce == raw.Nonce {
		f.set("put back what its last change wrote", func(ctx context.Context) error {
			return c.w.backend.Rewrite(ctx, c.w.ws, []Raw{*after})
		})
	}
}

// repairGone puts back a record that is missing, likewise.
func (c *fsck) repairGone(ctx context.Context, f *Finding, ref scim.Ref, n scim.Version) {
	if after := c.imageAfter(ctx, ref, n); after != nil {
		record := AppendHeader(nil, after.Version, after.Modified, after.Nonce, after.Created)
		f.set("put back what its last change wrote", c.load(Item{Kind: ItemRecord, Key: ref.String(), Value: append(record, after.Payload...)}))
	}
}

// imageAfter is the record that a change wrote, nil where it is not kept or cannot be read.
func (c *fsck) imageAfter(ctx context.Context, ref scim.Ref, n scim.Version) *Raw {
	images, err := c.w.backend.ImagesAt(ctx, c.w.ws, []scim.Version{n})
	if err != nil || images[0].Version == 0 || images[0].Ref != ref {
		return nil
	}
	_, after := images[0].records()
	if after == nil {
		return nil
	}
	if _, err := resourceOf(after); err != nil {
		return nil
	}
	return after
}

// repairHead raises the number to that of the newest entry. A number above it stays: what had it was
// acknowledged, and to give it to another change would make two of one version.
func (c *fsck) repairHead(f *Finding, head, newest scim.Version) {
	if head < newest {
		f.set("raise the number to "+fmt.Sprint(newest), c.load(Item{Kind: ItemCounter, Value: fmt.Append(nil, uint64(newest))}))
	}
}

// repairDeleted forgets what can be restored no more.
func (c *fsck) repairDeleted(f *Finding, key string) {
	f.set("forget it, which cannot be restored", func(ctx context.Context) error { return c.w.backend.KVDelete(ctx, c.w.ws, DeletedSpace, key) })
}

func (c *fsck) repairName(f *Finding, ref, name string) {
	f.set("keep its present name", func(ctx context.Context) error {
		return c.w.backend.KVPut(ctx, c.w.ws, NamesSpace, ref, []byte(name), nil)
	})
}

func (c *fsck) repairStrayName(f *Finding, ref string) {
	f.set("remove it", func(ctx context.Context) error { return c.w.backend.KVDelete(ctx, c.w.ws, NamesSpace, ref) })
}

// repairMissing claims the value, unless another does by now.
func (c *fsck) repairMissing(f *Finding, typ string, cl Claim) {
	f.set("claim it for "+cl.ID, func(ctx context.Context) error {
		tx := c.w.newTx(ctx, &scim.Commit{Ref: scim.Ref{Type: typ, ID: cl.ID}})
		tx.Op, tx.Expect, tx.Claims = OpTouch, scim.MustExist, []Claim{cl}
		return c.w.execute(ctx, tx).Err
	})
}

func (c *fsck) repairStale(f *Finding, cl Claim) {
	f.set("free it", c.remove(Item{Kind: ItemClaim, Key: cl.Space, Sub: cl.Key}))
}

// repairOneWay takes the group's side of it for the truth: it says who its members are.
func (c *fsck) repairOneWay(f *Finding, side Direction, e EdgeAt) {
	if side == Members {
		f.set("add it to "+e.To.String(), c.load(Item{Kind: ItemGroup, Key: e.To.String(), Sub: e.From.String()}))
		return
	}
	f.set("remove it from "+e.From.String(), c.remove(Item{Kind: ItemGroup, Key: e.From.String(), Sub: e.To.String()}))
}

func (c *fsck) repairEdge(f *Finding, side Direction, e EdgeAt) {
	group, member := e.From.String(), e.To.String()
	if side == Groups {
		group, member = member, group
	}
	f.set("remove the membership", c.remove(Item{Kind: ItemMember, Key: group, Sub: member}, Item{Kind: ItemGroup, Key: member, Sub: group}))
}
