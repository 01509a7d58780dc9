package scimhttp

import (
	"errors"

	"rollcall/scim"
)

// maxRestores bounds how often a restore is tried against changes by others.
const maxRestores = 3

// restore answers a POST that found its unique values taken (design.md §4.15). Where what
// holds them is a deactivated resource of the same client and externalId, somebody who left has
// come back: it becomes what the draft says, under its old id and in its old groups. Anything
// else is the conflict that it was, as is a draft that is itself inactive.
//
// The answer is that of a creation, 201 with the resource: a client that posts takes the id
// from there (Okta fails an assignment whose POST brings no user).
func (x *exchange) restore(draft *scim.Draft, edges []scim.EdgeChange, conflict error) (*scim.Committed, error) {
	owner, externalID := x.actor.Owner(), draft.Resource.ExternalID
	if owner == "" || externalID == "" || !draft.Resource.Active() {
		return nil, conflict
	}
	for range maxRestores {
		old, err := x.store.Lookup(x.ctx, x.typ.Name, "externalId", externalID, scim.With{Groups: true, Inactive: true})
		if errors.Is(err, scim.ErrNotFound) || errors.Is(err, scim.ErrForbidden) || err == nil && old.Owner != owner {
			return nil, conflict
		}
		if err != nil {
			return nil, err
		}
		done, err := x.revive(old, draft, edges, conflict)
		if errors.Is(err, scim.ErrVersionMismatch) {
			continue
		}
		if err != nil {
			return nil, err
		}
		x.quirk(QuirkRestored)
		state := *done.Stored
		state.Groups = old.Groups
		done.Stored = &state
		return done, nil
	}
	return nil, errOutOfChance
}

// revive commits the draft over a deactivated resource. The members that it has stay; those
// that the draft brings are added.
func (x *exchange) revive(old *scim.Stored, draft *scim.Draft, edges []scim.EdgeChange, conflict error) (*scim.Committed, error) {
	before, err := old.Resource()
	if err != nil {
		return nil, err
	}
	if before.Active() {
		return nil, conflict
	}
	after, err := x.typ.Replace(before, draft)
	if err == nil {
		err = x.checkUserName(before, after)
	}
	if err != nil {
		return nil, err
	}
	after.Attributes["active"] = true
	done, err := x.store.Commit(x.ctx, &scim.Commit{
		Ref: old.Ref, Expect: old.Version, Old: old, Before: before, Put: after, Password: draft.Password,
		Edges: edges, RefuseUnknown: x.policy().RefuseUnknownMembers, KeepForeign: true,
	})
	if errors.Is(err, scim.ErrForbidden) || errors.Is(err, scim.ErrNotFound) {
		return nil, conflict
	}
	return done, err
}
