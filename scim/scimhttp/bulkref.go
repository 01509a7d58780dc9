package scimhttp

import (
	"sort"
	"strings"
)

// A reference is "bulkId:" and the bulkId of an operation that creates a resource, in the place
// of the resource's id (RFC 7644 §3.7.2): as the id in a path, as a whole string anywhere in
// data, at the end of a $ref, and as a literal in the value filter of a PATCH's path.
const bulkPrefix = "bulkId:"

// bulkReference gives the bulkId that a string refers to.
func bulkReference(s string) (bulkID string, ok bool) {
	bulkID, ok = strings.CutPrefix(s, bulkPrefix)
	return bulkID, ok && bulkID != ""
}

// fillBody copies a body with an id in the place of each reference. Where id has none for
// one, what holds the reference is left out: the element of a list, or else the attribute of
// the resource or of its extension.
func fillBody(object map[string]any, id func(bulkID string) (string, bool)) map[string]any {
	out := make(map[string]any, len(object))
	for _, name := range sortedNames(object) {
		v := object[name]
		if part, ok := v.(map[string]any); ok && len(name) > 4 && strings.EqualFold(name[:4], "urn:") {
			out[name] = fillBody(part, id)
			continue
		}
		if v, ok := fillValue(name, v, id); ok {
			out[name] = v
		}
	}
	return out
}

// fillValue fills one value; not ok is one to leave out.
func fillValue(name string, v any, id func(string) (string, bool)) (any, bool) {
	switch v := v.(type) {
	case string:
		return fillString(name, v, id)
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e, ok := fillValue(name, e, id); ok {
				out = append(out, e)
			}
		}
		return out, true
	case map[string]any:
		out := make(map[string]any, len(v))
		whole := true
		for _, name := range sortedNames(v) {
			filled, ok := fillValue(name, v[name], id)
			out[name] = filled
			whole = whole && ok
		}
		return out, whole
	}
	return v, true
}

func fillString(name, s string, id func(string) (string, bool)) (string, bool) {
	if ref, ok := bulkReference(s); ok {
		return id(ref)
	}
	switch {
	case !strings.Contains(s, bulkPrefix):
	case strings.EqualFold(name, "$ref"):
		at := strings.LastIndexByte(s, '/') + 1
		if ref, ok := bulkReference(s[at:]); ok {
			to, ok := id(ref)
			return s[:at] + to, ok
		}
	case strings.EqualFold(name, "path"):
		return fillPath(s, id)
	}
	return s, true
}

// fillPath fills the literals of a path such as members[value eq "bulkId:x"].
func fillPath(path string, id func(string) (string, bool)) (string, bool) {
	const open = `"` + bulkPrefix
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(path, open)
		out.WriteString(before)
		if !found {
			return out.String(), true
		}
		ref, rest, closed := strings.Cut(rest, `"`)
		if !closed || ref == "" {
			return path, true // the parser of paths says what is wrong
		}
		to, ok := id(ref)
		if !ok {
			return "", false
		}
		out.WriteString(`"` + to + `"`)
		path = rest
	}
}

// sortedNames makes the order of references one that a test can rely on.
func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
