package redisdb

import (
	"context"
	"slices"

	"rollcall/scim"
	"rollcall/store"
)

const (
	// nestStep is of how many groups one script looks for those around them.
	nestStep = 500
	// maxNested is how many it finds at the most: where there are more, members are read one by one.
	maxNested = 4000
)

// nest names the direct groups of many records and adds the indirect ones, reading each group once.
// False means that there are too many of them.
func (b *Backend) nest(ctx context.Context, ws string, raws []store.Raw) (whole bool, err error) {
	seen := map[scim.Ref]bool{}
	var groups []any
	for _, raw := range raws {
		for _, g := range raw.Groups {
			if !seen[g.Ref] {
				seen[g.Ref] = true
				groups = append(groups, g.Ref.String())
			}
		}
	}
	names, within := map[scim.Ref]string{}, map[scim.Ref][]scim.Ref{}
	for part := range slices.Chunk(groups, nestStep) {
		if more, err := b.nestPart(ctx, ws, part, names, within); more || err != nil {
			return false, err
		}
	}
	for i := range raws {
		raw := &raws[i]
		if len(within) > 0 {
			direct := make([]scim.Ref, len(raw.Groups))
			for n, g := range raw.Groups {
				direct[n] = g.Ref
			}
			for _, ref := range store.Above(raw.Ref, direct, func(g scim.Ref) []scim.Ref { return within[g] }) {
				raw.Groups = append(raw.Groups, store.Named{Ref: ref, Indirect: true})
			}
		}
		for n := range raw.Groups {
			g := &raw.Groups[n]
			g.Name, g.Known = names[g.Ref]
		}
	}
	return true, nil
}

// nestPart reads the names of some groups and of those around them, and which groups each is in.
func (b *Backend) nestPart(ctx context.Context, ws string, groups []any, names map[scim.Ref]string, within map[scim.Ref][]scim.Ref) (more bool, err error) {
	args := append([]any{prefix(ws), maxNested}, groups...)
	row, err := b.eval(ctx, nestScript, []string{stagedKey(ws), kvKey(ws, store.NamesSpace)}, args...).Slice()
	if err != nil {
		return false, failed(ctx, "read", err)
	}
	if len(row) != 4 {
		return false, errReply("read")
	}
	list := func(i int) []any { l, _ := row[i].([]any); return l }
	known := list(1)
	for i, ref := range refsOf(stringsOf(list(0))) {
		if i < len(known) {
			if name, ok := known[i].(string); ok {
				names[ref] = name
			}
		}
	}
	had := map[scim.Ref]bool{} // by a part before this one
	for g := range within {
		had[g] = true
	}
	pairs := refsOf(stringsOf(list(2)))
	for i := 0; i+1 < len(pairs); i += 2 {
		if g := pairs[i]; !had[g] {
			within[g] = append(within[g], pairs[i+1])
		}
	}
	full, _ := row[3].(int64)
	return full == 1, nil
}
