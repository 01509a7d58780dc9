// Package storetest is the contract of scim.Store and scim.State as tests: each
// sentence of those comments is a case here. Every backend runs all of them, and every
// case ends with a check of every invariant (store.Workspace.Fsck).
//
// Start with Run. Damage checks that the check itself finds what it should.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"rollcall/scim"
	"rollcall/store"
)

// Open opens a backend that is empty, and closes it at the end of the test.
type Open func(t testing.TB) store.Backend

// Run runs the contract.
func Run(t *testing.T, open Open) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"Read", readCases}, {"Commit", commitCases}, {"Members", memberCases}, {"Nesting", nestingCases}, {"Feed", feedCases}, {"Images", imageCases}, {"Deleted", deletedCases},
		{"Query", queryCases}, {"Cursor", cursorCases}, {"Concurrent", concurrentCases}, {"State", stateCases}, {"Replay", replayCases}, {"Migrate", migrateCases},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newFixture(t, open, c.config)) })
			}
		})
	}
}

type testCase struct {
	name   string
	run    func(f *fixture)
	config store.Config // what the case needs of it
}

// fixture is a fresh store and shorthand for what cases do with it.
type fixture struct {
	testing.TB
	ctx     context.Context
	backend store.Backend
	store   *store.Store
	*store.Workspace
}

// Name is the test's, not the workspace's.
func (f *fixture) Name() string { return f.TB.Name() }

func newFixture(t testing.TB, open Open, c store.Config) *fixture {
	c.Backend = open(t)
	c.Logger = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	f := &fixture{TB: t, ctx: ctx, backend: c.Backend, store: store.New(c)}
	f.Workspace = f.open(store.DefaultWorkspace)
	t.Cleanup(func() {
		defer cancel()
		CheckClean(t, ctx, f.store)
	})
	return f
}

// CheckClean fails the test where any workspace breaks an invariant.
func CheckClean(t testing.TB, ctx context.Context, s *store.Store) {
	t.Helper()
	infos, err := s.Workspaces(ctx)
	if err != nil {
		t.Fatalf("Workspaces() = %v", err)
	}
	for _, info := range infos {
		w, err := s.Workspace(ctx, info.Name)
		if err != nil {
			t.Fatalf("Workspace(%q) = %v", info.Name, err)
		}
		report, err := w.Fsck(ctx)
		if err != nil {
			t.Fatalf("Fsck() of %s = %v", info.Name, err)
		}
		for _, finding := range report.Findings {
			t.Errorf("Fsck() of %s found %v", info.Name, finding)
		}
	}
}

func (f *fixture) open(name string) *store.Workspace {
	f.Helper()
	w, err := f.store.Workspace(f.ctx, name)
	if err != nil {
		f.Fatalf("Workspace(%q) = %v", name, err)
	}
	return w
}

// user is a new user in memory. attrs are more attributes, name and value in turn.
func user(userName string, attrs ...any) *scim.Resource {
	r := &scim.Resource{Attributes: map[string]any{"userName": userName}}
	r.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
	for i := 0; i < len(attrs); i += 2 {
		r.Attributes[attrs[i].(string)] = attrs[i+1]
	}
	return r
}

func group(displayName string) *scim.Resource {
	r := &scim.Resource{Attributes: map[string]any{"displayName": displayName}}
	r.Ref = scim.Ref{Type: "Group", ID: scim.NewID()}
	return r
}

func owned(r *scim.Resource, owner, externalID string) *scim.Resource {
	r.Owner, r.ExternalID = owner, externalID
	return r
}

func as(ctx context.Context, kind, id, client string) context.Context {
	return scim.WithActor(ctx, &scim.Actor{Kind: kind, ID: id, Client: client, RequestID: "req-1", All: true})
}

// commit makes a change that must succeed.
func (f *fixture) commit(c *scim.Commit) *scim.Committed {
	f.Helper()
	done, err := f.Commit(f.ctx, c)
	if err != nil {
		f.Fatalf("Commit(%s) = %v", c.Ref, err)
	}
	return done
}

func (f *fixture) refused(c *scim.Commit, want error) error {
	f.Helper()
	_, err := f.Commit(f.ctx, c)
	checkError(f, fmt.Sprintf("Commit(%s)", c.Ref), err, want)
	return err
}

// create makes a new resource, with members.
func (f *fixture) create(r *scim.Resource, members ...scim.Ref) *scim.Stored {
	f.Helper()
	return f.commit(&scim.Commit{Ref: r.Ref, Put: r, Edges: add(members...)}).Stored
}

// replace puts the state with changed attributes over old.
func replace(old *scim.Stored, change func(*scim.Resource)) *scim.Commit {
	r, err := old.Resource()
	if err != nil {
		panic(err)
	}
	change(r)
	return &scim.Commit{Ref: old.Ref, Expect: old.Version, Old: old, Put: r}
}

func set(name string, value any) func(*scim.Resource) {
	return func(r *scim.Resource) { r.Attributes[name] = value }
}

func remove(old *scim.Stored) *scim.Commit {
	return &scim.Commit{Ref: old.Ref, Expect: old.Version, Old: old, Delete: true}
}

func add(members ...scim.Ref) []scim.EdgeChange {
	var edges []scim.EdgeChange
	for _, m := range members {
		edges = append(edges, scim.EdgeChange{Member: m})
	}
	return edges
}

func drop(members ...scim.Ref) []scim.EdgeChange {
	edges := add(members...)
	for i := range edges {
		edges[i].Remove = true
	}
	return edges
}

func edgesOf(group scim.Ref, edges []scim.EdgeChange) *scim.Commit {
	return &scim.Commit{Ref: group, Expect: scim.MustExist, Edges: edges}
}

func (f *fixture) get(ref scim.Ref) *scim.Stored {
	f.Helper()
	s, err := f.Get(f.ctx, ref, scim.With{Groups: true})
	if err != nil {
		f.Fatalf("Get(%s) = %v", ref, err)
	}
	return s
}

func (f *fixture) members(g scim.Ref) []scim.Ref {
	f.Helper()
	var refs []scim.Ref
	for ref, err := range f.Members(f.ctx, g, scim.Ref{}) {
		if err != nil {
			f.Fatalf("Members(%s) = %v", g, err)
		}
		refs = append(refs, ref)
	}
	return refs
}

func (f *fixture) changes(after scim.Version) []scim.Change {
	f.Helper()
	changes, err := f.Changes(f.ctx, after, 10_000)
	if err != nil {
		f.Fatalf("Changes(%d) = %v", after, err)
	}
	return changes
}

func (f *fixture) owned(owner, typ string) map[string]scim.Owned {
	f.Helper()
	all := map[string]scim.Owned{}
	for o, err := range f.Owned(f.ctx, owner, typ) {
		if err != nil {
			f.Fatalf("Owned(%q, %q) = %v", owner, typ, err)
		}
		if _, twice := all[o.ExternalID]; twice {
			f.Errorf("Owned(%q, %q) told of %q twice", owner, typ, o.ExternalID)
		}
		all[o.ExternalID] = o
	}
	return all
}

func checkError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !isError(err, want) {
		t.Fatalf("%s = %v, want %v", what, err, want)
	}
}

func checkEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := text(got), text(want); g != w {
		t.Errorf("%s = %s, want %s", what, g, w)
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func sorted(refs ...scim.Ref) []scim.Ref {
	slices.SortFunc(refs, func(a, b scim.Ref) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	return refs
}
