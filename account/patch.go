package account

import (
	"context"
	"errors"

	"rollcall/scim"
)

// Model is the schemas of the workspace.
func (w *Workspace) Model() *scim.Model { return w.model }

// Patch applies the operations of a PATCH to a resource's own attributes, where it still is of the version
// that they were made for; 0 for any. scim.ErrVersionMismatch: somebody else has changed it.
func (w *Workspace) Patch(ctx context.Context, ref scim.Ref, seen scim.Version, ops []scim.Operation) error {
	t := w.model.Type(ref.Type)
	for range 10 {
		old, err := w.Get(ctx, ref, scim.With{})
		if err != nil {
			return err
		}
		if seen != 0 && old.Version != seen {
			return scim.Errorf(scim.ErrVersionMismatch, "somebody else has changed it meanwhile: what is shown now is how it is; change that")
		}
		before, err := old.Resource()
		if err != nil {
			return err
		}
		patched, err := t.Patch(before, ops, func() ([]scim.Member, error) {
			return nil, scim.Errorf(scim.ErrInvalidPath, "members are changed by themselves")
		})
		if err != nil {
			return err
		}
		if !patched.Changed {
			return nil
		}
		_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: old.Version, Old: old, Before: before, Put: patched.Resource})
		if !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
	}
	return scim.Errorf(scim.ErrUnavailable, "it is being changed by others; try again")
}

// Delete deletes a resource.
func (w *Workspace) Delete(ctx context.Context, ref scim.Ref) error {
	old, err := w.Get(ctx, ref, scim.With{})
	if err != nil {
		return err
	}
	_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: old.Version, Old: old, Delete: true})
	return err
}

// CreateGroup makes a group of a SCIM Group without members.
func (w *Workspace) CreateGroup(ctx context.Context, body map[string]any) (scim.Ref, error) {
	draft, err := w.model.Type("Group").Decode(body)
	if err != nil {
		return scim.Ref{}, err
	}
	draft.Resource.Ref = scim.Ref{Type: "Group", ID: scim.NewID()}
	_, err = w.Commit(ctx, &scim.Commit{Ref: draft.Resource.Ref, Expect: scim.MustNotExist, Put: draft.Resource})
	return draft.Resource.Ref, err
}
