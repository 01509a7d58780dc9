package sync

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rollcall/scim"
)

// directory is what a random source has.
type directory struct {
	people map[string]map[string]any
	groups map[string]map[string]bool
}

var (
	personIDs = []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"}
	groupIDs  = []string{"g0", "g1", "g2"}
)

// change makes a few random changes.
func (d *directory) change(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "changes") {
		id := rapid.SampledFrom(personIDs).Draw(t, "person")
		g := rapid.SampledFrom(groupIDs).Draw(t, "group")
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			delete(d.people, id)
		case 1:
			delete(d.groups, g)
		case 2, 3:
			if d.groups[g] == nil {
				d.groups[g] = map[string]bool{}
			}
			d.groups[g][id] = true
		case 4:
			delete(d.groups[g], id)
		default:
			d.people[id] = randomPerson(t, id)
		}
	}
}

func randomPerson(t *rapid.T, id string) map[string]any {
	a := map[string]any{"userName": id + rapid.SampledFrom([]string{"", ".x", ".y"}).Draw(t, "rename")}
	if title := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "title"); title != "" {
		a["title"] = title
	}
	if name := rapid.SampledFrom([]string{"", "N", "M"}).Draw(t, "given"); name != "" {
		a["name"] = map[string]any{"givenName": name}
	}
	if mail := rapid.SampledFrom([]string{"", "a@x.test", "b@x.test"}).Draw(t, "mail"); mail != "" {
		a["emails"] = []any{map[string]any{"value": mail, "type": "work", "primary": true}}
	}
	switch rapid.IntRange(0, 3).Draw(t, "active") {
	case 0:
		a["active"] = false
	case 1:
		a["active"] = true
	}
	return a
}

// entries are those that the source gives. Members who are nobody stay in the list.
func (d *directory) entries() []Entry {
	var list []Entry
	for _, id := range slices.Sorted(maps.Keys(d.people)) {
		list = append(list, Entry{ID: id, DN: "uid=" + id, Type: "User", Attributes: d.people[id]})
	}
	for _, id := range slices.Sorted(maps.Keys(d.groups)) {
		list = append(list, group(id, slices.Collect(maps.Keys(d.groups[id]))...))
	}
	return list
}

// The law: whatever the source has and others have done, after a run the store has what
// the source maps, and another plan is empty.
func TestPlanAfterApplyIsEmpty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		b.policy.Guard = Guard{Missing: Limit{Percent: 100}, Disabled: Limit{Percent: 100}, MemberLoss: Limit{Percent: 100}, Removals: Limit{Percent: 100}}
		b.remake()
		d := &directory{people: map[string]map[string]any{"keep": {"userName": "keep"}}, groups: map[string]map[string]bool{"keep": {"keep": true}}}
		for range rapid.IntRange(1, 5).Draw(rt, "runs") {
			d.change(rt)
			b.source.entries = d.entries()
			b.run(OK)
			b.idle()
			b.holds(rt, d)
			b.meddle(rt)
		}
	})
}

// holds compares the store with what the source has.
func (b *bench) holds(t *rapid.T, d *directory) {
	for id, want := range d.people {
		got := b.find("User", id)
		for _, name := range []string{"userName", "title", "emails"} {
			if fmt.Sprint(got.Attributes[name]) != fmt.Sprint(want[name]) {
				t.Fatalf("%s of %s = %v, want %v", name, id, got.Attributes[name], want[name])
			}
		}
		if want["active"] == false && got.Active() {
			t.Fatalf("%s is active, want it disabled by the source", id)
		}
	}
	for o := range b.store.Owned(b.t.Context(), "source:corp", "User") {
		if d.people[o.ExternalID] == nil && b.get(scim.Ref{Type: "User", ID: o.ID}).Active() {
			t.Fatalf("%s is active, and not in the source", o.ExternalID)
		}
	}
	for id, want := range d.groups {
		var members []string
		for member := range want {
			if d.people[member] != nil || b.owns(member) {
				members = append(members, member)
			}
		}
		slices.Sort(members)
		if got := b.members(id); !slices.Equal(got, members) {
			t.Fatalf("members of %s = %v, want %v", id, got, members)
		}
	}
}

// owns tells whether the source has a user of that externalId, disabled or not.
func (b *bench) owns(externalID string) bool {
	for o := range b.store.Owned(b.t.Context(), "source:corp", "User") {
		if o.ExternalID == externalID {
			return true
		}
	}
	return false
}

// meddle does what administrators do.
func (b *bench) meddle(t *rapid.T) {
	id := rapid.SampledFrom(personIDs).Draw(t, "meddled")
	if !b.owns(id) {
		return
	}
	r := b.find("User", id)
	switch rapid.IntRange(0, 3).Draw(t, "meddle") {
	case 0:
		b.remove(r)
	case 1:
		b.edit(r, func(a map[string]any) { a["nickName"] = "kept" })
	case 2:
		b.edit(r, func(a map[string]any) { a["active"] = false })
	}
}
