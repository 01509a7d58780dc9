package sync

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"rollcall/scim"
)

// erased takes the place of what a report told of somebody who was erased.
const erased = "(erased)"

// Erase takes out of the reports of runs and out of the plans what they tell of a person: by the id
// of the account, and by the externalId that the source knows them by, "" for none. What is counted
// stays counted.
func (r *Runner) Erase(ctx context.Context, id, externalID string) error {
	for _, h := range []*history{r.history, r.plans} {
		if err := h.erase(ctx, func(c *Change) bool {
			return c.Type == "User" && (c.ID == id || externalID != "" && c.ExternalID == externalID)
		}); err != nil {
			return err
		}
	}
	if externalID == "" {
		return nil
	}
	key := scim.Ref{Type: "User", ID: externalID}.String()
	var err error
	for _, kv := range []scim.KV{r.memory.missing(), r.memory.protected(), r.memory.deleted()} {
		err = errors.Join(err, kv.Delete(ctx, key))
	}
	return err
}

// erase erases whom is tells in every report and plan.
func (h *history) erase(ctx context.Context, is func(*Change) bool) error {
	var ids []string
	if err := h.summaries().Scan(ctx, func(id string, _ []byte) error { ids = append(ids, id); return nil }); err != nil {
		return err
	}
	for _, id := range ids {
		err := rewritePacked(ctx, h.reports(), id, func(r *Report) bool { return r.erase(is) })
		if err != nil {
			return err
		}
		var chunks []string
		if err := h.stored(id).Scan(ctx, func(key string, _ []byte) error { chunks = append(chunks, key); return nil }); err != nil {
			return err
		}
		for _, key := range chunks {
			if key == digestsKey {
				continue
			}
			err := rewritePacked(ctx, h.stored(id), key, func(list *[]Change) bool { return eraseChanges(*list, is) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// rewritePacked changes what is kept under a key, where change says that it does.
func rewritePacked[T any](ctx context.Context, kv scim.KV, key string, change func(*T) bool) error {
	text, err := getPacked(ctx, kv, key)
	if errors.Is(err, scim.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		return scim.Errorf(scim.ErrCorrupt, "%s: %v", key, err)
	}
	if !change(&v) {
		return nil
	}
	if text, err = json.Marshal(&v); err != nil {
		return err
	}
	return putPacked(ctx, kv, key, text)
}

func eraseChanges(list []Change, is func(*Change) bool) (changed bool) {
	for i := range list {
		if is(&list[i]) {
			list[i] = Change{Action: list[i].Action, Type: list[i].Type, Name: erased}
			changed = true
		}
	}
	return changed
}

// erase erases somebody in the report.
func (r *Report) erase(is func(*Change) bool) bool {
	changed := eraseChanges(r.Changes, is)
	who := func(typ, id, externalID string) bool { return is(&Change{Type: typ, ID: id, ExternalID: externalID}) }
	n := len(r.Missing) + len(r.Errors) + len(r.Moved)
	r.Missing = slices.DeleteFunc(r.Missing, func(m Missing) bool { return who(m.Type, m.ID, m.ExternalID) })
	r.Errors = slices.DeleteFunc(r.Errors, func(p Problem) bool { return p.ID != "" && who("User", "", p.ID) })
	r.Moved = slices.DeleteFunc(r.Moved, func(m Moved) bool { return who(m.Type, "", m.ExternalID) })
	return changed || n != len(r.Missing)+len(r.Errors)+len(r.Moved)
}
