package sync

import (
	"slices"
	"strings"
	"testing"

	"rollcall/scim"
)

func TestFirstRunAndIdleRun(t *testing.T) {
	b := newBench(t, append(people(1000), group("all", ids(people(1000))...), group("few", "p00001", "p00002"), group("none"))...)
	r := b.run(OK)
	equal(t, "counts", r.Counts, Counts{Users: 1000, Groups: 3, Tally: Tally{Created: 1003, MembersAdded: 1002}})
	equal(t, "len(members of all)", len(b.members("all")), 1000)
	equal(t, "members of few", b.members("few"), []string{"p00001", "p00002"})
	u := b.find("User", "p00007")
	equal(t, "owner", u.Owner, "source:corp")
	b.idle()
}

func TestBigGroupInChunks(t *testing.T) {
	entries := people(2500)
	b := newBench(t, append(entries, group("all", ids(entries)...))...)
	equal(t, "members added", b.run(OK).Counts.MembersAdded, 2500)
	equal(t, "members", len(b.members("all")), 2500)
	b.idle()

	b.source.entries[2500] = group("all", ids(entries[:2400])...)
	r := b.run(OK)
	equal(t, "counts", r.Counts.Tally, Tally{Updated: 1, MembersRemoved: 100})
	equal(t, "action", r.Changes[0].Action, Members)
	equal(t, "members", len(b.members("all")), 2400)
	b.idle()
}

func TestRenameKeepsID(t *testing.T) {
	b := newBench(t, person("ada", "title", "Countess"))
	b.run(OK)
	before := b.find("User", "ada")
	b.source.entries[0].DN = "uid=ada,ou=moved,dc=test"
	b.idle() // where an entry stands is none of the resource's business
	b.source.entries[0].Attributes["userName"] = "lovelace"
	r := b.run(OK)
	after := b.find("User", "ada")
	equal(t, "id", after.ID, before.ID)
	equal(t, "userName", after.UserName(), "lovelace")
	equal(t, "differences", r.Changes[0].Attributes, []Difference{{"userName", []byte(`"ada"`), []byte(`"lovelace"`)}})
	b.idle()
}

func TestChainOfRenames(t *testing.T) {
	b := newBench(t, person("1", "userName", "a"), person("2", "userName", "b"), person("3", "userName", "c"))
	b.run(OK)
	b.source.entries = []Entry{person("1", "userName", "b"), person("2", "userName", "c"), person("3", "userName", "d")}
	if plan, _ := b.Plan(t.Context()); plan.Result != OK {
		t.Errorf("Plan() = %s %+v, want ok", plan.Result, plan.Errors)
	}
	b.run(OK)
	equal(t, "userName of 1", b.find("User", "1").UserName(), "b")
	b.idle()
}

// Whoever gives up a name may be disabled by the same change.
func TestChainOfRenamesWithADisabledEnd(t *testing.T) {
	b := newBench(t, person("1", "userName", "a"), person("2", "userName", "b"))
	b.run(OK)
	b.source.entries = []Entry{person("1", "userName", "b"), person("2", "userName", "c", "active", false)}
	b.run(OK)
	equal(t, "userName of 1", b.find("User", "1").UserName(), "b")
	b.idle()
}

func TestAttributesOfOthersAreKept(t *testing.T) {
	b := newBench(t, person("ada", "title", "Countess", "name", map[string]any{"givenName": "Ada"},
		scim.EnterpriseURN, map[string]any{"department": "Engines"}))
	b.run(OK)
	b.edit(b.find("User", "ada"), func(a map[string]any) {
		a["nickName"] = "Ada"
		a["name"].(map[string]any)["middleName"] = "King"
		a[scim.EnterpriseURN].(map[string]any)["costCenter"] = "7"
	})
	b.idle()
	b.source.entries[0] = person("ada", "name", map[string]any{"givenName": "Augusta"})
	b.run(OK)
	equal(t, "attributes", b.find("User", "ada").Attributes, map[string]any{
		"userName": "ada", "nickName": "Ada",
		"name":             map[string]any{"givenName": "Augusta", "middleName": "King"},
		scim.EnterpriseURN: map[string]any{"costCenter": "7"},
	})
	b.idle()
}

func TestSpoiledEntries(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("g", "ada", "bob"))
	b.run(OK)
	b.source.entries = []Entry{person("bob"), group("g", "bob"), person("eve", "emails", "no list")}
	b.source.spoiled = []*EntryError{{DN: "uid=ada", ID: "ada", Attribute: "mail", Reason: "not text", Remedy: "correct it"}}
	r := b.run(Partial)
	equal(t, "counts", r.Counts, Counts{Users: 1, Groups: 1, Unchanged: 1, Skipped: 2})
	equal(t, "active", b.find("User", "ada").Active(), true)
	equal(t, "members", b.members("g"), []string{"ada", "bob"})
	equal(t, "kinds", []string{r.Errors[0].Kind, r.Errors[1].Kind}, []string{"invalid", "entry"})

	// Once ada's entry is well again, her membership follows the source.
	b.source.entries, b.source.spoiled = []Entry{person("ada"), person("bob"), group("g", "bob")}, nil
	b.run(OK)
	equal(t, "members", b.members("g"), []string{"bob"})
	b.idle()
}

func TestNamelessEntryDisablesNobody(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), person("eve"), group("g", "ada", "bob", "eve"))
	b.run(OK)
	b.source.entries = []Entry{person("bob"), person("eve"), group("g", "bob")}
	b.source.spoiled = []*EntryError{{DN: "uid=ada", Attribute: "entryUUID", Reason: "missing"}}
	b.run(Partial)
	equal(t, "active", b.find("User", "ada").Active(), true)
	equal(t, "members", b.members("g"), []string{"ada", "bob"}) // eve has an entry, and is no member
	b.source.spoiled = nil
	b.run(OK)
	equal(t, "active", b.find("User", "ada").Active(), false)
	equal(t, "members", b.members("g"), []string{"bob"})
	b.idle()
}

func TestDuplicateAndUnknownEntries(t *testing.T) {
	b := newBench(t, person("ada"), person("ada", "userName", "other"), Entry{DN: "x", ID: "x", Type: "Device"}, Entry{DN: "y", Type: "User"})
	r := b.run(Partial)
	equal(t, "errors", r.ErrorCount, 3)
	equal(t, "userName", b.find("User", "ada").UserName(), "ada")
}

func TestNameConflict(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), person("bob2", "userName", "BOB"), group("g", "ada", "bob", "bob2"))
	holder := b.foreign("Ada")
	for _, make := range []func() *Report{
		func() *Report { r, _ := b.Plan(t.Context()); return r },
		func() *Report { return b.run(Partial) },
		func() *Report { return b.run(Partial) },
	} {
		r := make()
		equal(t, "result", r.Result, Partial)
		slices.SortFunc(r.Errors, func(a, b Problem) int { return strings.Compare(a.ID, b.ID) })
		equal(t, "errors", r.ErrorCount, 2)
		equal(t, "holder", r.Errors[0].Holder, holder.ID)
		equal(t, "kind", r.Errors[0].Kind+" "+r.Errors[0].Attribute, "conflict userName")
		equal(t, "second", r.Errors[1].ID, "bob2")
	}
	equal(t, "owner of the holder", b.get(holder.Ref).Owner, "client:okta")
	equal(t, "members", b.members("g"), []string{"bob"})

	// The name becomes free: the person comes, and into the group.
	b.remove(b.get(holder.Ref))
	b.source.entries = slices.Delete(b.source.entries, 2, 3)
	b.source.entries[2] = group("g", "ada", "bob")
	b.run(OK)
	equal(t, "members", b.members("g"), []string{"ada", "bob"})
	b.idle()
}

func TestUnknownMembersStay(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("g", "ada", "bob"))
	b.run(OK)
	b.source.entries[2] = group("g", "ada")
	b.source.entries[2].MembersUnknown = true
	b.source.entries[2].Dangling = []string{"uid=ghost"}
	r := b.run(OK)
	equal(t, "dangling", r.Counts.Dangling, 1)
	equal(t, "members", b.members("g"), []string{"ada", "bob"})
	b.idle()
	b.source.entries[2].MembersUnknown = false
	b.run(OK)
	equal(t, "members", b.members("g"), []string{"ada"})
}

func TestNestedGroupsAsMembers(t *testing.T) {
	b := newBench(t, person("ada"), group("outer", "inner"), group("inner", "ada"))
	b.run(OK)
	equal(t, "members", b.members("outer"), []string{"inner"})
	b.idle()
}

func TestMappingVersionLooksAgain(t *testing.T) {
	b := newBench(t, person("ada"))
	b.run(OK)
	b.edit(b.find("User", "ada"), func(a map[string]any) { a["title"] = "drifted" })
	b.idle()
	b.config.MappingVersion = "2"
	r, err := New(b.config)
	if err != nil {
		t.Fatal(err)
	}
	b.Runner = r
	b.run(OK)
	equal(t, "title", b.find("User", "ada").Attributes["title"], nil)
	b.idle()
}

func TestGroupTakesUpAGroup(t *testing.T) {
	b := newBench(t, person("ada"), group("outer", "ada"), group("inner", "ada"))
	b.run(OK)
	b.source.entries[1] = group("outer", "ada", "inner")
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Updated: 1, MembersAdded: 1})
	equal(t, "members", b.members("outer"), []string{"ada", "inner"})
	b.idle()
}
