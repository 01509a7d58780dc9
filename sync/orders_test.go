package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/scim"
)

// planned makes a plan and expects a result.
func (b *bench) planned(want Result) *Report {
	b.t.Helper()
	r, err := b.Plan(b.t.Context())
	if err != nil || r.Result != want {
		b.t.Fatalf("Plan() = %+v, %v, want %s", r, err, want)
	}
	return r
}

func TestApplyDoesThePlan(t *testing.T) {
	b := newBench(t, person("ada"), group("g", "ada"))
	b.run(OK)
	b.source.entries = []Entry{person("ada", "title", "x"), person("bob"), group("g", "ada", "bob"), group("new", "bob")}
	plan := b.planned(OK)
	r, err := b.Apply(t.Context(), plan.ID)
	if err != nil || r.Result != OK {
		t.Fatalf("Apply() = %+v, %v", r, err)
	}
	equal(t, "plan", r.Plan, plan.ID)
	equal(t, "hash", r.Hash, plan.Hash)
	equal(t, "done", r.Counts.Tally, plan.Planned)
	b.idle()
	if _, err := b.Apply(t.Context(), plan.ID); !errors.Is(err, scim.ErrVersionMismatch) || !strings.Contains(err.Error(), r.ID) {
		t.Errorf("Apply() again = %v, want ErrVersionMismatch with the run that applied it", err)
	}
	if _, err := b.Apply(t.Context(), r.ID); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Apply() of a run = %v, want ErrNotFound", err)
	}
}

func TestApplyRefusesWhatMoved(t *testing.T) {
	for name, c := range map[string]struct {
		move func(b *bench)
		want []Moved
	}{
		"another value":     {func(b *bench) { b.source.entries[0].Attributes["title"] = "y" }, []Moved{{"User", "ada", "ada", Update, Update}}},
		"one more":          {func(b *bench) { b.source.entries = append([]Entry{person("eve")}, b.source.entries...) }, []Moved{{"User", "eve", "eve", "", Create}}},
		"one less":          {func(b *bench) { b.source.entries[0] = person("ada") }, []Moved{{"User", "ada", "ada", Update, ""}}},
		"the store":         {func(b *bench) { b.edit(b.find("User", "ada"), func(a map[string]any) { a["title"] = "z" }) }, []Moved{{"User", "ada", "ada", Update, Update}}},
		"another member":    {func(b *bench) { b.source.entries[2] = group("g", "bob") }, []Moved{{"Group", "g", "g", Members, Members}}},
		"one more is gone":  {func(b *bench) { b.source.entries = append(b.source.entries[:1:1], b.source.entries[2]) }, nil},
		"only a new person": {func(b *bench) { b.source.entries[1].Attributes["title"] = "t" }, []Moved{{"User", "bob", "bob", Create, Create}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, person("ada"), person("zoe"), group("g"))
			b.run(OK)
			b.source.entries = []Entry{person("ada", "title", "x"), person("bob"), group("g", "bob", "ada"), person("zoe")}
			plan := b.planned(OK)
			c.move(b)
			commits := b.store.commits
			r, err := b.Apply(t.Context(), plan.ID)
			if err != nil || r.Failure != FailedMoved {
				t.Fatalf("Apply() = %+v, %v, want it to refuse", r, err)
			}
			equal(t, "commits", b.store.commits, commits)
			if c.want != nil {
				equal(t, "moved", r.Moved, c.want)
			}
			if r.MovedCount == 0 || !strings.Contains(r.Error, "rollcall sync plan corp") {
				t.Errorf("report = %+v, want how many moved and the next step", r)
			}
		})
	}
}

// A name that is taken is no difference between a plan and its application.
func TestApplyAndApproveWithAConflict(t *testing.T) {
	b := newBench(t, append(people(100), person("taken"))...)
	b.foreign("taken")
	plan := b.planned(Partial)
	if r, err := b.Apply(t.Context(), plan.ID); err != nil || r.Result != Partial || r.Counts.Created != 100 {
		t.Fatalf("Apply() = %+v, %v, want the hundred created", r, err)
	}
	b.source.entries = append(people(50), person("taken"))
	blocked := b.run(Blocked)
	equal(t, "errors", blocked.ErrorCount, 1)
	if r, err := b.Approve(t.Context(), blocked.ID); err != nil || r.Result != Partial || r.Counts.Disabled != 50 {
		t.Fatalf("Approve() = %+v, %v, want fifty disabled", r, err)
	}
}

func TestPlanKeepsEveryChange(t *testing.T) {
	b := newBench(t, people(2600)...)
	plan := b.planned(OK)
	equal(t, "changes in the report", len(plan.Changes), MaxChanges)
	var all []Change
	for {
		page, err := b.Changes(t.Context(), plan.ID, len(all), 700)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
	}
	equal(t, "changes", len(all), 2600)
	equal(t, "the last", all[2599].Name, "p02599")
	equal(t, "its value", string(all[2599].Attributes[0].New), `"p02599"`)
	b.source.entries[2500].Attributes["title"] = "x" // far behind what the report names
	r, err := b.Apply(t.Context(), plan.ID)
	if err != nil || r.Failure != FailedMoved {
		t.Fatalf("Apply() = %+v, %v, want it to refuse", r, err)
	}
	equal(t, "moved", r.Moved, []Moved{{"User", "p02500", "p02500", Create, Create}})

	for range keptPlans + 2 {
		b.planned(OK)
	}
	plans, err := b.Plans(t.Context(), 1000)
	if err != nil || len(plans) != keptPlans {
		t.Errorf("Plans() = %d, %v, want %d", len(plans), err, keptPlans)
	}
	if _, err := b.Show(t.Context(), plan.ID); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Show() of an old plan = %v, want ErrNotFound", err)
	}
	equal(t, "changes kept of it", len(b.store.KV("sync/changes/"+plan.ID).(*fakeKV).values), 0)
}

func TestApprove(t *testing.T) {
	for _, planned := range []bool{false, true} {
		b := newBench(t, people(100)...)
		ok := b.run(OK)
		b.source.entries = people(80)
		blocked := b.run(Blocked)
		if planned {
			blocked = b.planned(Blocked)
			if r, err := b.Apply(t.Context(), blocked.ID); err != nil || r.Result != Blocked {
				t.Errorf("Apply() of a blocked plan = %+v, %v, want it blocked", r, err)
			}
		}
		changes, err := b.Changes(t.Context(), blocked.ID, 0, 1000)
		if err != nil || len(changes) != 20 || !strings.Contains(blocked.Verdict.Next, "sync approve "+blocked.ID) {
			t.Fatalf("%d changes, %v, next %q", len(changes), err, blocked.Verdict.Next)
		}
		if _, err := b.Approve(t.Context(), ok.ID); !errors.Is(err, scim.ErrVersionMismatch) {
			t.Errorf("Approve() of a run that went well = %v, want ErrVersionMismatch", err)
		}
		admin := scim.WithActor(t.Context(), &scim.Actor{Kind: "operator", ID: "root"})
		r, err := b.Approve(admin, blocked.ID)
		if err != nil || r.Result != OK {
			t.Fatalf("Approve() = %+v, %v", r, err)
		}
		equal(t, "by", r.By, "operator:root")
		equal(t, "counts", r.Counts.Tally, Tally{Disabled: 20})
		if _, err := b.Approve(t.Context(), blocked.ID); !errors.Is(err, scim.ErrVersionMismatch) {
			t.Errorf("Approve() again = %v, want ErrVersionMismatch", err)
		}
		b.idle()
	}
}

func TestApproveRefusesWhatMoved(t *testing.T) {
	b := newBench(t, people(100)...)
	b.policy.MissingRuns = 2 // nobody is disabled yet, and who is missing counts all the same
	b.remake()
	b.run(OK)
	b.source.entries = people(80)
	blocked := b.run(Blocked)
	equal(t, "changes", blocked.ChangeCount, 0)
	b.source.entries = people(79)
	r, err := b.Approve(t.Context(), blocked.ID)
	if err != nil || r.Failure != FailedMoved || !strings.Contains(r.Error, "rollcall sync run corp") {
		t.Fatalf("Approve() = %+v, %v, want it to refuse", r, err)
	}
	b.source.entries = people(80)
	if r, err := b.Approve(t.Context(), blocked.ID); err != nil || r.Result != OK {
		t.Fatalf("Approve() of what was shown = %+v, %v", r, err)
	}
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = time.Hour
		done := make(chan *Report)
		go func() {
			r, _ := b.Run(t.Context(), Manual)
			done <- r
		}()
		time.Sleep(time.Minute)
		running, err := b.List(t.Context(), 1)
		if err != nil || len(running) != 1 || running[0].Progress == nil || running[0].Progress.Phase != "read" {
			t.Fatalf("List() = %+v, %v, want a run that reads", running, err)
		}
		admin := scim.WithActor(t.Context(), &scim.Actor{Kind: "token", ID: "t1", Name: "ops"})
		if err := b.Cancel(admin, running[0].ID); err != nil {
			t.Fatal(err)
		}
		r := <-done
		equal(t, "failure", r.Failure, FailedCancelled)
		if !strings.Contains(r.Error, "token:t1 (ops)") {
			t.Errorf("error = %q, want who cancelled it", r.Error)
		}
		if err := b.Cancel(t.Context(), r.ID); !errors.Is(err, scim.ErrVersionMismatch) {
			t.Errorf("Cancel() of a run that is over = %v, want ErrVersionMismatch", err)
		}
		equal(t, "orders left", len(b.cancels().(*fakeKV).values), 0)
		b.source.delay = 0
		b.run(OK)
	})
}

func TestDeletedAfterGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"), person("bob"), person("eve"), group("g", "ada", "bob"), group("h", "ada"))
		b.policy.DeleteAfter = 30 * 24 * time.Hour
		b.policy.MissingRuns = 2
		b.remake()
		b.run(OK)
		ada, h := b.find("User", "ada"), b.find("Group", "h")
		all := b.source.entries
		b.source.entries = []Entry{person("bob"), group("g", "ada", "bob")}
		b.run(OK)
		equal(t, "counts", b.run(OK).Counts.Tally, Tally{Disabled: 2})
		b.edit(b.find("User", "eve"), func(a map[string]any) { a["active"] = true }) // whose person an administrator keeps
		time.Sleep(29 * 24 * time.Hour)
		b.idle()
		time.Sleep(2 * 24 * time.Hour)
		plan := b.planned(OK)
		equal(t, "planned", plan.Planned, Tally{Deleted: 2})
		equal(t, "old values", string(plan.Changes[0].Attributes[0].Old), "false")
		r := b.run(OK)
		equal(t, "counts", r.Counts.Tally, Tally{Deleted: 2})
		if _, err := b.store.Get(t.Context(), ada.Ref, scim.With{}); !errors.Is(err, scim.ErrNotFound) {
			t.Errorf("Get(ada) = %v, want ErrNotFound", err)
		}
		equal(t, "eve", b.find("User", "eve").Active(), true)
		equal(t, "members", b.members("g"), []string{"bob"})

		b.source.entries = all
		b.run(OK)
		equal(t, "id of ada, back", b.find("User", "ada").ID, ada.ID)
		equal(t, "id of h, back", b.find("Group", "h").ID, h.ID)
		equal(t, "members", b.members("g"), []string{"ada", "bob"})
		equal(t, "ids kept", len(b.memory.deleted().(*fakeKV).values), 0)
		b.idle()
	})
}

func TestManyDeletionsBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, people(100)...)
		b.policy.DeleteAfter = time.Hour
		b.remake()
		b.run(OK)
		b.source.entries = people(80)
		blocked := b.run(Blocked)
		if r, err := b.Approve(t.Context(), blocked.ID); err != nil || r.Result != OK {
			t.Fatalf("Approve() = %+v, %v", r, err)
		}
		time.Sleep(2 * time.Hour)
		r := b.run(Blocked)
		equal(t, "planned", r.Planned, Tally{Deleted: 20})
	})
}

func TestProtectedAreNeverDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("by-dn"), person("by-id", "userName", "x"), person("n", "userName", "By-Name"), person("told", "active", true), person("bob"))
		b.policy.Protect = []string{"UID=by-dn, dc=test", "by-id", "by-name", "told"}
		b.policy.DeleteAfter = time.Hour
		b.remake()
		b.run(OK)
		b.source.entries = []Entry{person("told", "active", false), person("bob")}
		r := b.run(OK)
		equal(t, "counts", r.Counts.Tally, Tally{})
		equal(t, "missing", r.Counts.MissingUsers, 3)
		time.Sleep(2 * time.Hour)
		equal(t, "counts", b.run(OK).Counts.Tally, Tally{})
		for _, id := range []string{"by-dn", "by-id", "n", "told"} {
			equal(t, "active of "+id, b.find("User", id).Active(), true)
		}
		b.policy.Protect = nil // no longer
		b.remake()
		equal(t, "counts", b.run(OK).Counts.Tally, Tally{Disabled: 4})
	})
}

func TestCanary(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("Staff"))
	b.policy.Guard.Canaries = []string{"uid=ada, dc=test", "staff"}
	b.remake()
	b.run(OK)
	b.source.entries = b.source.entries[1:]
	r := b.run(Blocked)
	if !strings.Contains(fmt.Sprint(r.Verdict.Limits), "canary uid=ada, dc=test: 0, at least 1 allowed") {
		t.Errorf("limits = %v, want the canary", r.Verdict.Limits)
	}
}

// A replica that was paused past its lock and wakes up applies nothing over what another did.
func TestPausedPastItsLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, people(50)...)
		var once atomic.Bool
		other, err := New(b.config)
		if err != nil {
			t.Fatal(err)
		}
		b.store.beforeCommit = func(c *scim.Commit) error {
			if c.Fence == nil || !once.CompareAndSwap(false, true) {
				return nil
			}
			b.store.mu.Lock()
			b.store.locks["sync/corp"].until = time.Time{} // as if its time were over
			b.store.mu.Unlock()
			if r, err := other.Run(context.WithoutCancel(t.Context()), Manual); err != nil || r.Result != OK {
				t.Errorf("Run() of the other = %+v, %v", r, err)
			}
			return nil
		}
		r := b.run(Failed)
		equal(t, "failure", r.Failure, FailedLock)
		equal(t, "commits", b.store.commits, 50)
	})
}
