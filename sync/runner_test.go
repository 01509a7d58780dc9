package sync

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/scim"
)

// bench is a runner with a source and a store that a test can look into.
type bench struct {
	t      *testing.T
	source *fakeSource
	store  *fakeStore
	policy Policy
	*Runner
}

func newBench(t *testing.T, entries ...Entry) *bench {
	t.Helper()
	model := scim.DefaultModel()
	b := &bench{t: t, source: &fakeSource{entries: entries}, store: newFakeStore(model), policy: DefaultPolicy()}
	b.source.mapped = map[string][]string{"User": {"userName", "title", "active", "name.givenName", "emails", scim.EnterpriseURN + ":department"}}
	b.remake()
	return b
}

// remake makes the runner anew, as a restart does.
func (b *bench) remake() {
	b.t.Helper()
	r, err := New(Config{Name: "corp", Source: b.source, Target: b.store, State: b.store, Model: b.store.model, Policy: b.policy, Holder: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Runner = r
}

// run runs once and expects a result.
func (b *bench) run(want Result) *Report {
	b.t.Helper()
	r, err := b.Run(b.t.Context(), Manual)
	if err != nil {
		b.t.Fatalf("Run() = %v", err)
	}
	if r.Result != want {
		b.t.Fatalf("Run() = %s %q %+v %+v, want %s", r.Result, r.Error, r.Errors, r.Verdict, want)
	}
	return r
}

// idle runs once more and expects nothing of it.
func (b *bench) idle() {
	b.t.Helper()
	gets, commits := b.store.gets, b.store.commits
	r := b.run(OK)
	if r.ChangeCount != 0 || b.store.commits != commits || b.store.gets != gets {
		b.t.Fatalf("a second run has %d changes, %d commits, %d reads, want none: %+v",
			r.ChangeCount, b.store.commits-commits, b.store.gets-gets, r.Changes)
	}
}

// find finds a resource of the source by its externalId.
func (b *bench) find(typ, externalID string) *scim.Resource {
	b.t.Helper()
	for o := range b.store.Owned(b.t.Context(), "source:corp", typ) {
		if o.ExternalID == externalID {
			return b.get(scim.Ref{Type: typ, ID: o.ID})
		}
	}
	b.t.Fatalf("there is no %s %s", typ, externalID)
	return nil
}

func (b *bench) get(ref scim.Ref) *scim.Resource {
	b.t.Helper()
	stored, err := b.store.Get(b.t.Context(), ref, scim.With{})
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := stored.Resource()
	if err != nil {
		b.t.Fatal(err)
	}
	b.store.gets-- // the test's own
	return r
}

// edit changes a resource as an administrator would.
func (b *bench) edit(r *scim.Resource, change func(attributes map[string]any)) {
	b.t.Helper()
	next := r.Clone()
	change(next.Attributes)
	if _, err := b.store.Commit(b.t.Context(), &scim.Commit{Ref: r.Ref, Expect: r.Version, Put: next}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) remove(r *scim.Resource) {
	b.t.Helper()
	if _, err := b.store.Commit(b.t.Context(), &scim.Commit{Ref: r.Ref, Expect: r.Version, Delete: true}); err != nil {
		b.t.Fatal(err)
	}
}

// members lists a group's members by their externalIds.
func (b *bench) members(externalID string) []string {
	b.t.Helper()
	var list []string
	for ref := range b.store.Members(b.t.Context(), b.find("Group", externalID).Ref, scim.Ref{}) {
		list = append(list, b.get(ref).ExternalID)
	}
	slices.Sort(list)
	return list
}

// foreign makes a user that belongs to nobody.
func (b *bench) foreign(userName string) *scim.Resource {
	b.t.Helper()
	r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: scim.NewID()}, Owner: "client:okta"},
		Attributes: map[string]any{"userName": userName}}
	if _, err := b.store.Commit(b.t.Context(), &scim.Commit{Ref: r.Ref, Put: r}); err != nil {
		b.t.Fatal(err)
	}
	return b.get(r.Ref)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

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

func TestDeletedByHandComesBackIntoItsGroups(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("g", "ada", "bob"))
	b.run(OK)
	b.remove(b.find("User", "ada"))
	r := b.run(OK)
	equal(t, "counts", r.Counts.Tally, Tally{Created: 1, Updated: 1, MembersAdded: 1})
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

func TestBlockedRunAppliesNothing(t *testing.T) {
	entries := people(100)
	b := newBench(t, append(entries, group("all", ids(entries)...))...)
	b.run(OK)
	for name, c := range map[string]struct {
		entries []Entry
		check   string
	}{
		"nothing at all":      {nil, "entries"},
		"no people":           {[]Entry{group("all")}, "users"},
		"no groups":           {entries, "groups"},
		"eleven missing":      {append(people(89), group("all", ids(entries)...)), "missing users"},
		"a group falls empty": {append(people(100), group("all")), "members removed from all"},
	} {
		b.source.entries = append([]Entry{person("zoe")}, c.entries...)
		if c.check == "entries" || c.check == "users" {
			b.source.entries = c.entries
		}
		commits := b.store.commits
		r := b.run(Blocked)
		i := slices.IndexFunc(r.Verdict.Limits, func(l Check) bool { return l.Name == c.check })
		if i < 0 || r.Verdict.Limits[i].Passed {
			t.Errorf("%s: verdict %+v, want %q to fail", name, r.Verdict, c.check)
		}
		if b.store.commits != commits || r.Counts.Tally != (Tally{}) {
			t.Errorf("%s: %d commits and %+v, want nothing done", name, b.store.commits-commits, r.Counts.Tally)
		}
		if r.Verdict.Next == "" || len(r.Changes) != r.ChangeCount {
			t.Errorf("%s: next %q, %d of %d changes, want all that was planned", name, r.Verdict.Next, len(r.Changes), r.ChangeCount)
		}
	}
	b.source.entries = append(people(100), group("all", ids(entries)...))
	b.idle()
}

func TestFailedReadAppliesNothing(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	b.source.entries = []Entry{person("new")}
	b.source.failed = errors.New("size limit exceeded")
	commits := b.store.commits
	r := b.run(Failed)
	equal(t, "failure", r.Failure, FailedSource)
	equal(t, "commits", b.store.commits, commits)
	if !strings.Contains(r.Error, "size limit exceeded") {
		t.Errorf("error = %q, want the source's", r.Error)
	}
	if plan, err := b.Plan(t.Context()); err != nil || plan.Result != Failed {
		t.Errorf("Plan() = %v, %v, want a failed one", plan.Result, err)
	}
}

func TestPlanWritesNothing(t *testing.T) {
	b := newBench(t, person("ada"), group("g", "ada"))
	r, err := b.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "result", r.Result, OK)
	equal(t, "planned", r.Planned, Tally{Created: 2, MembersAdded: 1})
	equal(t, "done", r.Counts.Tally, Tally{})
	equal(t, "differences", r.Changes[0].Attributes, []Difference{{Path: "userName", New: []byte(`"ada"`)}})
	equal(t, "commits", b.store.commits, 0)
	list, err := b.List(t.Context(), 10)
	if err != nil || len(list) != 0 {
		t.Errorf("List() = %v, %v, want none", list, err)
	}
}

func TestLostRaceIsPlannedAgain(t *testing.T) {
	b := newBench(t, person("ada"))
	b.run(OK)
	b.source.entries[0].Attributes["title"] = "Countess"
	var raced atomic.Bool
	b.store.beforeCommit = func(c *scim.Commit) error {
		if c.Fence != nil && raced.CompareAndSwap(false, true) {
			b.edit(b.find("User", "ada"), func(a map[string]any) { a["nickName"] = "A" })
		}
		return nil
	}
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Updated: 1})
	equal(t, "attributes", b.find("User", "ada").Attributes, map[string]any{"userName": "ada", "title": "Countess", "nickName": "A"})
}

func TestRaceLostForGood(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	b.source.entries = []Entry{person("ada", "title", "x"), person("bob", "title", "x")}
	b.store.beforeCommit = func(c *scim.Commit) error {
		if c.Put != nil && c.Put.UserName() == "ada" {
			return scim.Errorf(scim.ErrVersionMismatch, "someone is faster")
		}
		return nil
	}
	r := b.run(Partial)
	equal(t, "counts", r.Counts.Tally, Tally{Updated: 1})
	equal(t, "failed", r.Counts.Failed, 1)
	if r.Changes[0].Error == "" {
		t.Errorf("change %+v, want its error", r.Changes[0])
	}
	b.store.beforeCommit = nil
	b.run(OK)
	b.idle()
}

func TestStoreAwayForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entries := people(300)
		b := newBench(t, append(entries, group("all", ids(entries)...))...)
		var calls atomic.Int32
		var lost atomic.Bool
		b.store.beforeCommit = func(c *scim.Commit) error {
			if n := calls.Add(1); n%100 != 7 || lost.Load() {
				return nil
			}
			if c.Expect == scim.MustNotExist { // done, but the answer was lost
				c := *c
				lost.Store(true)
				if _, err := b.store.Commit(t.Context(), &c); err != nil {
					return err
				}
			}
			return scim.Errorf(scim.ErrUnavailable, "no answer")
		}
		r := b.run(OK)
		equal(t, "counts", r.Counts.Tally.Created, 301)
		equal(t, "members", len(b.members("all")), 300)
		b.idle()
	})
}

func TestStoreAwayForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.store.beforeCommit = func(*scim.Commit) error { return scim.Errorf(scim.ErrUnavailable, "no answer") }
		equal(t, "failure", b.run(Failed).Failure, FailedStore)
		b.store.beforeCommit = nil
		b.run(OK)
		b.idle()
	})
}

func TestKilledAtAnyCommit(t *testing.T) {
	entries := append(people(40), group("g", ids(people(40))...), group("h", "p00001"))
	for n := range int32(12) {
		b := newBench(t, entries...)
		var calls atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		b.store.beforeCommit = func(*scim.Commit) error {
			if calls.Add(1) > n*4 {
				cancel()
				return context.Canceled
			}
			return nil
		}
		r, err := b.Run(ctx, Manual)
		if err != nil || r.Result == OK && calls.Load() > n*4 {
			t.Fatalf("Run() = %v, %v", r, err)
		}
		if r.Result == Failed {
			equal(t, "failure", r.Failure, FailedInterrupted)
		}
		b.store.beforeCommit = nil
		b.run(OK)
		equal(t, "members", len(b.members("g")), 40)
		b.idle()
		cancel()
	}
}

func TestOneRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = 5 * time.Minute // longer than the lock's time: it has to be renewed
		done := make(chan *Report)
		go func() {
			r, _ := b.Run(t.Context(), Manual)
			done <- r
		}()
		time.Sleep(4 * time.Minute)
		_, err := b.Run(t.Context(), Manual)
		if !errors.Is(err, scim.ErrLocked) || !strings.Contains(err.Error(), "held by test") {
			t.Errorf("second Run() = %v, want ErrLocked with the holder", err)
		}
		running, err := b.List(t.Context(), 1)
		if err != nil || running[0].Result != Running {
			t.Errorf("List() = %v, %v, want one that is running", running, err)
		}
		if show, err := b.Show(t.Context(), running[0].ID); err != nil || show.Result != Running {
			t.Errorf("Show() = %v, %v, want it running", show, err)
		}
		equal(t, "result", (<-done).Result, OK)
		b.run(OK)
	})
}

func TestLostLockStopsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = time.Minute
		b.source.whenRead = func() { // as if this process had been asleep
			b.store.mu.Lock()
			b.store.locks["sync/corp"].number++
			b.store.mu.Unlock()
		}
		r := b.run(Failed)
		equal(t, "failure", r.Failure, FailedLock)
		equal(t, "commits", b.store.commits, 0)
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := b.Run(ctx, Manual)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "failure", r.Failure, FailedInterrupted)
		kept, err := b.Show(t.Context(), r.ID)
		if err != nil || kept.Result != Failed {
			t.Errorf("Show() = %v, %v, want the failed run", kept, err)
		}
		b.source.delay = 0
		b.run(OK) // the lock was given back
	})
}

func TestHistory(t *testing.T) {
	b := newBench(t, person("ada"))
	died := b.newRun(Manual).report
	if _, err := b.history.begin(t.Context(), died); err != nil {
		t.Fatal(err)
	}
	first := b.run(OK)
	old, err := b.Show(t.Context(), died.ID)
	if err != nil || old.Result != Failed || old.Failure != FailedInterrupted {
		t.Errorf("Show() = %+v, %v, want a run that died", old, err)
	}
	kept, err := b.Show(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kept changes", len(kept.Changes), 1)
	equal(t, "kept counts", kept.Counts, first.Counts)
	equal(t, "kept phases", len(kept.Phases), len(first.Phases))
	for range keptRuns + 3 {
		b.run(OK)
	}
	list, err := b.List(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kept runs", len(list), keptRuns)
	equal(t, "kept whole", len(b.store.KV("sync/reports/corp").(*fakeKV).values), keptRuns)
	equal(t, "newest first", list[0].ID > list[1].ID, true)
	if list[0].Changes != nil || list[0].Errors != nil {
		t.Errorf("List() = %+v, want no lists in it", list[0])
	}
	if _, err := b.Show(t.Context(), first.ID); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Show(%q) = %v, want ErrNotFound", first.ID, err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := newBench(t).config
	for name, spoil := range map[string]func(*Config){
		"name":    func(c *Config) { c.Name = "Corp/1" },
		"source":  func(c *Config) { c.Source = nil },
		"policy":  func(c *Config) { c.Policy = Policy{} },
		"percent": func(c *Config) { c.Policy.Guard.Missing.Percent = 101 },
		"jitter":  func(c *Config) { c.Jitter = -1 },
		"mapped":  func(c *Config) { c.Source = &fakeSource{mapped: map[string][]string{"User": {"shoeSize"}}} },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New with a bad %s: no error", name)
		}
	}
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

func TestDeletedWhileComparing(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("g", "ada"))
	b.run(OK)
	ada := b.find("User", "ada")
	b.source.entries[0] = person("ada", "title", "x")
	var once atomic.Bool
	b.store.beforeGet = func(ref scim.Ref) error {
		if ref == ada.Ref && once.CompareAndSwap(false, true) {
			b.remove(ada)
		}
		return nil
	}
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Created: 1})
	b.run(OK)
	equal(t, "members", b.members("g"), []string{"ada"})
	b.idle()
}

func TestCorruptResourceIsOneProblem(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	ada := b.find("User", "ada")
	b.source.entries = []Entry{person("ada", "title", "x"), person("bob", "title", "x")}
	body := b.store.resources[ada.Ref].Body
	b.store.resources[ada.Ref].Body = []byte("{")
	r := b.run(Partial)
	equal(t, "counts", r.Counts.Tally, Tally{Updated: 1})
	equal(t, "problem", r.Errors[0].Kind+" "+r.Errors[0].ID, "refused ada")
	b.store.resources[ada.Ref].Body = body
	b.run(OK)
	b.idle()
}

// The store may refuse a change for reasons of its own: the last administrator stays.
func TestRefusedChangeIsOneProblem(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	b.source.entries = []Entry{person("bob", "title", "x")}
	b.store.beforeCommit = func(c *scim.Commit) error {
		if c.Put != nil && !c.Put.Active() {
			return scim.Errorf(scim.ErrForbidden, "the last administrator stays")
		}
		return nil
	}
	r := b.run(Partial)
	equal(t, "counts", r.Counts.Tally, Tally{Updated: 1})
	equal(t, "reason", r.Errors[0].Reason, "the last administrator stays")
	equal(t, "again", b.run(Partial).Counts.Failed, 1)
}

func TestFencedCommitEndsTheRun(t *testing.T) {
	b := newBench(t, people(3)...)
	b.store.beforeCommit = func(*scim.Commit) error { return scim.Errorf(scim.ErrFenced, "another run") }
	r := b.run(Failed)
	equal(t, "failure", r.Failure, FailedLock)
	equal(t, "counts", r.Counts.Tally, Tally{})
}

// A run that has nothing to commit meets no fence: its count of who is missing must not come
// behind that of a run which took its lock over.
func TestLateRunCountsNobodyAsMissing(t *testing.T) {
	b := newBench(t, people(3)...)
	b.policy.MissingRuns = 2
	b.remake()
	b.run(OK)
	all := b.source.entries
	b.source.entries = all[:2]
	b.source.whenRead = func() {
		b.store.mu.Lock()
		defer b.store.mu.Unlock()
		b.store.locks["sync/corp"].number++ // another run began while this one was paused
	}
	equal(t, "failure", b.run(Failed).Failure, FailedLock)
	counted, err := b.memory.load(t.Context())
	if err != nil || len(counted.missing) != 0 {
		t.Errorf("load() = %+v, %v after a run that had lost its lock, want nobody", counted, err)
	}
}

func TestPlansAreMadeOneByOne(t *testing.T) {
	b := newBench(t, people(3)...)
	var reading, most atomic.Int32
	b.source.whenRead = func() {
		most.Store(max(most.Load(), reading.Add(1)))
		time.Sleep(2 * time.Millisecond)
		reading.Add(-1)
	}
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			if r, err := b.Plan(t.Context()); err != nil || r.Result != OK {
				t.Errorf("Plan() = %+v, %v", r, err)
			}
		})
	}
	wait.Wait()
	equal(t, "directories read at once", int(most.Load()), 1)

	b.planning <- struct{}{} // another's
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Plan(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("Plan() of who has gone = %v, want %v", err, context.Canceled)
	}
}

func TestGroupTakesUpAGroup(t *testing.T) {
	b := newBench(t, person("ada"), group("outer", "ada"), group("inner", "ada"))
	b.run(OK)
	b.source.entries[1] = group("outer", "ada", "inner")
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Updated: 1, MembersAdded: 1})
	equal(t, "members", b.members("outer"), []string{"ada", "inner"})
	b.idle()
}

// A group of several commits that is left half done is completed by the next run.
func TestKilledBetweenChunks(t *testing.T) {
	entries := people(2500)
	for n := range int32(3) {
		b := newBench(t, append(entries, group("all", ids(entries)...))...)
		var chunks atomic.Int32
		b.store.beforeCommit = func(c *scim.Commit) error {
			if c.Ref.Type == "Group" && chunks.Add(1) > n {
				return context.Canceled
			}
			return nil
		}
		b.run(Failed)
		b.store.beforeCommit = nil
		b.run(OK)
		equal(t, fmt.Sprintf("members after %d chunks", n), len(b.members("all")), 2500)
		b.idle()
	}
}
