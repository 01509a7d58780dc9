package scimhttp

import (
	"strings"

	"rollcall/scim"
)

// subs is a set of sub-attributes, by their place in one of the lists below.
type subs uint8

const allSubs subs = 0xff

// The sub-attributes of what the server itself writes.
var (
	metaSubs   = []string{"resourceType", "created", "lastModified", "location", "version"}
	groupSubs  = []string{"value", "$ref", "display", "type"}
	memberSubs = []string{"value", "$ref", "type"}
)

func (s subs) has(list []string, name string) bool {
	if s == allSubs {
		return true
	}
	for i, n := range list {
		if n == name {
			return s&(1<<i) != 0
		}
	}
	return false
}

func subOf(list []string, name string) subs {
	for i, n := range list {
		if strings.EqualFold(n, name) {
			return 1 << i
		}
	}
	return 0
}

// A projection says which attributes an answer shows (RFC 7644 §3.9). schemas and id
// are always there. It is immutable.
type projection struct {
	// whole: stored text shows what it should as it stands.
	whole      bool
	externalID bool
	meta       subs
	groups     subs // 0: not shown, and not read either
	members    subs // likewise
	computed   bool // names an attribute that is worked out for those who ask (Config.Computed)

	kind     projectionKind
	named    map[*scim.Attribute]bool // named as they are
	parents  map[*scim.Attribute]bool // of sub-attributes that were named
	extended map[*scim.Schema]bool    // named as a whole
}

type projectionKind int

const (
	projectionAll    projectionKind = iota
	projectionOnly                  // attributes
	projectionExcept                // excludedAttributes
)

// project compiles the names of a request.
func (t *wireType) project(kind projectionKind, paths []*scim.Path) *projection {
	p := &projection{kind: kind, whole: t.Plain}
	if kind != projectionOnly {
		p.externalID, p.meta = true, allSubs
		if t.groups != nil {
			p.groups = allSubs
		}
		if t.members != nil {
			p.members = allSubs
		}
	} else {
		p.whole = false
	}
	for _, path := range paths {
		p.name(path)
	}
	return p
}

// name takes one path in.
func (p *projection) name(path *scim.Path) {
	if path.Attr == nil {
		if path.Extension != nil {
			p.whole = false
			put(&p.extended, path.Extension)
		}
		return
	}
	sub := ""
	if path.Sub != nil {
		sub = path.Sub.Name
	}
	computed := path.Attr.Computed && path.Attr.Returned == "request" || path.Sub != nil && path.Sub.Computed && path.Sub.Returned == "request"
	if computed && p.kind == projectionOnly {
		p.computed = true
	}
	switch common := path.Extension == nil; {
	case common && path.Attr.Name == "id", common && path.Attr.Name == "schemas":
	case common && path.Attr.Name == "externalId":
		p.externalID = p.kind == projectionOnly
	case common && path.Attr.Name == "meta":
		p.meta = p.mark(p.meta, metaSubs, sub)
	case common && path.Attr.Name == "groups":
		p.groups = p.mark(p.groups, groupSubs, sub)
	case common && path.Attr.Name == "members":
		p.members = p.mark(p.members, memberSubs, sub)
	case path.Sub != nil:
		p.whole = false
		put(&p.named, path.Sub)
		put(&p.parents, path.Attr)
	default:
		p.whole = false
		put(&p.named, path.Attr)
	}
}

func (p *projection) mark(s subs, list []string, sub string) subs {
	bit := allSubs
	if sub != "" {
		bit = subOf(list, sub)
	}
	if p.kind == projectionOnly {
		return s | bit
	}
	if s &^= bit; s&(1<<len(list)-1) == 0 {
		return 0
	}
	return s
}

func put[K comparable](m *map[K]bool, k K) {
	if *m == nil {
		*m = map[K]bool{}
	}
	(*m)[k] = true
}

// attributes gives what is shown of a resource's attributes.
func (p *projection) attributes(t *scim.ResourceType, all map[string]any) map[string]any {
	out := make(map[string]any, len(all))
	p.choose(out, all, t.Schema.Attributes, false)
	for _, e := range t.Extensions {
		values, ok := all[e.Schema.URN].(map[string]any)
		if !ok || p.kind == projectionExcept && p.extended[e.Schema] {
			continue
		}
		part := make(map[string]any, len(values))
		p.choose(part, values, e.Schema.Attributes, p.extended[e.Schema])
		if len(part) > 0 {
			out[e.Schema.URN] = part
		}
	}
	return out
}

// choose copies what is shown of the given attributes. inherited tells that what they
// belong to was named as a whole.
func (p *projection) choose(out, values map[string]any, attrs []*scim.Attribute, inherited bool) {
	for _, a := range attrs {
		v, ok := values[a.Name]
		if !ok || !p.shows(a, inherited) {
			continue
		}
		if len(a.Sub) > 0 {
			all := inherited || p.named[a] || a.Returned == "always" && !p.parents[a]
			if v = p.part(a, v, all); v == nil {
				continue
			}
		}
		out[a.Name] = v
	}
}

// shows applies the attribute's characteristic returned (RFC 7643 §7) to the request.
func (p *projection) shows(a *scim.Attribute, inherited bool) bool {
	switch a.Returned {
	case "never":
		return false
	case "always":
		return true
	}
	switch p.kind {
	case projectionOnly:
		return p.named[a] || p.parents[a] || inherited && a.Returned != "request"
	case projectionExcept:
		return a.Returned != "request" && !p.named[a]
	}
	return a.Returned != "request"
}

// part is what is shown of a complex value, nil for nothing.
func (p *projection) part(a *scim.Attribute, v any, inherited bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		p.choose(out, v, a.Sub, inherited)
		if len(out) > 0 {
			return out
		}
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e = p.part(a, e, inherited); e != nil {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// projection reads attributes and excludedAttributes. A name that the type does not
// have selects nothing: RFC 7644 §3.9 sets no error, and clients keep lists of names for
// several kinds of server.
func (x *exchange) projection(t *wireType, q *query) (*projection, error) {
	only, except := q.attributes, q.excluded
	if only == "" && except == "" {
		return t.whole, nil
	}
	if only != "" && except != "" {
		return nil, scim.Errorf(scim.ErrInvalidValue, "attributes and excludedAttributes cannot be used together (RFC 7644 §3.9)")
	}
	kind, list := projectionOnly, only
	if except != "" {
		kind, list = projectionExcept, except
	}
	if n := strings.Count(list, ",") + 1; n > x.h.cfg.Limits.Names {
		return nil, scim.Errorf(scim.ErrInvalidValue, "attributes holds %d names; %d are allowed", n, x.h.cfg.Limits.Names)
	}
	var paths []*scim.Path
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		path, err := t.Find(name)
		if err != nil {
			if x.typ != nil { // at the root another type may have it
				x.quirk(QuirkUnknownName)
			}
			continue
		}
		paths = append(paths, path)
	}
	return t.project(kind, paths), nil
}
