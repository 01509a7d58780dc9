package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"rollcall/scim"
)

// readers is how many resources are read from the store at a time.
const readers = 16

// parallel calls do for each number below n, up to width at a time, until one fails.
func parallel(ctx context.Context, width, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	numbers := make(chan int)
	for range min(width, n) {
		wait.Go(func() {
			for i := range numbers {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
send:
	for i := range n {
		select {
		case numbers <- i:
		case <-ctx.Done():
			break send
		}
	}
	close(numbers)
	wait.Wait()
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// compare holds each open change against its resource as it is now. A change without
// an action after it has nothing left to do.
func (t *run) compare(ctx context.Context, open []*Change) error {
	var existing []*Change
	for _, c := range open {
		if c.Action != Create {
			existing = append(existing, c)
		}
	}
	spoiled := t.planner.spoiledIDs()
	return parallel(ctx, readers, len(existing), func(ctx context.Context, i int) error {
		t.meter.add(1)
		err := t.compareOne(ctx, existing[i], spoiled)
		if errors.Is(err, scim.ErrCorrupt) {
			t.unreadable(existing[i])
			return nil
		}
		return err
	})
}

func (t *run) compareOne(ctx context.Context, c *Change, spoiled map[string]bool) error {
	stored, err := t.config.Target.Get(ctx, c.ref(), scim.With{})
	if errors.Is(err, scim.ErrNotFound) {
		t.revive(c)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", c.ref(), err)
	}
	old, err := stored.Resource()
	if err != nil {
		return err
	}
	r, err := t.mapping.revise(c, old, t.config.Policy.OnMissing)
	if err != nil {
		return err
	}
	c.Action, c.Attributes = r.action, r.attributes
	if c.Name == "" {
		c.Name = cmp.Or(old.UserName(), old.DisplayName())
		if t.planner.protects(c.Type, c.ExternalID, c.Name) {
			c.Action = ""
			return nil
		}
	}
	if c.want == nil || !c.whole || !t.mapping.hasMembers(c.Type) {
		c.members = nil
		return nil
	}
	return t.compareMembers(ctx, c, spoiled)
}

// unreadable records a resource that the store can no longer read.
func (t *run) unreadable(c *Change) {
	c.Action = ""
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Counts.Failed++
	t.report.problem(Problem{DN: c.DN, ID: c.ExternalID, Kind: "refused", Holder: c.ID,
		Reason: "the stored resource cannot be read", Remedy: "Run fsck on the store."})
}

// revive is for a resource that was deleted since the store told of it: an entry makes
// it anew.
func (t *run) revive(c *Change) {
	if c.want == nil {
		c.Action = ""
		return
	}
	c.ID = scim.NewID()
	attributes, err := scim.ParseObject(c.want, scim.StoredLimits)
	if err != nil { // it is what AppendJSON made
		panic(err)
	}
	t.planner.create(c, attributes)
}

// compareMembers finds which members to add and to remove, by walking both lists in
// order. A member whose own entry cannot be used is not removed: the source may leave
// it out for that reason alone.
func (t *run) compareMembers(ctx context.Context, c *Change, spoiled map[string]bool) error {
	wanted := c.members
	c.members = nil
	for present, err := range t.config.Target.Members(ctx, c.ref(), scim.Ref{}) {
		if err != nil {
			return fmt.Errorf("members of %s: %w", c.ref(), err)
		}
		c.MembersBefore++
		for len(wanted) > 0 && compareRefs(wanted[0], present) < 0 {
			c.add = append(c.add, wanted[0])
			wanted = wanted[1:]
		}
		switch {
		case len(wanted) > 0 && wanted[0] == present:
			wanted = wanted[1:]
		case spoiled[present.ID]:
			c.mark = "" // look again next time
		default:
			c.remove = append(c.remove, present)
		}
	}
	c.add = append(c.add, wanted...)
	c.MembersAdded, c.MembersRemoved = len(c.add), len(c.remove)
	if c.Action == settle && len(c.add)+len(c.remove) > 0 {
		c.Action = Members
	}
	return nil
}

// checkNames finds the changes whose userName or displayName is taken, as the store would
// when they are applied, and takes them out of the plan.
func (t *run) checkNames(ctx context.Context) error {
	n := &naming{run: t, taken: map[string]string{}, freed: map[string]bool{}}
	for _, c := range t.planned.Changes {
		if attr := t.mapping.unique(c.Type); attr != nil && c.Action != Create && c.names(attr) {
			n.freed[c.ID] = true
		}
	}
	t.planning = true
	for chunk := range chunks(t.planned.all(), namesAtOnce) {
		if err := n.check(ctx, chunk); err != nil {
			return err
		}
	}
	t.planning = false
	t.planned.drop(t.mapping, t.lost)
	t.report.Planned = t.planned.Planned
	t.report.ChangeCount = t.planned.count()
	return nil
}

// namesAtOnce is how many changes have their names checked at a time.
const namesAtOnce = 4096

// naming is the check of names under way.
type naming struct {
	*run
	taken map[string]string // by type and compared name, the id that is to have it
	freed map[string]bool   // ids that give up their name
}

func (n *naming) check(ctx context.Context, changes []*Change) error {
	changes = slices.DeleteFunc(changes, func(c *Change) bool {
		attr := n.mapping.unique(c.Type)
		return attr == nil || !c.names(attr)
	})
	holders := make([]string, len(changes))
	for i, c := range changes {
		key := n.mapping.nameKey(c.Type, c.Name)
		if first, ok := n.taken[key]; ok {
			holders[i] = first
			continue
		}
		n.taken[key] = strings.Clone(c.ID) // the rest of the change need not stay
	}
	if n.look {
		err := parallel(ctx, readers, len(changes), func(ctx context.Context, i int) error {
			c := changes[i]
			if holders[i] != "" {
				return nil
			}
			id, err := n.holder(ctx, c)
			if !n.freed[id] {
				holders[i] = id
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, c := range changes {
		if holders[i] != "" {
			n.conflict(c, holders[i])
		}
	}
	return nil
}

// names tells whether the change gives its resource a new name.
func (c *Change) names(attr *scim.Attribute) bool {
	if c.Action == Create {
		return true
	}
	for _, d := range c.Attributes {
		if d.Path == attr.Name {
			return true
		}
	}
	return false
}

// holder is the id of another resource that has the change's name, "" for none.
func (t *run) holder(ctx context.Context, c *Change) (string, error) {
	attr := t.mapping.unique(c.Type)
	stored, err := t.config.Target.Lookup(ctx, c.Type, attr.Name, c.Name, scim.With{})
	switch {
	case errors.Is(err, scim.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look up a name: %w", err)
	case stored.ID == c.ID:
		return "", nil
	}
	return stored.ID, nil
}

// conflict records that the change's name is taken. Nobody's resource is adopted for its
// name (design.md §4.9).
func (t *run) conflict(c *Change, holder string) {
	attr := t.mapping.unique(c.Type)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lose(c, attr.Name+" is taken")
	t.report.problem(Problem{
		DN: c.DN, ID: c.ExternalID, Kind: "conflict", Attribute: attr.Name, Holder: holder,
		Reason: fmt.Sprintf("%s %s already has this %s", c.Type, holder, attr.Name),
		Remedy: "Rename one of the two, or delete the one that is no longer needed. A source never takes over what it does not own.",
	})
}
