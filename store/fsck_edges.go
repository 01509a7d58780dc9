package store

import (
	"context"
	"fmt"
	"slices"

	"rollcall/scim"
)

// edges checks one side of the edges against the other, and against the records.
func (c *fsck) edges(ctx context.Context, side, other Direction) error {
	return c.w.backend.ScanEdges(ctx, c.w.ws, side, func(edges []EdgeAt) error {
		if side == Members {
			c.report.Edges += len(edges)
		}
		back := make([]EdgeAt, len(edges))
		refs := make([]scim.Ref, 0, 2*len(edges))
		for i, e := range edges {
			back[i] = EdgeAt{From: e.To, To: e.From}
			refs = append(refs, e.From, e.To)
		}
		has, err := c.w.backend.HasEdges(ctx, c.w.ws, other, back)
		if err != nil {
			return err
		}
		raws, err := c.w.backend.Read(ctx, c.w.ws, refs, false)
		if err != nil {
			return err
		}
		for i, e := range edges {
			on := fmt.Sprintf("%c %s %s", side, e.From, e.To)
			ends := raws[2*i : 2*i+2]
			if !has[i] {
				f := c.found(EdgeOneWay, on, "%s does not list it", e.To)
				if ends[0].Found && ends[1].Found {
					c.repairOneWay(f, side, e)
				}
			}
			for _, end := range ends {
				if !end.Found {
					c.repairEdge(c.found(EdgeDangling, on, "%s does not exist", end.Ref), side, e)
				}
			}
			if t := c.model.Type(e.From.Type); side == Members && t != nil && !slices.Contains(t.MemberTypes, e.To.Type) {
				c.repairEdge(c.found(EdgeType, on, "a %s may not be a member of a %s", e.To.Type, e.From.Type), side, e)
			}
		}
		return nil
	})
}
