package scimhttp

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"rollcall/scim"
)

// ref is the resource that the path names. What does not look like an id is not even
// looked for: it could not be one, and must not reach the store's keys.
func (x *exchange) ref() (scim.Ref, error) {
	if !validID(x.id) {
		return scim.Ref{}, errNoResource
	}
	return scim.Ref{Type: x.typ.Name, ID: x.id}, nil
}

// validID tells whether a text has the form of a UUID (RFC 9562 §4).
func validID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// shown reads how the client wants the resource back.
func (x *exchange) shown() (*projection, *query, error) {
	q, err := x.query()
	if err != nil {
		return nil, nil, err
	}
	p, err := x.projection(x.typ, q)
	return p, q, err
}

// get answers GET and HEAD on a resource.
func (x *exchange) get() error {
	ref, err := x.ref()
	if err != nil {
		return err
	}
	p, _, err := x.shown()
	if err != nil {
		return err
	}
	pre, err := x.preconditions()
	if err != nil {
		return err
	}
	s, err := x.store.Get(x.ctx, ref, scim.With{Groups: p.groups != 0})
	if err != nil {
		return missing(err)
	}
	if err := pre.check(x.r.Method, s.Version); err != nil {
		return err
	}
	if tag := p.shownAs(s); pre.noneMatch.given && pre.noneMatch.has(tag) {
		x.setETag(tag)
		x.empty(http.StatusNotModified)
		return nil
	}
	return x.resource(http.StatusOK, s, p)
}

// missing gives the client the same words for everything that it cannot find.
func missing(err error) error {
	if errors.Is(err, scim.ErrNotFound) {
		return errNoResource
	}
	return err
}

// create answers POST on a resource type's endpoint.
func (x *exchange) create() error {
	p, _, err := x.shown()
	if err != nil {
		return err
	}
	body, err := x.object()
	if err != nil {
		return err
	}
	draft, err := x.newDraft(body)
	if err != nil {
		return err
	}
	done, err := x.insert(draft)
	if err != nil {
		return err
	}
	x.w.Header()["Location"] = []string{x.location(x.typ, done.Stored.ID)}
	return x.resource(http.StatusCreated, done.Stored, p)
}

// insert makes a new resource.
func (x *exchange) insert(draft *scim.Draft) (*scim.Committed, error) {
	res := draft.Resource
	res.Ref = scim.Ref{Type: x.typ.Name, ID: scim.NewID()} // never an id of the client's (R5)
	res.Owner = x.actor.Owner()
	x.typ.SetDefaults(res)
	if err := x.checkUserName(nil, res); err != nil {
		return nil, err
	}
	edges, err := x.additions(draft.Members)
	if err != nil {
		return nil, err
	}
	done, err := x.store.Commit(x.ctx, &scim.Commit{
		Ref: res.Ref, Expect: scim.MustNotExist, Put: res, Password: draft.Password,
		Edges: edges, RefuseUnknown: x.policy().RefuseUnknownMembers,
	})
	if errors.Is(err, scim.ErrUniqueness) {
		done, err = x.restore(draft, edges, err)
	}
	if err != nil {
		return nil, err
	}
	x.committed(done)
	return done, nil
}

// change is a write to a resource that is there: PUT, PATCH or DELETE.
type change struct {
	*exchange
	ref scim.Ref
	pre preconditions
}

func (x *exchange) change() (*change, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	pre, err := x.preconditions()
	return &change{x, ref, pre}, err
}

// read reads the resource and holds it against the preconditions.
func (c *change) read(with scim.With) (*scim.Stored, error) {
	s, err := c.store.Get(c.ctx, c.ref, with)
	if err != nil {
		return nil, missing(err)
	}
	return s, c.pre.check(c.r.Method, s.Version)
}

// commit makes the change on what old was.
func (c *change) commit(commit *scim.Commit) (*scim.Committed, error) {
	commit.Ref, commit.Me = c.ref, c.self
	commit.RefuseUnknown = c.policy().RefuseUnknownMembers
	externalID := ""
	if commit.Put != nil {
		externalID = commit.Put.ExternalID
	}
	done, err := c.store.Commit(c.ctx, commit)
	if err == nil && externalID != "" && externalID != done.Stored.ExternalID {
		c.quirk(QuirkForeignID)
	}
	return done, missing(err)
}

const maxAttempts = 10

// settle runs an attempt again where someone else was faster, unless the client named
// the version that it meant.
func (c *change) settle(attempt func() error) error {
	for n := range maxAttempts {
		err := attempt()
		if !errors.Is(err, scim.ErrVersionMismatch) || c.pre.pinned() {
			return err
		}
		// Full jitter, so that those who lost do not meet again.
		pause := time.Duration(1+rand.IntN(2<<n)) * time.Millisecond
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return errOutOfChance
}

// outcome is what a change has come to. The groups of the resource are no part of its own
// change: they are as they were read, where that was asked for.
type outcome struct {
	done   *scim.Committed
	groups []scim.Membership
}

// replace answers PUT (RFC 7644 §3.5.1).
func (x *exchange) replace() error {
	c, err := x.change()
	if err != nil {
		return err
	}
	p, _, err := x.shown()
	if err != nil {
		return err
	}
	draft, err := x.draft()
	if err != nil {
		return err
	}
	out, err := c.replace(draft, scim.With{Groups: p.groups != 0})
	if err != nil {
		return err
	}
	return x.changed(out, p)
}

// replace makes the resource what the draft says.
func (c *change) replace(draft *scim.Draft, with scim.With) (*outcome, error) {
	out := &outcome{}
	err := c.settle(func() error {
		old, err := c.read(with)
		if err != nil {
			return err
		}
		out.groups = old.Groups
		out.done, err = c.put(old, draft)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.committed(out.done)
	return out, nil
}

// put commits a draft over a state.
func (c *change) put(old *scim.Stored, draft *scim.Draft) (*scim.Committed, error) {
	before, err := old.Resource()
	if err != nil {
		return nil, err
	}
	after, err := c.typ.Replace(before, draft)
	if err == nil {
		err = c.checkUserName(before, after)
	}
	if err != nil {
		return nil, err
	}
	var edges []scim.EdgeChange
	// A PUT that says nothing of members (or null: clients.md A10) keeps them, for
	// clients that push profiles and members apart; an empty list clears them.
	if draft.HasMembers {
		if edges, err = c.replacement(draft.Members); err != nil {
			return nil, err
		}
	}
	return c.commit(&scim.Commit{Expect: old.Version, Old: old, Before: before, Put: after, Password: draft.Password, Edges: edges, KeepForeign: true})
}

// changed answers with the state after a PUT or PATCH.
func (x *exchange) changed(out *outcome, p *projection) error {
	s := *out.done.Stored
	s.Groups = out.groups
	x.w.Header()["Location"] = []string{x.location(x.typ, s.ID)}
	return x.resource(http.StatusOK, &s, p)
}

// delete answers DELETE (RFC 7644 §3.6).
func (x *exchange) delete() error {
	c, err := x.change()
	if err != nil {
		return err
	}
	if err := c.remove(); err != nil {
		return err
	}
	x.empty(http.StatusNoContent)
	return nil
}

// remove deletes the resource.
func (c *change) remove() error {
	return c.settle(func() error {
		old, err := c.read(scim.With{})
		if err != nil {
			return err
		}
		_, err = c.commit(&scim.Commit{Expect: old.Version, Old: old, Delete: true})
		return err
	})
}
