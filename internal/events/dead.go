package events

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"rollcall/scim"
)

// Dead are changes that a stream gave up on. The feed has them still, so only their numbers are
// kept, and a replay delivers them.
type Dead struct {
	From   scim.Version `json:"from"`
	To     scim.Version `json:"to"`
	Reason string       `json:"reason"`
	At     time.Time    `json:"at"`
}

// maxDead bounds the dead letters of a stream: beyond it, the newest takes in the rest.
const maxDead = 1000

func (t *Transmitter) graves(s *Stream) scim.KV { return t.State.KV("events.dead:" + s.key()) }

// bury notes dead letters, loudly.
func (t *Transmitter) bury(ctx context.Context, s *Stream, list ...Dead) error {
	if len(list) == 0 {
		return nil
	}
	all, err := t.dead(ctx, s)
	if err != nil {
		return err
	}
	for _, d := range list {
		if n := len(all); n > 0 {
			newest := all[n-1]
			if newest.To >= d.From-1 && newest.Reason == d.Reason || n >= maxDead {
				d.From = min(d.From, newest.From)
				d.To = max(d.To, newest.To)
				if d.From == newest.From {
					all = all[:n-1]
				}
			}
		}
		value, err := json.Marshal(d)
		if err != nil {
			return err
		}
		t.log.ErrorContext(ctx, "changes became dead letters: `rollcall events streams replay` delivers them again",
			"workspace", s.Workspace, "stream", s.Name, "from", d.From, "to", d.To, "reason", d.Reason)
		if err := t.graves(s).Put(ctx, fmt.Sprintf("%020d", d.From), value, nil); err != nil {
			return err
		}
		all = append(all, d)
	}
	return nil
}

// dead lists the dead letters of a stream, oldest first.
func (t *Transmitter) dead(ctx context.Context, s *Stream) ([]Dead, error) {
	list := []Dead{}
	err := t.graves(s).Scan(ctx, func(_ string, value []byte) error {
		var d Dead
		if err := json.Unmarshal(value, &d); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "a dead letter of the stream %s: %v", s.key(), err)
		}
		list = append(list, d)
		return nil
	})
	return list, err
}

// exhume forgets the dead letters from a change on.
func (t *Transmitter) exhume(ctx context.Context, s *Stream, from scim.Version) error {
	all, err := t.dead(ctx, s)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.To < from {
			continue
		}
		if err := t.graves(s).Delete(ctx, fmt.Sprintf("%020d", d.From)); err != nil {
			return err
		}
	}
	return nil
}
