package sync

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"rollcall/scim"
)

func TestMissingIsDisabledAndComesBack(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("g", "ada", "bob"))
	b.run(OK)
	ada := b.find("User", "ada")
	b.source.entries = []Entry{person("bob"), group("g", "ada", "bob")}
	r := b.run(OK)
	equal(t, "counts", r.Counts, Counts{Users: 1, Groups: 1, Unchanged: 2, MissingUsers: 1, Tally: Tally{Disabled: 1}})
	equal(t, "active", b.find("User", "ada").Active(), false)
	equal(t, "members", b.members("g"), []string{"ada", "bob"})
	b.idle()
	equal(t, "gone", b.run(OK).Counts.Gone, 1)

	b.source.entries = []Entry{person("ada"), person("bob"), group("g", "ada", "bob")}
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Enabled: 1})
	equal(t, "id", b.find("User", "ada").ID, ada.ID)
	equal(t, "active", b.find("User", "ada").Active(), true)
	b.idle()
}

func TestMissingForSeveralRuns(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.policy.MissingRuns = 3
	b.remake()
	b.run(OK)
	all, less := b.source.entries, []Entry{person("bob")}
	for i, want := range []bool{true, true, false} {
		b.source.entries = less
		if i == 1 { // one that breaks off does not count
			b.source.failed = errors.New("connection lost")
			b.run(Failed)
			b.source.failed = nil
		}
		r := b.run(OK)
		equal(t, fmt.Sprintf("active after %d runs", i+1), b.find("User", "ada").Active(), want)
		equal(t, "missing", r.Missing[0].Runs, i+1)
	}
	b.source.entries = all
	b.run(OK)
	b.source.entries = less
	b.run(OK)
	equal(t, "active after it was back", b.find("User", "ada").Active(), true)
	b.source.entries = all
	b.run(OK)
	equal(t, "counts kept", len(b.store.KV("sync/missing/corp").(*fakeKV).values), 0)
}

// Who was moved while the directory was read is on no page of it: a second look finds them, and they keep their
// groups.
func TestMissingIsLookedForAgain(t *testing.T) {
	b := newBench(t, append(people(5), group("g", ids(people(5))...))...)
	b.run(OK)
	all := ids(people(5))
	b.source.entries = append(people(5)[2:], group("g", all[2:]...))
	b.source.present = []scim.Ref{{Type: "User", ID: all[0]}}
	r := b.run(Partial)
	if want := []scim.Ref{{Type: "User", ID: all[0]}, {Type: "User", ID: all[1]}}; !slices.Equal(b.source.asked, want) {
		t.Errorf("asked for %v, want %v", b.source.asked, want)
	}
	if !b.find("User", all[0]).Active() || b.find("User", all[1]).Active() || r.Counts.MissingUsers != 1 || len(r.Errors) != 1 {
		t.Errorf("the run = %+v with %+v, want the second person alone disabled", r.Counts, r.Errors)
	}
	if got := b.members("g"); !slices.Contains(got, all[0]) {
		t.Errorf("members of g = %v, want %s still", got, all[0])
	}
	b.source.asked = nil
	b.source.entries = append(append(people(5)[:1], people(5)[2:]...), group("g", append(all[:1:1], all[2:]...)...))
	b.run(OK)
	if b.source.asked != nil {
		t.Errorf("asked for %v, who was missing before", b.source.asked)
	}
}

func TestMissingKept(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.policy.OnMissing = Keep
	b.remake()
	b.run(OK)
	b.source.entries = b.source.entries[1:]
	b.run(OK)
	equal(t, "active", b.find("User", "ada").Active(), true)
	b.idle()
}

func TestMissingGroupIsLeft(t *testing.T) {
	b := newBench(t, person("ada"), group("g", "ada"), group("h", "ada"))
	b.run(OK)
	b.source.entries = []Entry{person("ada"), group("h", "ada")}
	r := b.run(OK)
	equal(t, "missing groups", r.Counts.MissingGroups, 1)
	equal(t, "missing", r.Missing[0].ExternalID, "g")
	equal(t, "members", b.members("g"), []string{"ada"})
	b.idle()
	equal(t, "missing groups, later", b.run(OK).Counts.MissingGroups, 0)
}

func TestDisabledByHandStaysSo(t *testing.T) {
	b := newBench(t, person("ada", "active", true), person("bob"))
	b.run(OK)
	for _, id := range []string{"ada", "bob"} {
		b.edit(b.find("User", id), func(a map[string]any) { a["active"] = false })
	}
	b.idle()
	b.source.entries = []Entry{person("ada", "active", true, "title", "new"), person("bob", "title", "new")}
	b.run(OK)
	equal(t, "active of ada", b.find("User", "ada").Active(), false)
	equal(t, "title of ada", b.find("User", "ada").Attributes["title"], "new")
	equal(t, "active of bob", b.find("User", "bob").Active(), false)

	all := b.source.entries // they leave and come back: still not the run's to undo
	b.source.entries = []Entry{person("eve")}
	b.policy.Guard.Missing.Count = 10
	b.run(OK)
	b.source.entries = all
	b.run(OK)
	equal(t, "active of ada, back", b.find("User", "ada").Active(), false)
}

func TestDisabledBySource(t *testing.T) {
	b := newBench(t, person("ada", "active", true), person("bob", "active", false))
	b.run(OK)
	equal(t, "active of bob", b.find("User", "bob").Active(), false)
	b.source.entries = []Entry{person("ada", "active", false), person("bob", "active", true)}
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Disabled: 1, Enabled: 1})
	equal(t, "active of ada", b.find("User", "ada").Active(), false)
	equal(t, "active of bob", b.find("User", "bob").Active(), true)
	b.idle()
}

func TestDeletedByHandComesBackIntoItsGroups(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("g", "ada", "bob"))
	b.run(OK)
	b.remove(b.find("User", "ada"))
	r := b.run(OK)
	equal(t, "counts", r.Counts.Tally, Tally{Created: 1, Updated: 1, MembersAdded: 1})
	equal(t, "members", b.members("g"), []string{"ada", "bob"})
	b.idle()
}
