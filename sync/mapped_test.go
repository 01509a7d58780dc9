package sync

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/scim"
)

// local makes a group of nobody's that names LDAP groups, as NoteMapped and the store see it.
func (b *bench) local(name string, ldap ...string) *scim.Resource {
	b.t.Helper()
	r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "Group", ID: scim.NewID()}}, Attributes: map[string]any{"displayName": name}}
	c := &scim.Commit{Ref: r.Ref, Put: named(r, ldap...)}
	if err := NoteMapped(b.t.Context(), b.store, c); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Commit(b.t.Context(), c); err != nil {
		b.t.Fatal(err)
	}
	return b.get(r.Ref)
}

func named(r *scim.Resource, ldap ...string) *scim.Resource {
	var names []any
	for _, n := range ldap {
		names = append(names, n)
	}
	r.Attributes[scim.AccountGroupURN] = map[string]any{"ldapGroupNames": names}
	return r
}

// membersOf are the userNames of a group's members.
func (b *bench) membersOf(group scim.Ref) []string {
	b.t.Helper()
	var list []string
	for ref := range b.store.Members(b.t.Context(), group, scim.Ref{}) {
		list = append(list, b.get(ref).UserName())
	}
	slices.Sort(list)
	return list
}

func TestLDAPGroupNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"), person("bob"), person("cyd"), person("dee"), group("devs", "ada", "bob"), group("ops", "bob", "cyd"))
		staff := b.local("Staff", "DEVS", "cn=ops, dc=test")
		other := b.local("Other", "nothing")
		local := b.foreign("local")
		add := func(g *scim.Resource, refs ...scim.Ref) {
			c := &scim.Commit{Ref: g.Ref, Expect: scim.MustExist}
			for _, ref := range refs {
				c.Edges = append(c.Edges, scim.EdgeChange{Member: ref})
			}
			if _, err := b.store.Commit(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		add(staff, local.Ref)
		plan := b.planned(OK)
		equal(t, "planned", plan.Planned, Tally{Created: 6, Updated: 1, MembersAdded: 7})
		equal(t, "counts", b.run(OK).Counts.Tally, plan.Planned)
		equal(t, "members", b.membersOf(staff.Ref), []string{"ada", "bob", "cyd", "local"})
		b.source.entries[4] = group("devs", "bob", "dee")
		add(other, b.find("User", "ada").Ref) // by hand, in a group that is no affair of this source
		r := b.run(OK)
		equal(t, "counts", r.Counts.Tally, Tally{Updated: 2, MembersAdded: 2, MembersRemoved: 2})
		equal(t, "members", b.membersOf(staff.Ref), []string{"bob", "cyd", "dee", "local"})
		equal(t, "members of the other", b.membersOf(other.Ref), []string{"ada"})
		equal(t, "nothing more", b.run(OK).ChangeCount, 0)

		b.source.entries[4].MembersUnknown = true // nobody leaves by that
		b.source.entries[4].Members = nil
		b.run(OK)
		equal(t, "members", b.membersOf(staff.Ref), []string{"bob", "cyd", "dee", "local"})

		// One that names no group any more keeps who is in it, and is forgotten.
		r2 := b.get(staff.Ref)
		if _, err := b.store.Commit(t.Context(), &scim.Commit{Ref: r2.Ref, Expect: r2.Version, Put: named(r2.Clone())}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * noteAge)
		b.source.entries[4] = group("devs")
		b.run(OK)
		equal(t, "members", b.membersOf(staff.Ref), []string{"bob", "cyd", "dee", "local"})
		equal(t, "notes", len(b.store.KV(mappedSpace).(*fakeKV).values), 1)
	})
}
