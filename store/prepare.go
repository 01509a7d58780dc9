package store

import (
	"bytes"
	"context"
	"slices"

	"rollcall/scim"
)

// prepared is a commit as a Tx, and what is needed to tell its outcome.
type prepared struct {
	commit  *scim.Commit
	tx      *Tx
	old     *scim.Stored
	payload []byte   // of the state after, in formatJSON, where it is known beforehand
	claims  []claim  // those of tx.Claims
	dropped []string // members that cannot be, whoever else exists
}

// newTx is a Tx of a commit, with a nonce of its own.
func (w *Workspace) newTx(ctx context.Context, c *scim.Commit) *Tx {
	tx := &Tx{Workspace: w.ws, Ref: c.Ref, Expect: c.Expect, Nonce: newNonce(), Fence: c.Fence, Keep: w.keep, KeepImages: w.image}
	tx.floor = scim.Version(w.seen.Load())
	if a := scim.ActorFrom(ctx); a != nil {
		tx.Actor, tx.Client, tx.RequestID = a.String(), a.Client, a.RequestID
	}
	return tx
}

// prepare checks a commit and makes its Tx. It reads what the commit does not bring along.
func (w *Workspace) prepare(ctx context.Context, c *scim.Commit) (*prepared, error) {
	t, err := w.typ(ctx, c.Ref.Type)
	if err != nil {
		return nil, err
	}
	if t == nil || !validID(c.Ref.ID) {
		if c.Expect == scim.MustNotExist {
			return nil, scim.Errorf(scim.ErrInvalidValue, "%s cannot be a resource", c.Ref)
		}
		return nil, notFound(c.Ref)
	}
	p := &prepared{commit: c, tx: w.newTx(ctx, c)}
	layout, err := w.layoutNow(ctx)
	if err != nil {
		return nil, err
	}
	p.tx.PackEntry = layout >= layoutPacked
	if c.Expect != scim.MustNotExist {
		p.old = c.Old
	}
	if needsOld(c) {
		old, err := w.Get(ctx, c.Ref, scim.With{})
		if err != nil {
			return nil, err
		}
		if c.Expect != scim.MustExist && c.Expect != old.Version {
			return nil, mismatch(c.Ref, old.Version, c.Expect)
		}
		p.old = old
	}
	if c.Delete {
		return p, w.prepareDelete(ctx, t, p)
	}
	if err := prepareEdges(t, p); err != nil {
		return nil, err
	}
	if c.Put == nil {
		return p, p.prepareTouch()
	}
	return p, w.preparePut(ctx, t, p)
}

// MaxRecord bounds what is kept of one resource, members and memberships left out: a page holds a
// thousand of them in memory. A person with photo and certificates has a tenth of it.
const MaxRecord = 1 << 20

// preparePut makes a Tx that writes the record, or touches it where nothing is new.
func (w *Workspace) preparePut(ctx context.Context, t *scim.ResourceType, p *prepared) error {
	c, tx := p.commit, p.tx
	put := *c.Put
	put.Ref = c.Ref
	if len(c.Mark) > maxMark {
		return errMark
	}
	claims, err := claimsOf(t, &put)
	if err != nil {
		return err
	}
	var before []claim
	p.payload = encodePayload(put.Owner, put.ExternalID, scim.AppendJSON(nil, put.Attributes))
	if len(p.payload) > MaxRecord {
		return scim.Errorf(scim.ErrTooLarge, "the attributes of one resource, members left out, have %d bytes; %d are allowed", len(p.payload), MaxRecord)
	}
	if tx.Payload, err = w.pack(ctx, c.Ref, p.payload); err != nil {
		return err
	}
	tx.Op = OpPut
	tx.Named, tx.Name = len(t.MemberTypes) > 0, put.DisplayName()
	if p.old != nil {
		tx.Expect = p.old.Version // claims are a difference to this very state
		if bytes.Equal(p.payload, encodePayload(p.old.Owner, p.old.ExternalID, p.old.Body)) {
			tx.Op, tx.Payload = OpTouch, nil
			if c.Mark == "" {
				return nil
			}
		}
		r, err := p.old.Resource()
		if err != nil {
			return err
		}
		if before, err = claimsOf(t, r); err != nil {
			return err
		}
		tx.Changed = ChangedText(r, &put)
	} else {
		tx.Changed = ChangedText(nil, &put)
	}
	take, release := diffClaims(before, claims, c.Mark)
	p.claim(take...)
	tx.Releases = release
	return nil
}

// maxMark is the contract's (scim.Commit.Mark).
const maxMark = 64

var errMark = scim.Errorf(scim.ErrInvalidValue, "a mark has at most %d bytes", maxMark)

func (p *prepared) claim(claims ...claim) {
	for _, c := range claims {
		p.claims = append(p.claims, c)
		p.tx.Claims = append(p.tx.Claims, c.Claim)
	}
}

// prepareTouch makes a Tx that changes members or the mark alone.
func (p *prepared) prepareTouch() error {
	c, tx := p.commit, p.tx
	if len(c.Mark) > maxMark {
		return errMark
	}
	if c.Expect == scim.MustNotExist {
		return scim.Errorf(scim.ErrInvalidValue, "%s: nothing to create", c.Ref)
	}
	tx.Op = OpTouch
	if p.old != nil && c.Expect == p.old.Version {
		p.payload = encodePayload(p.old.Owner, p.old.ExternalID, p.old.Body)
	} else {
		tx.WantPayload = true
	}
	if c.Mark != "" && p.old.ExternalID != "" {
		// Set only where the key is still held, so that no version needs to be expected.
		key := p.old.ExternalID
		p.claim(claim{attr: "externalId", value: key, Claim: Claim{
			Space: externalIDSpace(c.Ref.Type, p.old.Owner), Key: key, ID: c.Ref.ID, Mark: c.Mark, From: key,
		}})
	}
	return nil
}

// prepareEdges sorts out members that cannot be: of a type that may not be one, without an
// id that could be, or the group itself.
func prepareEdges(t *scim.ResourceType, p *prepared) error {
	c := p.commit
	if len(c.Edges) == 0 {
		return nil
	}
	if len(t.MemberTypes) == 0 {
		return scim.Errorf(scim.ErrInvalidValue, "a %s has no members", t.Name)
	}
	edges := make([]Edge, 0, len(c.Edges))
	for _, e := range c.Edges {
		if validID(e.Member.ID) && e.Member.ID != c.Ref.ID && (e.Member.Type == "" || slices.Contains(t.MemberTypes, e.Member.Type)) {
			edges = append(edges, Edge{Remove: e.Remove, Group: c.Ref, Member: e.Member, Types: t.MemberTypes})
			continue
		}
		if e.Remove {
			continue // it is not there
		}
		if c.RefuseUnknown {
			return unknownMember(e.Member.ID)
		}
		p.dropped = append(p.dropped, e.Member.ID)
	}
	p.tx.Edges, p.tx.RefuseUnknown = edges, c.RefuseUnknown
	return nil
}

// prepareDelete makes the Tx that deletes the record with all its edges.
func (w *Workspace) prepareDelete(ctx context.Context, t *scim.ResourceType, p *prepared) error {
	c, tx := p.commit, p.tx
	tx.Expect = p.old.Version
	for group, err := range w.edges(ctx, c.Ref, Groups, scim.Ref{}) {
		if err != nil {
			return err
		}
		tx.Edges = append(tx.Edges, Edge{Remove: true, Group: group, Member: c.Ref})
	}
	if len(t.MemberTypes) > 0 {
		for member, err := range w.edges(ctx, c.Ref, Members, scim.Ref{}) {
			if err != nil {
				return err
			}
			tx.Edges = append(tx.Edges, Edge{Remove: true, Group: c.Ref, Member: member})
		}
	}
	tx.KeepDeleted = w.keepDeleted
	tx.Op, tx.Named = OpDelete, len(t.MemberTypes) > 0
	r, err := p.old.Resource()
	if err != nil {
		return err
	}
	claims, err := claimsOf(t, r)
	if err != nil {
		return err
	}
	for _, cl := range claims {
		tx.Releases = append(tx.Releases, cl.Claim)
	}
	return nil
}
