package ldapsrc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rollcall/scim"
	dirsync "rollcall/sync"
)

var _ dirsync.Confirmer = (*Source)(nil)

// idsAtOnce is how many entries one search asks for by their ids.
const idsAtOnce = 100

// Present implements sync.Confirmer.
func (s *Source) Present(ctx context.Context, refs []scim.Ref) (there []scim.Ref, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.RunTimeout, errRunTimeout)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.cut)()
	for _, search := range []*search{s.reading.users, s.reading.groups} {
		if search == nil {
			continue
		}
		typ := search.table.resourceType
		var ids []string
		for _, ref := range refs {
			if ref.Type == typ {
				ids = append(ids, ref.ID)
			}
		}
		m := search.table.mapper()
		var entries entryReader
		for chunk := range slices.Chunk(ids, idsAtOnce) {
			bodies, err := s.fetch(ctx, c, search, chunk)
			if err != nil {
				return nil, err
			}
			for _, body := range bodies {
				raw, err := entries.read(body)
				if id := m.idOf(raw); err == nil && id != "" {
					there = append(there, scim.Ref{Type: typ, ID: id})
				}
			}
		}
	}
	return there, nil
}

// fetch reads the entries of a search that have one of the ids.
func (s *Source) fetch(ctx context.Context, c *conn, search *search, ids []string) (bodies [][]byte, err error) {
	var any strings.Builder
	attribute := search.table.names[search.table.id]
	for _, id := range ids {
		value, err := assertion(attribute, id)
		if err != nil {
			continue // no entry of this search has it
		}
		fmt.Fprintf(&any, "(%s=%s)", attribute, value)
	}
	if any.Len() == 0 {
		return nil, nil
	}
	req := request{name: search.name, base: search.base, scope: search.scope, filter: "(&" + search.filter + "(|" + any.String() + "))",
		attributes: search.attributes(), pageSize: s.config.PageSize, countReferences: s.reading.preset.References == "count"}
	err = s.searchAll(ctx, c, req, func(body []byte) bool {
		bodies = append(bodies, slices.Clone(body))
		return true
	})
	return bodies, err
}

// idOf is the stable id of an entry, "" where it has none that can be read.
func (m *mapper) idOf(raw *rawEntry) string {
	if m.load(raw); len(m.values[m.id]) != 1 {
		return ""
	}
	id, err := m.idText(m.values[m.id][0])
	if err != nil {
		return ""
	}
	return id
}
