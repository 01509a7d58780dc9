package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// A group of the workspace, whoever made it, may name LDAP groups: the attribute ldapGroupNames of
// its extension. With each run it gets those of the source's people who are in one of them, and
// loses those who are in none. Members that the source does not own are left alone.
//
// To find such groups by reading every group would take each run too long, so NoteMapped keeps
// their ids where they are written.

const mappedSpace = "sync/mapped"

// noteAge is how old the note about a group is before it is dropped where the group names none:
// the commit that it was made for may be on its way.
const noteAge = time.Hour

// NoteMapped notes the group of a commit that names LDAP groups. It has to be called before the
// commit is made.
func NoteMapped(ctx context.Context, state scim.State, c *scim.Commit) error {
	if c.Put == nil || len(ldapGroupNames(c.Put)) == 0 {
		return nil
	}
	text, err := json.Marshal(time.Now().Unix())
	if err == nil {
		err = state.KV(mappedSpace).Put(ctx, c.Ref.String(), text, nil)
	}
	if err != nil {
		return fmt.Errorf("sync: note a group that has LDAP groups' members: %w", err)
	}
	return nil
}

// ldapGroupNames are the LDAP groups that a resource names.
func ldapGroupNames(r *scim.Resource) []string {
	ext, _ := r.Attributes[scim.AccountGroupURN].(map[string]any)
	list, _ := ext["ldapGroupNames"].([]any)
	var names []string
	for _, one := range list {
		text, ok := one.(string)
		if m, complex := one.(map[string]any); complex {
			text, ok = m["value"].(string)
		}
		if ok && text != "" {
			names = append(names, text)
		}
	}
	return names
}

// mappedGroup is one such group.
type mappedGroup struct {
	ref     scim.Ref
	name    string
	names   []string // of LDAP groups, by canaryKey
	matched bool     // the source has one of them
	unknown bool     // of one of them the members could not be read whole
	want    map[scim.Ref]bool
}

// readMapped finds the groups that name LDAP groups.
func (t *run) readMapped(ctx context.Context) error {
	notes, err := scanByRef[int64](ctx, t.config.State.KV(mappedSpace))
	if err != nil {
		return fmt.Errorf("groups that have LDAP groups' members: %w", err)
	}
	owner := scim.ActorFrom(ctx).Owner()
	for _, ref := range slices.SortedFunc(maps.Keys(notes), compareRefs) {
		stored, err := t.config.Target.Get(ctx, ref, scim.With{})
		if err != nil && !errors.Is(err, scim.ErrNotFound) {
			return fmt.Errorf("read %s: %w", ref, err)
		}
		var r *scim.Resource
		if err == nil {
			if r, err = stored.Resource(); err != nil {
				return err
			}
		}
		if r == nil || len(ldapGroupNames(r)) == 0 {
			if t.report.Started.Sub(time.Unix(notes[ref], 0)) > noteAge {
				if err := t.config.State.KV(mappedSpace).Delete(ctx, ref.String()); err != nil {
					return fmt.Errorf("forget %s: %w", ref, err)
				}
			}
			continue
		}
		if r.Owner == owner {
			continue // its entry says who is in it
		}
		g := &mappedGroup{ref: ref, name: r.DisplayName(), want: map[scim.Ref]bool{}}
		for _, name := range ldapGroupNames(r) {
			g.names = append(g.names, canaryKey(name))
		}
		t.planner.mapped = append(t.planner.mapped, g)
	}
	return nil
}

// gather gives a group entry's members to the groups that name it, by displayName or DN.
func (p *planner) gather(e *Entry, members []scim.Ref) {
	name, _ := e.Attributes["displayName"].(string)
	for _, g := range p.mapped {
		if !slices.Contains(g.names, canaryKey(name)) && !slices.Contains(g.names, canaryKey(e.DN)) {
			continue
		}
		g.matched = true
		g.unknown = g.unknown || e.MembersUnknown
		for _, ref := range members {
			if ref != g.ref {
				g.want[ref] = true
			}
		}
	}
}

// compareMapped plans what those groups get and lose. A group of which the source has no LDAP group,
// and had none in the last run, is another source's affair.
func (t *run) compareMapped(ctx context.Context) ([]*Change, error) {
	p := t.planner
	if len(p.mapped) == 0 {
		return nil, nil
	}
	owned := map[string]bool{}
	for _, held := range p.held {
		for _, h := range held {
			owned[h.id] = true
		}
	}
	spoiled := p.spoiledIDs()
	var changes []*Change
	for _, g := range p.mapped {
		if g.matched {
			p.plan.Mapped[g.ref] = strings.Join(g.names, "\n")
		} else if p.past.mapped[g.ref] == "" {
			continue
		}
		c := &Change{Action: Members, Type: g.ref.Type, ID: g.ref.ID, Name: g.name, Mapped: true}
		for m, err := range t.config.Target.Members(ctx, g.ref, scim.Ref{}) {
			if err != nil {
				return nil, fmt.Errorf("members of %s: %w", g.ref, err)
			}
			c.MembersBefore++
			if !g.want[m] && owned[m.ID] && !g.unknown && !spoiled[m.ID] {
				c.remove = append(c.remove, m)
			}
			delete(g.want, m)
		}
		c.add = slices.SortedFunc(maps.Keys(g.want), compareRefs)
		c.MembersAdded, c.MembersRemoved = len(c.add), len(c.remove)
		if len(c.add)+len(c.remove) > 0 {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// mapped makes the attempt of such a change: members alone.
func (a *applier) mapped(c *Change) *attempt {
	t := &attempt{change: c, action: Members, commit: &scim.Commit{Ref: c.ref(), Expect: scim.MustExist, Fence: &a.fence}}
	a.addEdges(t)
	if len(t.commit.Edges) == 0 {
		return nil
	}
	return t
}
