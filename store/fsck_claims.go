package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rollcall/scim"
)

func (c *fsck) checkClaims(ctx context.Context, space string, wanted []claim) error {
	keys := make([]string, len(wanted))
	for i, cl := range wanted {
		keys[i] = cl.Key
	}
	held, err := c.w.backend.Holders(ctx, c.w.ws, space, keys)
	if err != nil {
		return err
	}
	for i, cl := range wanted {
		on := fmt.Sprintf("%s %q", space, cl.Key)
		switch held[i].ID {
		case cl.ID:
		case "":
			c.repairMissing(c.found(ClaimMissing, on, "%s has it, and nobody claims it", cl.ID), c.typeOfSpace(space).Name, cl.Claim)
		default:
			c.found(ClaimTaken, on, "%s has it, and %s claims it", cl.ID, held[i].ID)
		}
	}
	return nil
}

// claims checks that whoever claims a value has it.
func (c *fsck) claims(ctx context.Context) error {
	spaces, err := c.w.backend.Spaces(ctx, c.w.ws, "")
	if err != nil {
		return err
	}
	for _, space := range spaces {
		t := c.typeOfSpace(space)
		if t == nil {
			c.found(ClaimSpace, space, "no resource type has such a unique attribute")
			continue
		}
		err := c.w.backend.ScanClaims(ctx, c.w.ws, space, func(claims []Claim) error {
			return c.checkHolders(ctx, t, claims)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *fsck) typeOfSpace(space string) *scim.ResourceType {
	name, _, _ := strings.Cut(space, ".")
	t := c.model.Type(name)
	if t == nil {
		return nil
	}
	unique := slices.ContainsFunc(t.Unique, func(a *scim.Attribute) bool { return uniqueSpace(t, a) == space })
	if unique || space == enumeration(t) || strings.HasPrefix(space, externalIDPrefix(t.Name)) {
		return t
	}
	return nil
}

func (c *fsck) checkHolders(ctx context.Context, t *scim.ResourceType, held []Claim) error {
	c.report.Claims += len(held)
	refs := make([]scim.Ref, len(held))
	for i, cl := range held {
		refs[i] = scim.Ref{Type: t.Name, ID: cl.ID}
	}
	raws, err := c.w.backend.Read(ctx, c.w.ws, refs, false)
	if err != nil {
		return err
	}
	for i, cl := range held {
		on := fmt.Sprintf("%s %q", cl.Space, cl.Key)
		if !raws[i].Found {
			c.repairStale(c.found(ClaimStale, on, "its holder %s does not exist", refs[i]), cl)
			continue
		}
		stored, err := decodeRecord(&raws[i])
		if err != nil {
			continue // told by records
		}
		r, err := stored.Resource()
		if err != nil {
			continue
		}
		has, err := claimsOf(t, r)
		if err == nil && !slices.ContainsFunc(has, func(h claim) bool { return h.Space == cl.Space && h.Key == cl.Key }) {
			c.repairStale(c.found(ClaimStale, on, "its holder %s has no such value", refs[i]), cl)
		}
	}
	return nil
}
