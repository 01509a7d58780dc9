package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rollcall/scim"
)

// Moved is one change that is another one now than when its plan was made.
type Moved struct {
	Type       string `json:"type"`
	ExternalID string `json:"externalId"`
	Name       string `json:"name,omitempty"`
	Was        Action `json:"was,omitempty"` // in the plan; "" for no change
	Is         Action `json:"is,omitempty"`  // now; "" for no change
}

// maxMoved is how many of them a report keeps.
const maxMoved = 20

// errMoved ends a run that was to apply a plan which no longer holds.
var errMoved = errors.New("the world moved since the plan was made")

// same tells whether this plan is the one that was stored, and notes what is not.
func (t *run) same(ctx context.Context, from *history, plan *Report) error {
	hash, now := t.planned.digest()
	t.report.Hash = hash
	if hash == plan.Hash {
		return nil
	}
	then, err := from.digests(ctx, plan.ID)
	if errors.Is(err, scim.ErrNotFound) {
		then, err = digests{}, nil // too old: all that can be said is that it is another
	}
	if err != nil {
		return err
	}
	t.moved(plan, then, now)
	return errMoved
}

func (t *run) moved(plan *Report, then, now digests) {
	was := map[uint64]*Change{} // those of the first changes that are known by name
	for i := range plan.Changes {
		was[plan.Changes[i].key()] = &plan.Changes[i]
	}
	note := func(m Moved) {
		t.report.MovedCount++
		if len(t.report.Moved) < maxMoved {
			t.report.Moved = append(t.report.Moved, m)
		}
	}
	for c := range t.planned.all() {
		key := c.key()
		old, ok := then[key]
		if ok && old == now[key] {
			continue
		}
		m := Moved{Type: c.Type, ExternalID: c.ExternalID, Name: c.Name, Is: c.Action}
		if ok {
			m.Was = c.Action
			if w := was[key]; w != nil {
				m.Was = w.Action
			}
		}
		note(m)
	}
	var left []Moved
	unnamed := 0
	for key := range then {
		if _, ok := now[key]; ok {
			continue
		}
		if w := was[key]; w != nil {
			left = append(left, Moved{Type: w.Type, ExternalID: w.ExternalID, Name: w.Name, Was: w.Action})
		} else {
			unnamed++
		}
	}
	slices.SortFunc(left, func(a, b Moved) int {
		return compareRefs(scim.Ref{Type: a.Type, ID: a.ExternalID}, scim.Ref{Type: b.Type, ID: b.ExternalID})
	})
	for _, m := range left {
		note(m)
	}
	t.report.MovedCount += unnamed
	t.report.MovedCount = max(t.report.MovedCount, 1)
}

// movedText says that the plan no longer holds, and what to do.
func (r *Report) movedText() string {
	text := fmt.Sprintf("nothing was applied: the source or the store has changed since %s was planned", r.Plan)
	if r.Approved {
		return text + fmt.Sprintf(". Run `rollcall sync run %s`; if it is blocked again, look at what it shows, and approve that run", r.Source)
	}
	return text + fmt.Sprintf(". Run `rollcall sync plan %s`, look at what it shows, and apply that plan", r.Source)
}
