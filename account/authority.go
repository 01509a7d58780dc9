package account

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"rollcall/scim"
)

// Authority says who alone may write an attribute (design.md §4.9). It binds where that owner
// can: a source on the resources that it owns, a client on every resource. Whoever creates
// a resource sets all of it; from then on the others' word counts for nothing.
type Authority struct {
	Type      string // "User"
	Attribute string // as in a filter: "displayName", "name.givenName", a URN and a name; "members" of a Group
	Owner     string // "source:corp", "client:okta"
}

// authority is an Authority, resolved.
type authority struct {
	Authority
	path    *scim.Path
	members bool
}

// resolveAuthority checks the rules against the schemas.
func resolveAuthority(model *scim.Model, rules []Authority) (map[string][]authority, error) {
	byType := map[string][]authority{}
	for _, r := range rules {
		t := model.Type(r.Type)
		if t == nil {
			return nil, fmt.Errorf("there is no resource type %q", r.Type)
		}
		a := authority{Authority: r, members: strings.EqualFold(r.Attribute, "members") && t.MemberTypes != nil}
		if !a.members {
			path, err := t.Find(r.Attribute)
			switch {
			case err != nil:
				return nil, err
			case path.Attr == nil:
				return nil, fmt.Errorf("%s is a whole extension: name an attribute of it", r.Attribute)
			case path.Attr.Mutability == "readOnly" || path.Attr.Schema == "" && path.Attr.Name != "externalId":
				return nil, fmt.Errorf("%s is set by the server: nobody else can have authority over it", r.Attribute)
			}
			a.path = path
		}
		byType[r.Type] = append(byType[r.Type], a)
	}
	return byType, nil
}

// CheckAuthority tells what is wrong with a rule, where resources are of that model.
func CheckAuthority(model *scim.Model, rule Authority) error {
	_, err := resolveAuthority(model, []Authority{rule})
	return err
}

// binds tells whether the rule keeps an actor from writing to a resource of that owner.
func (a *authority) binds(actor *scim.Actor, resourceOwner string) bool {
	return actor.Owner() != a.Owner && a.speaksFor(resourceOwner)
}

// speaksFor tells whether the rule counts for a resource of that owner: a source writes only
// what it owns, a client everything.
func (a *authority) speaksFor(resourceOwner string) bool {
	return !strings.HasPrefix(a.Owner, "source:") || a.Owner == resourceOwner
}

// holdAuthority applies the rules to a change of a resource that exists: what the actor has no
// authority over stays as it is where the commit says so, as a readOnly attribute does in
// a PUT (RFC 7644 §3.5.1), and is refused otherwise, as in a PATCH (§3.5.2).
func (w *Workspace) holdAuthority(ctx context.Context, c *scim.Commit) error {
	keepExternalID(scim.ActorFrom(ctx), c)
	rules := w.authority[c.Ref.Type]
	if len(rules) == 0 || c.Delete || c.Expect == scim.MustNotExist {
		return nil
	}
	actor := scim.ActorFrom(ctx)
	old := c.Old
	if old == nil { // a change of members alone
		var err error
		if old, err = w.store.Get(ctx, c.Ref, scim.With{}); err != nil {
			return err
		}
	}
	var before *scim.Resource
	for i := range rules {
		a := &rules[i]
		if !a.binds(actor, old.Owner) {
			continue
		}
		if a.members {
			if len(c.Edges) > 0 && !c.KeepForeign {
				return a.refusal()
			}
			c.Edges = nil
			continue
		}
		if c.Put == nil {
			continue
		}
		if before == nil {
			var err error
			if before, err = old.Resource(); err != nil {
				return err
			}
		}
		if !a.keep(before, c.Put) && !c.KeepForeign {
			return a.refusal()
		}
	}
	return nil
}

// keepExternalID keeps the externalId that a resource's owner gave it: it is the owner's
// name for the resource (RFC 7643 §3.1 scopes it to whoever provisions), by which the next run of
// a source finds it. Another client's is left aside without an error: Entra sends its own in
// the first PATCH of everybody that it finds here, and would fail for ever.
func keepExternalID(actor *scim.Actor, c *scim.Commit) {
	if c.Put != nil && c.Old != nil && c.Old.Owner != "" && c.Old.Owner != actor.Owner() {
		c.Put.ExternalID = c.Old.ExternalID
	}
}

func (a *authority) refusal() error {
	return scim.Errorf(scim.ErrMutability, "%s is managed by %s here, and readOnly for others", a.Attribute, strings.Replace(a.Owner, ":", " ", 1))
}

// keep puts the old value into the new state, and tells whether it was there already.
func (a *authority) keep(before, after *scim.Resource) (same bool) {
	if a.path.Attr.Name == "externalId" && a.path.Attr.Schema == "" {
		same = before.ExternalID == after.ExternalID
		after.ExternalID = before.ExternalID
		return same
	}
	keys := a.path.Keys()
	was, had := scim.ValueAt(before.Attributes, keys)
	is, has := scim.ValueAt(after.Attributes, keys)
	switch {
	case had == has && reflect.DeepEqual(was, is):
		return true
	case had:
		scim.SetAt(after.Attributes, keys, was)
	default:
		scim.RemoveAt(after.Attributes, keys)
	}
	return false
}

// ShowOwnership sets the attributes owner and authority of the account extension.
func (d *Directory) ShowOwnership(r *scim.Resource) {
	var urn string
	switch r.Type {
	case "User":
		urn = scim.AccountUserURN
	case "Group":
		urn = scim.AccountGroupURN
	default: // a type of a workspace has no such extension
		return
	}
	ext, ok := r.Attributes[urn].(map[string]any)
	if !ok {
		ext = map[string]any{}
		r.Attributes[urn] = ext
	}
	if r.Owner != "" {
		ext["owner"] = r.Owner
	}
	var list []any
	for _, rule := range d.rules {
		if a := (&authority{Authority: rule}); rule.Type == r.Type && a.speaksFor(r.Owner) {
			list = append(list, map[string]any{"attribute": a.Attribute, "owner": a.Owner})
		}
	}
	if list != nil {
		ext["authority"] = list
	}
}
