package store

import (
	"context"

	"rollcall/scim"
)

// readNames reads the names that are kept beside groups.
func (c *fsck) readNames(ctx context.Context) error {
	c.names = map[string]string{}
	return c.w.backend.KVScan(ctx, c.w.ws, NamesSpace, func(ref string, name []byte) error {
		c.names[ref] = string(name)
		return nil
	})
}

// name compares a group's name with the one that is kept beside it. None is no damage: it
// is then read from the group, as in stores that are older than the names.
func (c *fsck) name(t *scim.ResourceType, r *scim.Resource) {
	if len(t.MemberTypes) == 0 {
		return
	}
	on := r.Ref.String()
	name, kept := c.names[on]
	if kept && name != r.DisplayName() {
		c.repairName(c.found(NameStale, on, "another name is kept beside the group"), on, r.DisplayName())
	}
	delete(c.names, on)
}

// strayNames tells of the names that no group has.
func (c *fsck) strayNames(ctx context.Context) error {
	for text := range c.names {
		ref, ok := ParseRef(text)
		raws, err := c.w.backend.Read(ctx, c.w.ws, []scim.Ref{ref}, false)
		if err != nil {
			return err
		}
		if !ok || !raws[0].Found {
			c.repairStrayName(c.found(NameStale, text, "there is no such group"), text)
		}
	}
	return nil
}

// deleted checks what was deleted and is kept to be restored.
func (c *fsck) deleted(ctx context.Context) error {
	return c.w.backend.KVScan(ctx, c.w.ws, DeletedSpace, func(key string, value []byte) error {
		ref, ok := ParseRef(key)
		if !ok {
			c.repairDeleted(c.found(DeletedUnreadable, key, "it names no resource"), key)
			return nil
		}
		d, err := parseDeleted(ref, value)
		if err != nil {
			c.repairDeleted(c.found(DeletedUnreadable, key, "%v", err), key)
			return nil
		}
		if d.Version > c.head {
			_, now, err := c.w.backend.Feed(ctx, c.w.ws, maxVersion, 1)
			if err != nil {
				return err
			}
			if d.Version > now {
				c.found(DeletedVersion, key, "it was deleted by change %d, which is above the workspace's number %d", d.Version, now)
			}
		}
		return nil
	})
}
