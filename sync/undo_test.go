package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// realBench is a runner on a real store, whose feed keeps what was.
type realBench struct {
	t      *testing.T
	source *fakeSource
	store  *store.Workspace
	config Config
	*Runner
}

func newRealBench(t *testing.T, entries ...Entry) *realBench {
	t.Helper()
	backend, err := boltdb.Open(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { backend.Close() })
	w, err := store.New(store.Config{Backend: backend}).Workspace(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	b := &realBench{t: t, source: &fakeSource{entries: entries}, store: w}
	b.source.mapped = map[string][]string{"User": {"userName", "title", "active", "name.givenName", scim.EnterpriseURN + ":department"}}
	b.config = Config{Name: "corp", Source: b.source, Target: w, State: w, Model: scim.DefaultModel(), Policy: DefaultPolicy(), Workspace: "default"}
	b.config.Policy.Guard.Missing = Limit{Percent: 100}
	b.config.Policy.Guard.Deleted = Limit{Percent: 100}
	b.remake()
	return b
}

func (b *realBench) remake() {
	b.t.Helper()
	var err error
	if b.Runner, err = New(b.config); err != nil {
		b.t.Fatal(err)
	}
}

func (b *realBench) did(want Result) func(*Report, error) *Report {
	b.t.Helper()
	return func(r *Report, err error) *Report {
		b.t.Helper()
		if err != nil || r.Result != want {
			b.t.Fatalf("run = %s %s %+v %+v, %v, want %s", r.Result, r.Error, r.Errors, r.Verdict, err, want)
		}
		return r
	}
}

// state is every resource with its members, versions and times left out.
func (b *realBench) state() map[string]string {
	b.t.Helper()
	all := map[string]string{}
	for _, typ := range []string{"User", "Group"} {
		page, err := b.store.Query(b.t.Context(), &scim.Query{Types: []string{typ}, Start: 1, Count: 1000})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, s := range page.Resources {
			var members []string
			for m, err := range b.store.Members(b.t.Context(), s.Ref, scim.Ref{}) {
				if err != nil {
					b.t.Fatal(err)
				}
				members = append(members, m.String())
			}
			all[s.Ref.String()] = fmt.Sprint(s.Owner, s.ExternalID, string(s.Body), members)
		}
	}
	return all
}

func (b *realBench) same(want map[string]string) {
	b.t.Helper()
	got := b.state()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			b.t.Errorf("%s = %q, want %q", key, got[key], want[key])
		}
	}
	if len(got) != len(want) {
		b.t.Errorf("%d resources, want %d", len(got), len(want))
	}
}

// edit changes a person as an administrator would.
func (b *realBench) edit(userName, attr string, value any) {
	b.t.Helper()
	s, err := b.store.Lookup(b.t.Context(), "User", "userName", userName, scim.With{})
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := s.Resource()
	if err != nil {
		b.t.Fatal(err)
	}
	r.Attributes[attr] = value
	if _, err := b.store.Commit(b.t.Context(), &scim.Commit{Ref: s.Ref, Expect: s.Version, Old: s, Put: r}); err != nil {
		b.t.Fatal(err)
	}
}

func TestUndo(t *testing.T) {
	dept := func(d string) []any { return []any{scim.EnterpriseURN, map[string]any{"department": d}} }
	b := newRealBench(t, person("ada", append(dept("Engines"), "title", "Countess")...), person("bob"), person("cyd"), person("zoe"),
		group("g", "ada", "bob"), group("big", ids(people(1500))...))
	b.source.entries = append(b.source.entries, people(1500)...)
	b.did(OK)(b.Run(t.Context(), Manual))
	before := b.state()

	// Renames in a chain, new and other values, a disabled person, one who is missing, new people
	// and groups, members of more than one commit.
	b.source.entries = append([]Entry{person("ada", append(dept("Sums"), "userName", "bob", "title", "x")...), person("bob", "userName", "cyd"),
		person("cyd", "userName", "dee", "active", false), person("new"), group("g", "bob", "new"), group("big"), group("fresh", "ada", "new")}, people(1500)...)
	b.config.Policy.Guard.MemberLoss = Limit{Percent: 100}
	b.config.Policy.Guard.Removals = Limit{Percent: 100}
	b.remake()
	run := b.did(OK)(b.Run(t.Context(), Manual))
	if run.Counts.MembersRemoved != 1501 || run.Counts.Disabled != 2 {
		t.Fatalf("counts = %+v, want 1501 members removed and 2 people disabled", run.Counts)
	}
	undo := b.did(OK)(b.Undo(t.Context(), run.ID))
	b.same(before)
	equal(t, "undoes", undo.Undoes, run.ID)
	equal(t, "counts", undo.Counts.Tally, Tally{Updated: 4, Enabled: 2, Deleted: 2, MembersAdded: 1501, MembersRemoved: 3}) // two of the group that is deleted

	// A scheduled run does not do it again; one that is asked for does.
	blocked := b.did(Blocked)(b.do(t.Context(), order{trigger: Scheduled}))
	if !strings.Contains(fmt.Sprint(blocked.Verdict.Limits), "since run "+run.ID+" was undone") {
		t.Errorf("verdict = %+v, want it to say why", blocked.Verdict)
	}
	b.same(before)
	if again := b.did(OK)(b.Undo(t.Context(), run.ID)); again.ChangeCount != 0 {
		t.Errorf("a second Undo() changed %+v, want nothing", again.Changes)
	}
	again := b.did(OK)(b.Run(t.Context(), Manual))
	equal(t, "disabled again", again.Counts.Disabled, 2)
	b.did(OK)(b.do(t.Context(), order{trigger: Scheduled}))
	// What was undone can be done again, and that undone too, and that.
	after := b.state()
	undo = b.did(OK)(b.Undo(t.Context(), again.ID))
	b.same(before)
	b.did(OK)(b.Undo(t.Context(), undo.ID))
	b.same(after)
}

func TestUndoLeavesWhatChangedSince(t *testing.T) {
	b := newRealBench(t, person("ada"), person("bob"), person("cyd"), group("g", "ada"))
	b.did(OK)(b.Run(t.Context(), Manual))
	b.source.entries = []Entry{person("ada", "title", "x"), person("bob", "title", "x"), person("cyd", "title", "x"), person("new"), group("g", "ada", "bob")}
	run := b.did(OK)(b.Run(t.Context(), Manual))
	b.edit("ada", "nickName", "A")
	b.edit("new", "nickName", "N")
	undo := b.did(Partial)(b.Undo(t.Context(), run.ID))
	equal(t, "counts", undo.Counts.Tally, Tally{Updated: 3, MembersRemoved: 1})
	equal(t, "left", undo.ErrorCount, 2)
	for _, p := range undo.Errors {
		if p.Kind != "changed" || p.DN != "ada" && p.DN != "new" || p.Remedy == "" {
			t.Errorf("problem = %+v, want who was left and what to do", p)
		}
	}
	if s, err := b.store.Lookup(t.Context(), "User", "userName", "ada", scim.With{}); err != nil || !strings.Contains(string(s.Body), `"title":"x"`) {
		t.Errorf("ada = %s, %v, want her left as she was", s.Body, err)
	}
}

func TestUndoDeletion(t *testing.T) {
	b := newRealBench(t, person("ada", "title", "Countess"), person("bob"), group("g", "ada", "bob"), group("h", "ada"))
	b.config.Policy.DeleteAfter = time.Nanosecond
	b.remake()
	b.did(OK)(b.Run(t.Context(), Manual))
	all := b.source.entries
	b.source.entries = []Entry{person("bob"), group("g", "ada", "bob")}
	b.did(OK)(b.Run(t.Context(), Manual))
	before := b.state()
	run := b.did(OK)(b.Run(t.Context(), Manual))
	equal(t, "deleted", run.Counts.Deleted, 2)
	b.did(OK)(b.Undo(t.Context(), run.ID))
	b.same(before)
	b.source.entries = all
	back := b.did(OK)(b.Run(t.Context(), Manual))
	equal(t, "enabled", back.Counts.Tally, Tally{Enabled: 1})
}

func TestUndoRefusals(t *testing.T) {
	b := newRealBench(t, person("ada"))
	b.did(OK)(b.Run(t.Context(), Manual))
	idle := b.did(OK)(b.Run(t.Context(), Manual))
	if _, err := b.Undo(t.Context(), idle.ID); !errors.Is(err, scim.ErrVersionMismatch) {
		t.Errorf("Undo() of a run without changes = %v, want ErrVersionMismatch", err)
	}
	if _, err := b.Undo(t.Context(), "nosuch"); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Undo() of no run = %v, want ErrNotFound", err)
	}
	under := b.newRun(Manual).report
	if err := b.history.putSummary(context.WithoutCancel(t.Context()), under); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Undo(t.Context(), under.ID); !errors.Is(err, scim.ErrVersionMismatch) {
		t.Errorf("Undo() of a run under way = %v, want ErrVersionMismatch", err)
	}
}
