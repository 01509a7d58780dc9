package scim

import (
	"strings"
	"time"
)

// Replace is the state after a PUT of draft over old: immutable attributes must not
// change (ErrMutability), readOnly attributes are kept from old, and active is kept
// where the draft does not mention it. What else the draft does not mention is gone
// (RFC 7644 §3.5.1). Neither old nor draft is changed.
func (t *ResourceType) Replace(old *Resource, draft *Draft) (*Resource, error) {
	r := draft.Resource.Clone()
	r.Header = old.Header
	r.ExternalID = draft.Resource.ExternalID
	if err := keep(t.Schema.Attributes, old.Attributes, r.Attributes); err != nil {
		return nil, err
	}
	for _, x := range t.Extensions {
		before, _ := old.Attributes[x.Schema.URN].(map[string]any)
		if err := keep(x.Schema.Attributes, before, extensionOf(r.Attributes, x.Schema)); err != nil {
			return nil, err
		}
		if err := x.complete(r.Attributes); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// keep copies into next what a PUT cannot take away from old. The values of a
// multi-valued attribute have no identity: they are replaced as wholes.
func keep(attrs []*Attribute, old, next map[string]any) error {
	for _, a := range attrs {
		before, had := old[a.Name]
		after, has := next[a.Name]
		switch {
		case a.Computed || !had:
		case a.Mutability == "readOnly", !has && (a.Mutability == "immutable" || a.unset != nil):
			next[a.Name] = cloneValue(before)
		case a.Mutability == "immutable":
			if !sameValue(a, before, after) {
				return Errorf(ErrMutability, "%s cannot be changed once it is set", a.PathName())
			}
		case a.Type == "complex" && !a.MultiValued:
			if err := keepSubs(a, before, next); err != nil {
				return err
			}
		}
	}
	return nil
}

func keepSubs(a *Attribute, before any, next map[string]any) error {
	old, _ := before.(map[string]any)
	subs, ok := next[a.Name].(map[string]any)
	if !ok {
		subs = map[string]any{}
	}
	if err := keep(a.Sub, old, subs); err != nil {
		return err
	}
	if len(subs) > 0 {
		next[a.Name] = subs
	}
	return nil
}

// sameValue compares two values as the attribute's own comparison has it.
func sameValue(a *Attribute, x, y any) bool {
	s, ok := x.(string)
	u, ok2 := y.(string)
	if !ok || !ok2 {
		return equalValues(x, y)
	}
	k, ok := a.Compare(s)
	l, ok2 := a.Compare(u)
	return ok && ok2 && k == l
}

// equalValues compares two values of Resource.Attributes exactly.
func equalValues(x, y any) bool {
	switch x := x.(type) {
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !equalValues(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equalValues(x[i], y[i]) {
				return false
			}
		}
		return true
	case int64:
		if f, ok := y.(float64); ok {
			return float64(x) == f
		}
	case float64:
		if i, ok := y.(int64); ok {
			return x == float64(i)
		}
	}
	return x == y
}

// parseDateTime reads an xsd:dateTime (RFC 7643 §2.3.5). Without a zone it is UTC.
func parseDateTime(s string) (time.Time, bool) {
	// time.Parse is lax about digits and accepts a comma before the fraction.
	if len(s) < len("2006-01-02T15:04:05") || s[10] != 'T' || s[13] != ':' || s[16] != ':' || strings.IndexByte(s, ',') >= 0 {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	return t, err == nil
}

// SetDefaults gives a new resource what it has where it does not say: active, so that whoever reads
// it need not know that a user who says nothing is.
func (t *ResourceType) SetDefaults(r *Resource) {
	for _, a := range t.Schema.Attributes {
		if _, ok := r.Attributes[a.Name]; !ok && a.unset != nil {
			r.Attributes[a.Name] = a.unset
		}
	}
}
