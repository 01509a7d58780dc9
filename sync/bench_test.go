package sync

import (
	"reflect"
	"slices"
	"testing"

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
