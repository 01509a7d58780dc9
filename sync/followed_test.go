package sync

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"rollcall/scim"
)

// fakeFollower follows a fakeSource: what it tells next is set by the test.
type fakeFollower struct {
	*fakeSource
	next      *Delta
	err       error
	forgotten int
	whole     int
	resumed   bool
	resumeErr error
}

func (f *fakeFollower) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	f.whole++
	return f.fakeSource.Entries(ctx)
}

func (f *fakeFollower) Changes(context.Context) (*Delta, error) {
	if f.err != nil {
		return nil, f.err
	}
	d := f.next
	if f.next = nil; d == nil {
		d = &Delta{}
	}
	return d, nil
}

func (f *fakeFollower) Forget() { f.forgotten++ }
func (f *fakeFollower) Position() ([]byte, error) {
	if f.whole == 0 && !f.resumed {
		return nil, nil
	}
	return []byte(strings.Repeat("position", 100_000)), nil
}

func (f *fakeFollower) Resume(p []byte) error {
	if len(p) != 800_000 {
		return errors.New("another position")
	}
	f.resumed = true
	return f.resumeErr
}

func (f *fakeFollower) Wait(context.Context) error { return &ReadWhole{Why: "it is a fake"} }

// followedBench is a bench whose runs follow.
type followedBench struct {
	*bench
	f *fakeFollower
}

func newFollowed(t *testing.T, entries ...Entry) *followedBench {
	b := &followedBench{bench: newBench(t, entries...)}
	b.f = &fakeFollower{fakeSource: b.source}
	b.remake()
	b.run(OK)
	return b
}

func (b *followedBench) remake() {
	r, err := New(Config{Name: "corp", Source: b.source, Follower: b.f, WholeEvery: time.Hour, Target: b.store, State: b.store,
		Model: b.store.model, Policy: b.policy, Holder: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Runner = r
}

// follow does a run that need read only what changed: nil where nothing did.
func (b *followedBench) follow(d *Delta) *Report {
	b.t.Helper()
	b.f.next = d
	r, err := b.do(b.t.Context(), order{trigger: Scheduled, follow: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// changes is follow that expects a run of what changed.
func (b *followedBench) changes(d *Delta, result Result, n int) *Report {
	b.t.Helper()
	r := b.follow(d)
	if r == nil || r.Read != ReadChanges || r.Result != result || r.ChangeCount != n {
		b.t.Fatalf("the run = %+v, want %s of changes alone, %d of them", r, result, n)
	}
	return r
}

func someUsers(n int) []Entry {
	var all []Entry
	for i := range n {
		all = append(all, someone(fmt.Sprintf("u%d", i)))
	}
	return all
}

func someone(id string) Entry {
	return Entry{ID: id, Type: "User", DN: "uid=" + id, Attributes: map[string]any{"userName": id, "title": "T", "active": true}}
}

func aTeam(id string, members ...string) Entry {
	return Entry{ID: id, Type: "Group", DN: "cn=" + id, Attributes: map[string]any{"displayName": id}, Members: members}
}

func TestFollowed(t *testing.T) {
	b := newFollowed(t, append(someUsers(30), aTeam("g", "u0", "u1"))...)
	if r := b.follow(nil); r != nil || b.f.whole != 1 {
		t.Fatalf("nothing changed, and the run = %+v, %d whole reads", r, b.f.whole)
	}
	titled := someone("u1")
	titled.Attributes["title"] = "Changed"
	b.changes(&Delta{Entries: []Entry{titled}}, OK, 1)
	if got := b.find("User", "u1").Attributes["title"]; got != "Changed" {
		t.Errorf("title = %v, want Changed", got)
	}
	b.changes(&Delta{Entries: []Entry{titled}}, OK, 0) // told twice
	b.changes(&Delta{Entries: []Entry{someone("new"), aTeam("g", "new", "u0", "u1")}}, OK, 2)
	b.changes(&Delta{Entries: []Entry{aTeam("g", "new", "u1")}}, OK, 1)

	// Gone, and back, under the same id, all without a whole read.
	id := b.find("User", "u2").ID
	b.changes(&Delta{Gone: []scim.Ref{{Type: "User", ID: "u2"}, {Type: "User", ID: "never known"}}}, OK, 1)
	if r := b.find("User", "u2"); r.Active() || r.ID != id {
		t.Errorf("u2 = %+v, want disabled", r)
	}
	b.changes(&Delta{Gone: []scim.Ref{{Type: "User", ID: "u2"}}}, OK, 0)
	b.changes(&Delta{Entries: []Entry{someone("u2")}}, OK, 1)
	if r := b.find("User", "u2"); !r.Active() || r.ID != id {
		t.Errorf("u2 = %+v, want active under the same id", r)
	}
	if b.f.whole != 1 || b.f.forgotten != 0 {
		t.Errorf("%d whole reads, forgotten %d times, want 1 and 0", b.f.whole, b.f.forgotten)
	}
	// A whole read has nothing left to do.
	b.source.entries = append(someUsers(30), someone("new"), aTeam("g", "new", "u1"))
	b.source.entries[1] = titled
	b.idle()
}

// A restart goes on with what changed, under the counts and the guard of before, and so does one in the middle
// of a run of what changed.
func TestFollowedRestart(t *testing.T) {
	b := newFollowed(t, append(someUsers(30), aTeam("g", "u0", "u1"))...)
	b.changes(&Delta{Gone: []scim.Ref{{Type: "User", ID: "u9"}}}, OK, 1)
	for range 2 {
		b.f = &fakeFollower{fakeSource: b.source}
		b.remake()
		if r := b.follow(nil); r != nil || !b.f.resumed {
			t.Fatalf("nothing changed, and the run = %+v", r)
		}
		died := b.newRun(Scheduled)
		died.heard = &heard{delta: &Delta{}}
		if err := died.noteBegin(t.Context()); err != nil {
			t.Fatal(err)
		}
		// What came after the position is told again.
		r := b.changes(&Delta{Entries: []Entry{someone("u5")}, Gone: []scim.Ref{{Type: "User", ID: "u9"}}}, OK, 0)
		if c := r.Counts; c.Users != 29 || c.Groups != 1 || c.Gone != 1 || c.MissingUsers != 0 {
			t.Errorf("counts = %+v, want 29 users, a group and one gone", c)
		}
	}
	// What is kept of the store by then is what is there.
	b.changes(&Delta{Entries: []Entry{someone("u9"), someone("new"), aTeam("g", "u1", "new")}}, OK, 3)
	r := b.changes(&Delta{Entries: []Entry{someone("u9"), someone("new")}}, OK, 0)
	if c := r.Counts; c.Users != 31 || c.Gone != 0 || c.Unchanged != 32 {
		t.Errorf("counts = %+v, want 31 users and none gone", c)
	}
	if b.f.whole != 0 {
		t.Errorf("%d whole reads, want none", b.f.whole)
	}
	b.follow(&Delta{Gone: []scim.Ref{{Type: "User", ID: "u1"}}})
	if n := keys(t, b.positions()); n != 3 { // the head and two parts
		t.Errorf("%d values are kept of the position, want 3", n)
	}
}

func keys(t *testing.T, kv scim.KV) (n int) {
	t.Helper()
	if err := kv.Scan(t.Context(), func(string, []byte) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFollowedReadsWhole(t *testing.T) {
	entries := append(someUsers(30), aTeam("g", "u0"))
	whole := func(t *testing.T, b *followedBench, d *Delta) {
		t.Helper()
		before := b.f.whole
		r := b.follow(d)
		if r == nil || r.Read != ReadAll || r.Why == "" || b.f.whole != before+1 {
			t.Errorf("the run = %+v with %d whole reads, want one, and why", r, b.f.whole-before)
		}
	}
	one := func() *Delta { return &Delta{Entries: []Entry{someone("u1")}} }
	t.Run("the first time", func(t *testing.T) {
		b := &followedBench{bench: newBench(t, entries...)}
		b.f = &fakeFollower{fakeSource: b.source}
		b.remake()
		whole(t, b, one())
	})
	restart := func(b *followedBench) {
		b.f = &fakeFollower{fakeSource: b.source}
		b.remake()
	}
	t.Run("after a restart, where the position is damaged", func(t *testing.T) {
		b := newFollowed(t, entries...)
		err := b.positions().Scan(t.Context(), func(key string, value []byte) error {
			if key == positionHead {
				return nil
			}
			return b.positions().Put(t.Context(), key, append([]byte{value[0] ^ 1}, value[1:]...), nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		restart(b)
		whole(t, b, one())
	})
	t.Run("after a restart, where the follower has no use for it", func(t *testing.T) {
		b := newFollowed(t, entries...)
		restart(b)
		b.f.resumeErr = &ReadWhole{Why: "other settings"}
		whole(t, b, one())
	})
	t.Run("after a restart with another mapping", func(t *testing.T) {
		b := newFollowed(t, entries...)
		b.source.mapped = map[string][]string{"User": {"title", "nickName"}}
		restart(b)
		whole(t, b, one())
	})
	t.Run("after a restart in the middle of a whole run", func(t *testing.T) {
		b := newFollowed(t, entries...)
		died := b.newRun(Manual)
		if err := died.noteBegin(t.Context()); err != nil {
			t.Fatal(err)
		}
		restart(b)
		whole(t, b, one())
	})
	t.Run("after a restart, where the last run failed", func(t *testing.T) {
		b := newFollowed(t, entries...)
		b.source.failed = errors.New("no connection")
		b.run(Failed)
		b.source.failed = nil
		restart(b)
		whole(t, b, one())
	})
	t.Run("after a restart, when it was long ago", func(t *testing.T) {
		b := newFollowed(t, entries...)
		b.f.whole = 0
		restart(b)
		b.Runner.config.WholeEvery = time.Nanosecond
		whole(t, b, one())
	})
	t.Run("when the source says so", func(t *testing.T) {
		b := newFollowed(t, entries...)
		b.f.err = &ReadWhole{Why: "the cookie is no good"}
		whole(t, b, nil)
	})
	t.Run("when it was long ago", func(t *testing.T) {
		b := newFollowed(t, entries...)
		b.followed.whole = time.Now().Add(-2 * time.Hour)
		whole(t, b, one())
	})
	t.Run("where groups give roles", func(t *testing.T) {
		b := newFollowed(t, entries...)
		b.policy.Roles = map[string]string{"g": "admin"}
		b.remake()
		b.run(OK)
		if r := b.follow(nil); r != nil {
			t.Errorf("nothing changed, and the run = %+v", r)
		}
		whole(t, b, one())
	})
	t.Run("after a run that was blocked", func(t *testing.T) {
		b := newFollowed(t, entries...)
		var gone []scim.Ref
		for i := range 20 {
			gone = append(gone, scim.Ref{Type: "User", ID: fmt.Sprint("u", i)})
		}
		b.changes(&Delta{Gone: gone}, Blocked, 20)
		for i := range 20 {
			if !b.find("User", fmt.Sprint("u", i)).Active() {
				t.Fatalf("u%d was disabled", i)
			}
		}
		if b.f.forgotten != 1 {
			t.Errorf("forgotten %d times, want 1", b.f.forgotten)
		}
		whole(t, b, one())
	})
	t.Run("where somebody is gone and there are canaries", func(t *testing.T) {
		b := newFollowed(t, entries...)
		b.policy.Guard.Canaries = []string{"u3"}
		b.remake()
		b.run(OK)
		b.changes(one(), OK, 0)
		whole(t, b, &Delta{Gone: []scim.Ref{{Type: "User", ID: "u4"}}})
	})
}

// An error of reading is a failed run, and the next one hears of the same changes.
func TestFollowedFails(t *testing.T) {
	b := newFollowed(t, someUsers(30)...)
	b.f.err = errors.New("no connection")
	if r := b.follow(nil); r == nil || r.Result != Failed || r.Failure != FailedSource {
		t.Errorf("the run = %+v, want failed for the source", r)
	}
	if b.f.forgotten != 0 {
		t.Error("what the source had to tell was forgotten")
	}
	b.f.err = nil
	b.changes(&Delta{Entries: []Entry{someone("new")}}, OK, 1)
}

// Another replica ran the source meanwhile: what this one remembers of the store is not good any more.
func TestFollowedByTwo(t *testing.T) {
	a := newFollowed(t, someUsers(30)...)
	b := &followedBench{bench: &bench{t: t, source: a.source, store: a.store, policy: a.policy}}
	b.f = &fakeFollower{fakeSource: a.source}
	b.remake()
	b.run(OK)
	b.changes(&Delta{Entries: []Entry{someone("new")}}, OK, 1)
	b.changes(&Delta{Gone: []scim.Ref{{Type: "User", ID: "u1"}}}, OK, 1)
	// a hears of the same, later: there is nothing to do, and nobody is made twice.
	a.changes(&Delta{Entries: []Entry{someone("new")}, Gone: []scim.Ref{{Type: "User", ID: "u1"}}}, OK, 0)
	// u1 was disabled by b: a enables it again.
	a.changes(&Delta{Entries: []Entry{someone("u1")}}, OK, 1)
	if !a.find("User", "u1").Active() {
		t.Error("u1 is not active again")
	}
}

// Where it takes several runs for somebody to count as missing, those are whole ones, and what they have
// counted stays.
func TestFollowedMissingRuns(t *testing.T) {
	b := newFollowed(t, someUsers(30)...)
	b.policy.MissingRuns = 2
	b.remake()
	b.run(OK)
	b.source.entries = someUsers(30)[1:]
	b.run(OK) // u0 was missing once
	for range 3 {
		b.changes(&Delta{Entries: []Entry{someone("u5")}, Gone: []scim.Ref{{Type: "User", ID: "u1"}}}, OK, 0)
	}
	if !b.find("User", "u0").Active() || !b.find("User", "u1").Active() {
		t.Error("somebody was disabled by runs that are not whole")
	}
	b.run(OK)
	if b.find("User", "u0").Active() {
		t.Error("u0 is active, and was missing from two whole runs")
	}
}

// A fault in what changed is told, and harms nobody.
func TestFollowedFaults(t *testing.T) {
	b := newFollowed(t, append(someUsers(30), aTeam("g", "u0", "u1"))...)
	b.changes(&Delta{Entries: []Entry{someone("u5")}, Faults: []*EntryError{{DN: "uid=u0", ID: "u0", Reason: "r", Remedy: "r"}, {DN: "uid=?", Reason: "r", Remedy: "r"}}}, Partial, 0)
	if !b.find("User", "u0").Active() {
		t.Error("u0 was disabled")
	}
	b.idle()
}
