package scimhttp

import (
	"errors"
	"net/http"

	"rollcall/scim"
)

// patch answers PATCH (RFC 7644 §3.5.2).
func (x *exchange) patch() error {
	c, err := x.change()
	if err != nil {
		return err
	}
	p, q, err := x.shown()
	if err != nil {
		return err
	}
	body, err := x.object()
	if err != nil {
		return err
	}
	ops, err := scim.ParsePatch(body)
	if err != nil {
		return err
	}
	withBody := x.patchWithBody(q)
	out, err := c.modify(ops, scim.With{Groups: withBody && p.groups != 0})
	if err != nil {
		return err
	}
	if !withBody {
		x.setETag(shownAs{version: out.done.Stored.Version})
		x.empty(http.StatusNoContent)
		return nil
	}
	return x.changed(&out.outcome, p)
}

// modify makes the operations of a PATCH, all or none.
func (c *change) modify(ops []scim.Operation, with scim.With) (*patchOutcome, error) {
	out, err := c.patchMembers(ops)
	if err == nil && out == nil {
		err = c.settle(func() (err error) {
			out, err = c.patchResource(ops, with)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	c.committed(out.done)
	c.quirks(out.patched.Quirks)
	return out, nil
}

// patchWithBody decides between 200 and 204. Asking for attributes asks for a body
// (RFC 7644 §3.5.2).
func (x *exchange) patchWithBody(q *query) bool {
	switch x.policy().PatchResponse {
	case PatchBody:
		return true
	case PatchNoContent:
		return q.attributes != ""
	}
	return q.attributes != "" || x.typ.members == nil
}

// patchOutcome is what a PATCH has come to.
type patchOutcome struct {
	outcome
	patched *scim.Patched
}

// patchMembers makes a PATCH that adds and removes members and nothing else: without
// reading the group, in one commit that holds whatever others do, so that it costs the
// same for any size and none is ever lost (clients.md A22). It gives nil, nil for any
// other PATCH.
func (c *change) patchMembers(ops []scim.Operation) (*patchOutcome, error) {
	if c.typ.members == nil || c.pre.match.given || c.pre.noneMatch.given || !membersOnly(c.typ, ops) {
		return nil, nil
	}
	blank := &scim.Resource{Header: scim.Header{Ref: c.ref}, Attributes: map[string]any{}}
	patched, err := c.typ.Patch(blank, ops, func() ([]scim.Member, error) { return nil, errNeedsMembers })
	if err != nil || patched.Changed || patched.Members.Clear {
		// Not so simple; whatever is wrong will be found again with the resource at hand.
		return nil, nil //nolint:nilerr
	}
	edges, err := c.delta(&patched.Members)
	if err != nil || len(edges) == 0 {
		return nil, err
	}
	done, err := c.commit(&scim.Commit{Expect: scim.MustExist, Edges: edges})
	return &patchOutcome{outcome{done: done}, patched}, err
}

var errNeedsMembers = errors.New("the operations need the members")

// patchResource makes a PATCH of any kind on the state that it reads.
func (c *change) patchResource(ops []scim.Operation, with scim.With) (*patchOutcome, error) {
	old, err := c.read(with)
	if err != nil {
		return nil, err
	}
	before, err := old.Resource()
	if err != nil {
		return nil, err
	}
	looked := false
	patched, err := c.typ.Patch(before, ops, func() ([]scim.Member, error) {
		looked = true
		return c.present()
	})
	if err == nil {
		err = c.checkUserName(before, patched.Resource)
	}
	if err != nil {
		return nil, err
	}
	edges, err := c.delta(&patched.Members)
	if err != nil {
		return nil, err
	}
	commit := &scim.Commit{Expect: old.Version, Old: old, Before: before, Password: patched.Password, Edges: edges}
	if patched.Changed || len(edges) == 0 {
		commit.Put = patched.Resource
	} else if !looked && !patched.Members.Clear && !c.pre.pinned() {
		// Okta names the group in every change of its members (O17): that changes nothing,
		// so the members need no version.
		commit.Expect, commit.Old, commit.Before = scim.MustExist, nil, nil
	}
	done, err := c.commit(commit)
	return &patchOutcome{outcome{done, old.Groups}, patched}, err
}
