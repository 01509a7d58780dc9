package scim

import (
	"fmt"
	"slices"
	"strings"
)

// members reads the members of a JSON object that describes something. The first error stays.
type members struct {
	what   string // that the object describes
	object map[string]any
	err    error
}

func (m *members) fail(name, format string, args ...any) {
	if m.err == nil {
		m.err = Errorf(ErrInvalidValue, "%s: %s: %s", m.what, name, fmt.Sprintf(format, args...))
	}
}

// only refuses members of other names.
func (m *members) only(names ...string) {
	var unknown []string
	for name := range m.object {
		if !slices.ContainsFunc(names, func(n string) bool { return equalFoldASCII(n, name) }) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		m.fail(clip(slices.Min(unknown)), "there is no such member; there are %s", strings.Join(names, ", "))
	}
}

// kind checks the member schemas, where there is one.
func (m *members) kind(urn string) {
	v, ok := lookupFold(m.object, "schemas")
	if !ok {
		return
	}
	list, ok := v.([]any)
	if !ok || len(list) != 1 || list[0] != urn {
		m.fail("schemas", "expected [%q], or nothing", urn)
	}
}

func (m *members) text(name string, required bool) string {
	v, _ := lookupFold(m.object, name)
	s, ok := v.(string)
	switch {
	case v == nil && !required:
	case v == nil:
		m.fail(name, "it is required")
	case !ok:
		m.fail(name, "expected a string, found %s", describe(v))
	case s == "" && required:
		m.fail(name, "it is empty")
	}
	return strings.Clone(s)
}

func (m *members) boolean(name string, otherwise bool) bool {
	v, _ := lookupFold(m.object, name)
	if v == nil {
		return otherwise
	}
	b, ok := v.(bool)
	if !ok {
		m.fail(name, "expected true or false, found %s", describe(v))
	}
	return b
}

// choice is one of several words, in exactly this case: RFC 7643 §7 has them as keywords.
func (m *members) choice(name, otherwise string, words ...string) string {
	s := m.text(name, false)
	if s == "" {
		if v, ok := lookupFold(m.object, name); ok && v == "" {
			m.fail(name, "it is empty")
		}
		return otherwise
	}
	if !slices.Contains(words, s) {
		m.fail(name, "%q is none of %s", clip(s), strings.Join(words, ", "))
	}
	return s
}

func (m *members) list(name string) []any {
	v, _ := lookupFold(m.object, name)
	list, ok := v.([]any)
	if !ok && v != nil {
		m.fail(name, "expected an array, found %s", describe(v))
	}
	return list
}

// texts is a list of different strings that are not empty.
func (m *members) texts(name string) []string {
	var out []string
	for _, v := range m.list(name) {
		s, ok := v.(string)
		switch {
		case !ok:
			m.fail(name, "expected strings, found %s", describe(v))
		case s == "" || slices.Contains(out, s):
			m.fail(name, "%q is empty or twice in it", clip(s))
		}
		out = append(out, strings.Clone(s))
	}
	return out
}

// traits reads the characteristics of an attribute, with the defaults of RFC 7643 §2.2.
func (m *members) traits(isSub bool) (t traits, subs []any) {
	m.only("name", "type", "subAttributes", "multiValued", "description", "required", "canonicalValues",
		"caseExact", "mutability", "returned", "uniqueness", "referenceTypes", "indexed")
	t.typ = m.choice("type", "string", "string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex")
	t.multiValued = m.boolean("multiValued", false)
	t.required = m.boolean("required", false)
	exact := t.typ == "reference" || t.typ == "binary" // RFC 7643 §2.3.6, §2.3.7
	t.caseExact = m.boolean("caseExact", exact)
	t.mutability = m.choice("mutability", "readWrite", "readOnly", "readWrite", "immutable", "writeOnly")
	otherwise := "default"
	if t.mutability == "writeOnly" {
		otherwise = "never"
	}
	t.returned = m.choice("returned", otherwise, "always", "never", "default", "request")
	t.uniqueness = m.choice("uniqueness", "none", "none", "server", "global")
	t.canonical = m.texts("canonicalValues")
	t.references = m.texts("referenceTypes")
	t.indexed = m.boolean("indexed", false)
	subs = m.list("subAttributes")
	m.agree(&t, isSub, subs)
	return t, subs
}

// agree checks the characteristics against one another.
func (m *members) agree(t *traits, isSub bool, subs []any) {
	isText := t.typ == "string" || t.typ == "reference" || t.typ == "binary"
	isNumber := t.typ == "integer" || t.typ == "decimal"
	switch {
	case isSub && t.typ == "complex":
		m.fail("type", "a sub-attribute cannot be complex (RFC 7643 §2.3.8)")
	case t.typ == "complex" && len(subs) == 0:
		m.fail("subAttributes", "a complex attribute has at least one")
	case t.typ != "complex" && len(subs) > 0:
		m.fail("subAttributes", "only a complex attribute has them, and this one is of type %s", t.typ)
	case t.typ == "binary" && !t.caseExact:
		m.fail("caseExact", "binary values compare exactly (RFC 7643 §2.3.6)")
	case t.mutability == "writeOnly" && t.returned != "never":
		m.fail("returned", "what is writeOnly is returned never (RFC 7643 §7)")
	case t.mutability == "readOnly" && t.required:
		m.fail("required", "nobody could set it: it is readOnly")
	case len(t.canonical) > 0 && t.typ != "string" && t.typ != "reference":
		m.fail("canonicalValues", "only strings have them, and this one is of type %s", t.typ)
	case len(t.references) > 0 && t.typ != "reference":
		m.fail("referenceTypes", "only a reference has them, and this one is of type %s", t.typ)
	case t.uniqueness != "none" && (isSub || t.multiValued):
		m.fail("uniqueness", "only an attribute with one value, that is no sub-attribute, can be unique")
	case t.uniqueness != "none" && !isText && !isNumber:
		m.fail("uniqueness", "values of type %s cannot be unique", t.typ)
	}
	for _, r := range t.references {
		if !isAttributeName(r) {
			m.fail("referenceTypes", "%q is neither external, nor uri, nor the name of a resource type", clip(r))
		}
	}
	if t.typ == "reference" && len(t.references) == 0 {
		t.references = []string{"uri"}
	}
}
