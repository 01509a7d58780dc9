package sync

import (
	"context"
	"maps"
	"slices"

	"rollcall/scim"
)

// maxConfirmed is how many entries are asked for again. Where more are missing, they did not slip through
// between two pages, and the guard has its say.
const maxConfirmed = 10_000

// confirm asks the source again for those that its read did not have, for the first time. One that is there after
// all is left as it is.
func (t *run) confirm(ctx context.Context) error {
	source, ok := t.config.Source.(Confirmer)
	refs := t.planner.unread()
	if !ok || len(refs) == 0 || len(refs) > maxConfirmed {
		return nil
	}
	there, err := source.Present(ctx, refs)
	if err != nil {
		return &sourceError{err}
	}
	for _, ref := range there {
		t.planner.spoil(&EntryError{ID: ref.ID, Reason: "it was not among what was read, and is there: it was moved or renamed meanwhile",
			Remedy: "Nothing: the next run reads it."})
	}
	return nil
}

// unread are the resources, by type and externalId, that have no entry and were not missing before.
func (p *planner) unread() (refs []scim.Ref) {
	for typ, held := range p.held {
		for id, h := range held {
			if h.state == unseen && !isMissing(h.mark) {
				refs = append(refs, scim.Ref{Type: typ, ID: id})
			}
		}
	}
	slices.SortFunc(refs, compareRefs)
	return refs
}

// missing deals with what is owned and has no entry.
func (p *planner) missing(typ string) {
	count := p.plan.Types[typ]
	held := p.held[typ]
	for _, id := range slices.Sorted(maps.Keys(held)) {
		h := held[id]
		switch {
		case isMissing(h.mark) && h.state != unseen:
			count.Gone-- // it is back
		case h.state == unseen && !isMissing(h.mark):
			count.Missing++
			p.miss(scim.Ref{Type: typ, ID: id}, h)
		case h.state == unseen && p.overdue(h.mark) && !p.protects(typ, id, ""):
			p.open = append(p.open, &Change{Type: typ, ID: h.id, ExternalID: id, before: h.mark, overdue: true})
		}
	}
}

// miss counts one more run in which a resource (named by its externalId) is missing, and
// plans what is to be done when it were enough. While there are entries that cannot even be
// told apart, anybody may be one of them: then nobody is disabled.
func (p *planner) miss(key scim.Ref, h *holding) {
	runs := p.past.missing[key]
	if p.nameless == 0 {
		runs++
	}
	m := Missing{Type: key.Type, ID: h.id, ExternalID: key.ID, Runs: runs, Protected: p.protects(key.Type, key.ID, "")}
	p.plan.Missing = append(p.plan.Missing, m)
	if runs < p.policy.MissingRuns || m.Protected {
		return
	}
	p.open = append(p.open, &Change{Type: key.Type, ID: h.id, ExternalID: key.ID, before: h.mark, mark: missingMark(runs, p.now)})
}

// overdue tells whether the time of grace is over of what was dealt with as missing. Like
// disabling, deleting waits while there are entries that cannot be told apart.
func (p *planner) overdue(mark string) bool {
	since, ok := missingSince(mark)
	return ok && p.policy.DeleteAfter > 0 && p.policy.OnMissing != Keep && p.nameless == 0 &&
		!p.now.Before(since.Add(p.policy.DeleteAfter))
}
