package audit

import (
	"context"
	"encoding/json"
	"errors"

	"rollcall/scim"
)

// EventErased tells that a person was erased. It is what makes it lawful that a personal part is gone.
const EventErased = "user.erased"

// Erase takes away, in a workspace, what the audit holds about a person: the personal part of events
// that they are the subject of, or did, and the salt of every change that has no images any
// more. The event EventErased is to be recorded before, the images dropped before too.
func (l *Log) Erase(ctx context.Context, workspace string, user scim.Ref) error {
	c, err := l.chain(ctx, workspace)
	if err != nil {
		return err
	}
	if err := c.upToDate(ctx); err != nil { // what waits is in a block then
		return err
	}
	a, err := c.readAnchor(ctx)
	if err != nil {
		return err
	}
	head, err := c.newest(ctx)
	if err != nil || head == nil {
		return err
	}
	for n := a.N + 1; n <= head.N; n++ {
		if err := c.eraseBlock(ctx, n, user); err != nil {
			return err
		}
	}
	if err := c.eraseInbox(ctx, user); !errors.Is(err, scim.ErrVersionMismatch) {
		return err
	}
	return l.Erase(ctx, workspace, user) // a block has them by now
}

func (c *chain) eraseBlock(ctx context.Context, n uint64, user scim.Ref) error {
	for {
		b, old, err := c.readBlock(ctx, n)
		if err != nil || b == nil {
			return err
		}
		changed := false
		for i := range b.Events {
			e, err := b.Events[i].event()
			if err != nil {
				return err
			}
			if e.about(user) && b.Events[i].Salt != nil {
				b.Events[i].Personal, b.Events[i].Salt, changed = nil, nil, true
			}
		}
		hollow, err := c.eraseMarks(ctx, b)
		if err != nil {
			return err
		}
		if !changed && !hollow {
			return nil
		}
		value, err := b.encode()
		if err != nil {
			return err
		}
		err = c.store.KV(blockSpace).Put(ctx, blockKey(n), value, old)
		if !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
	}
}

// eraseMarks takes the salts from changes whose images are gone, so that nobody can find out by trying
// what was in them. Where there were none when they were sealed, there is nothing to find out.
func (c *chain) eraseMarks(ctx context.Context, b *block) (changed bool, err error) {
	if len(b.Changes) == 0 {
		return false, nil
	}
	evidence, _, err := c.store.Evidence(ctx, b.First-1, len(b.Changes))
	if err != nil {
		return false, err
	}
	kept := map[scim.Version]bool{}
	for i := range evidence {
		kept[evidence[i].Version] = evidence[i].Personal() != nil
	}
	for i := range b.Changes {
		m := &b.Changes[i]
		if m.Salt != [saltLen]byte{} && !kept[b.First+scim.Version(i)] && salted(m.Salt, nil) != m.Personal {
			m.Salt, changed = [saltLen]byte{}, true
		}
	}
	return changed, nil
}

// eraseInbox does the same to events that no block has yet.
func (c *chain) eraseInbox(ctx context.Context, user scim.Ref) error {
	var found []struct {
		id  string
		old []byte
		new line
	}
	err := c.store.KV(inboxSpace).Scan(ctx, func(id string, value []byte) error {
		var l line
		if err := json.Unmarshal(value, &l); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "an event of the audit cannot be read: %v", err)
		}
		e, err := l.event()
		if err == nil && e.about(user) && l.Salt != nil {
			l.Personal, l.Salt = nil, nil
			found = append(found, struct {
				id  string
				old []byte
				new line
			}{id, value, l})
		}
		return err
	})
	for _, f := range found {
		value, marshalErr := json.Marshal(f.new)
		if err = errors.Join(err, marshalErr); err != nil {
			return err
		}
		if err := c.store.KV(inboxSpace).Put(ctx, f.id, value, f.old); err != nil {
			return err
		}
	}
	return err
}
