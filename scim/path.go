package scim

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Path is an attribute path (RFC 7644 §3.5.2, figure 7), resolved for a type.
type Path struct {
	Extension *Schema    // the extension that it leads into, nil for core and common attributes
	Attr      *Attribute // nil when the path is a whole extension
	Filter    *Predicate // the value filter in brackets, over the attribute's sub-attributes; nil for none
	Sub       *Attribute // the sub-attribute, nil for none
}

// ParsePath parses and resolves the path of a PATCH operation. ErrInvalidPath.
func (t *ResourceType) ParsePath(text string) (*Path, error) {
	p := filterParser{s: strings.TrimSpace(text), f: new(Filter), kind: ErrInvalidPath, limits: FilterLimits{}.withDefaults()}
	if err := p.check(); err != nil {
		return nil, err
	}
	name := p.name()
	if name == "" {
		return nil, p.unexpected("the name of an attribute")
	}
	path := new(Path)
	if err := t.find(name, path); err != nil {
		return nil, err
	}
	if p.pos < len(p.s) && p.s[p.pos] == '[' {
		inner, sub, err := p.values()
		if err != nil {
			return nil, err
		}
		if err := t.bindValues(path, inner, sub); err != nil {
			return nil, pathError(err)
		}
	}
	if p.pos < len(p.s) {
		return nil, p.unexpected("the end of the path")
	}
	return path, nil
}

// pathError makes the error of a value filter one of the path.
func pathError(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	out := &Error{Kind: ErrInvalidPath, Detail: e.Detail}
	if errors.Is(err, ErrUnknownAttribute) {
		return &unknownError{out}
	}
	return out
}

// bindValues adds the brackets, and what stands behind them, to the path of an attribute.
func (t *ResourceType) bindValues(path *Path, inner *node, sub string) error {
	a := path.Attr
	if a == nil || path.Sub != nil || a.Schema == "" || a.Type != "complex" && a.element == nil {
		return Errorf(ErrInvalidFilter, "brackets can stand only behind a complex or multi-valued attribute")
	}
	b := binder{t: t, of: a}
	root, err := b.bind(inner)
	if err != nil {
		return err
	}
	path.Filter = &Predicate{root: root, node: inner}
	if sub == "" || a.element != nil && equalFoldASCII(sub, a.element.Name) {
		return nil
	}
	if path.Sub = a.subs.find(sub); path.Sub == nil {
		return t.unknown(a.Name + "." + sub)
	}
	return nil
}

// String is the path in full, as a client may send it.
func (p *Path) String() string {
	var b strings.Builder
	if p.Extension != nil {
		b.WriteString(p.Extension.URN)
		if p.Attr == nil {
			return b.String()
		}
		b.WriteByte(':')
	}
	b.WriteString(p.Attr.Name)
	if p.Filter != nil {
		b.WriteByte('[')
		b.Write(p.Filter.node.print(nil))
		b.WriteByte(']')
	}
	if p.Sub != nil {
		b.WriteByte('.')
		b.WriteString(p.Sub.Name)
	}
	return b.String()
}

// leaf is the attribute whose values the path leads to: for a complex one that has a
// sub-attribute value, that (RFC 7644 §3.4.2.2 has "emails co" mean it).
func (p *Path) leaf() *Attribute {
	switch {
	case p.Sub != nil:
		return p.Sub
	case p.Attr.element != nil:
		return p.Attr.element
	case p.Attr.Type == "complex" && p.Attr.subs.find("value") != nil:
		return p.Attr.subs.find("value")
	}
	return p.Attr
}

// sortTime has a fixed width, so that times compare as strings.
const sortTime = "2006-01-02T15:04:05.000000000"

// SortKey is what a resource sorts by (RFC 7644 §3.4.2.3): the primary or first value of
// a multi-valued attribute, folded where the attribute is not caseExact. ok is false for
// a resource without the attribute: those come last ascending and first descending.
// Keys of one path compare as strings. A key is short enough to stand in a cursor:
// strings that begin with the same maxSortBytes bytes have the same key.
func (p *Path) SortKey(r *Resource) (key string, ok bool) {
	if p.Attr == nil {
		return "", false
	}
	if p.Attr.Schema == "" {
		return p.commonSortKey(r)
	}
	if p.Attr.isOwner() {
		return r.Owner, r.Owner != ""
	}
	values := r.Attributes
	if p.Extension != nil {
		values, _ = values[p.Extension.URN].(map[string]any)
	}
	v, ok := values[p.Attr.Name]
	if !ok {
		v = p.Attr.unset
	}
	return p.ValueKey(v)
}

// mainValue is the primary value of a list, or the first.
func mainValue(list []any) any {
	for _, v := range list {
		if isPrimary(v) {
			return v
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func (p *Path) commonSortKey(r *Resource) (string, bool) {
	switch name := p.leaf().PathName(); name {
	case "id", "meta.location":
		return r.ID, r.ID != ""
	case "externalId":
		return clipSort(r.ExternalID), r.ExternalID != ""
	case "meta.resourceType":
		return r.Type, r.Type != ""
	case "meta.version":
		return fmt.Sprintf("%020d", r.Version), r.Version != 0
	case "meta.created":
		return r.Created.UTC().Format(sortTime), !r.Created.IsZero()
	case "meta.lastModified":
		return r.LastModified.UTC().Format(sortTime), !r.LastModified.IsZero()
	}
	return "", false
}

func sortKey(a *Attribute, v any) (string, bool) {
	switch v := v.(type) {
	case string:
		if a.Type == "dateTime" {
			t, ok := parseDateTime(v)
			return t.UTC().Format(sortTime), ok
		}
		if v = clipSort(v); a.CaseExact {
			return v, true
		}
		return clipSort(Fold(v)), true
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	case int64:
		return sortNumber(float64(v)), true
	case float64:
		return sortNumber(v), true
	}
	return "", false
}

// maxSortBytes bounds what a string sorts by.
const maxSortBytes = 256

// clipSort cuts a string to its bound, between two characters.
func clipSort(s string) string {
	if len(s) <= maxSortBytes {
		return s
	}
	n := maxSortBytes
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// sortNumber maps numbers to strings of the same order: IEEE 754 bits compare as
// integers once the sign is dealt with.
func sortNumber(f float64) string {
	if f == 0 {
		f = 0 // -0 is the same number
	}
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return fmt.Sprintf("%016x", bits)
}

// versionTag is the version as an entity tag (RFC 7644 §3.14).
func versionTag(v Version) string { return fmt.Sprintf(`W/"%d"`, uint64(v)) }

// metaTime is a time as meta shows it.
func metaTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
