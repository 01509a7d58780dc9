package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"rollcall/scim"
)

// Names of the spaces of claims.
//
//	<Type>.<attribute>           a unique attribute: its comparison key → id
//	<Type>.<URN>:<attribute>     one of an extension
//	<Type>.externalId/<owner>    externalId, for each owner apart
//	<Type>.id                    of a type that is not Listed: id → id
//
// One space of a type enumerates it, and must be the same for ever: that of the first unique
// attribute where the type is Listed, in which a resource without a value is under NUL and its
// id; else that of ids.

// maxClaimKey bounds a unique value: backends have a limit, and nobody's name is so long.
const maxClaimKey = 1024

const absent = "\x00"

// enumeration is the space that has every resource of a type.
func enumeration(t *scim.ResourceType) string {
	if !t.Listed {
		return t.Name + ".id"
	}
	return uniqueSpace(t, t.Unique[0])
}

func uniqueSpace(t *scim.ResourceType, a *scim.Attribute) string {
	return t.Name + "." + t.UniqueName(a)
}

func externalIDPrefix(typ string) string { return typ + ".externalId/" }

func externalIDSpace(typ, owner string) string { return externalIDPrefix(typ) + owner }

// claim is a Claim with what a client should read when it is taken.
type claim struct {
	Claim
	attr, value string
}

// claimsOf lists the claims of a resource.
func claimsOf(t *scim.ResourceType, r *scim.Resource) ([]claim, error) {
	var claims []claim
	add := func(space, key, attr, value string) {
		claims = append(claims, claim{Claim: Claim{Space: space, Key: key, ID: r.ID}, attr: attr, value: value})
	}
	for i, a := range t.Unique {
		value := uniqueValue(t, a, r.Attributes)
		if value == "" {
			if i == 0 && t.Listed {
				add(uniqueSpace(t, a), absent+r.ID, a.Name, "")
			}
			continue
		}
		key, ok := a.Compare(value)
		if !ok || key == "" || strings.HasPrefix(key, absent) {
			return nil, scim.Errorf(scim.ErrInvalidValue, "%s %q cannot be compared with others", a.Name, value)
		}
		if len(key) > maxClaimKey {
			return nil, scim.Errorf(scim.ErrInvalidValue, "%s is longer than %d bytes", a.Name, maxClaimKey)
		}
		add(uniqueSpace(t, a), key, a.Name, value)
	}
	if !t.Listed {
		add(enumeration(t), r.ID, "id", r.ID)
	}
	if r.ExternalID != "" {
		if len(r.ExternalID) > maxClaimKey {
			return nil, scim.Errorf(scim.ErrInvalidValue, "externalId is longer than %d bytes", maxClaimKey)
		}
		add(externalIDSpace(t.Name, r.Owner), r.ExternalID, "externalId", r.ExternalID)
	}
	return claims, nil
}

func uniqueValue(t *scim.ResourceType, a *scim.Attribute, attrs map[string]any) string {
	if t.Schema != nil && a.Schema != "" && a.Schema != t.Schema.URN {
		attrs, _ = attrs[a.Schema].(map[string]any)
	}
	switch v := attrs[a.Name].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		if whole := int64(v); float64(whole) == v { // 1.0 is 1
			return strconv.FormatInt(whole, 10)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

// diffClaims tells what to take and what to release from old to new. A new externalId of
// the same owner inherits the mark of the old one.
func diffClaims(old, new []claim, mark string) (take []claim, release []Claim) {
	same := func(a, b claim) bool { return a.Space == b.Space && a.Key == b.Key }
	for _, c := range new {
		i := slices.IndexFunc(old, func(o claim) bool { return o.Space == c.Space })
		held := i >= 0 && same(old[i], c)
		if c.attr == "externalId" {
			c.Mark = mark
			if i >= 0 {
				c.From = old[i].Key
			}
		}
		if !held || c.Mark != "" {
			take = append(take, c)
		}
	}
	for _, o := range old {
		if !slices.ContainsFunc(new, func(c claim) bool { return same(o, c) }) {
			release = append(release, o.Claim)
		}
	}
	return take, release
}

// sortBy sorts a slice by a key of its elements.
func sortBy[T any, K cmp.Ordered](s []T, key func(T) K) {
	slices.SortFunc(s, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}
