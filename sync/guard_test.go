package sync

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	group := func(before, removed int) []*Change {
		return []*Change{{Action: Members, Type: "Group", Name: "g", MembersBefore: before, MembersRemoved: removed}}
	}
	for _, c := range []struct {
		name    string
		users   TypeCount
		groups  TypeCount
		plan    Plan
		guard   func(*Guard)
		blocked string // the name of the check, "" for none
	}{
		{name: "first run of many", users: TypeCount{Seen: 50000}, groups: TypeCount{Seen: 100}},
		{name: "nothing", blocked: "entries"},
		{name: "nothing any more", users: TypeCount{Present: 3, Missing: 3}, blocked: "entries"},
		{name: "no users, of a few", users: TypeCount{Present: 3, Missing: 3}, groups: TypeCount{Seen: 1, Present: 1}, blocked: "users"},
		{name: "no groups, of a few", users: TypeCount{Seen: 3, Present: 3}, groups: TypeCount{Present: 1, Missing: 1}, blocked: "groups"},
		{name: "groups alone", groups: TypeCount{Seen: 3, Present: 3}},
		{name: "ten of twenty", users: TypeCount{Seen: 10, Present: 20, Missing: 10}},
		{name: "eleven of twenty", users: TypeCount{Seen: 9, Present: 20, Missing: 11}, blocked: "missing users"},
		{name: "5 % of 1,000", users: TypeCount{Seen: 950, Present: 1000, Missing: 50}},
		{name: "one more", users: TypeCount{Seen: 949, Present: 1000, Missing: 51}, blocked: "missing users"},
		{name: "gone before do not count", users: TypeCount{Seen: 950, Present: 1000, Missing: 50, Gone: 900}},
		{name: "eleven groups", users: TypeCount{Seen: 1}, groups: TypeCount{Seen: 9, Present: 20, Missing: 11}, blocked: "missing groups"},
		{name: "a group of 49 loses all", users: TypeCount{Seen: 1}, plan: Plan{Changes: group(49, 49)}},
		{name: "a group of 50 loses ten", users: TypeCount{Seen: 1}, plan: Plan{Changes: group(50, 10)}},
		{name: "a group of 50 loses eleven", users: TypeCount{Seen: 1}, plan: Plan{Changes: group(50, 11)}, blocked: "members removed from g"},
		{name: "the source disables eleven", users: TypeCount{Seen: 100, Present: 100}, plan: Plan{DisabledBySource: 11}, blocked: "users disabled by the source"},
		{name: "too few users", users: TypeCount{Seen: 99}, guard: func(g *Guard) { g.MinUsers = 100 }, blocked: "users"},
		{name: "just enough users", users: TypeCount{Seen: 100}, guard: func(g *Guard) { g.MinUsers = 100 }},
		{name: "creations are no changes", users: TypeCount{Seen: 5, Present: 1}, plan: Plan{Changes: of(5, Update, "User"), Planned: Tally{Created: 4}},
			guard: func(g *Guard) { g.MaxChanges = &Limit{Count: 1} }},
		{name: "changes", users: TypeCount{Seen: 5, Present: 5}, plan: Plan{Changes: of(5, Update, "User")},
			guard: func(g *Guard) { g.MaxChanges = &Limit{Count: 4} }, blocked: "changes"},
		{name: "ten of twenty deleted", users: TypeCount{Seen: 10, Gone: 20}, plan: Plan{Changes: of(10, Delete, "User")}},
		{name: "eleven of twenty deleted", users: TypeCount{Seen: 10, Gone: 20}, plan: Plan{Changes: of(11, Delete, "User")}, blocked: "deleted users"},
		{name: "eleven groups deleted", users: TypeCount{Seen: 10}, groups: TypeCount{Seen: 10, Gone: 20}, plan: Plan{Changes: of(11, Delete, "Group")}, blocked: "deleted groups"},
		{name: "deleted, by max_delete", users: TypeCount{Seen: 10, Gone: 20}, plan: Plan{Changes: of(3, Delete, "User")},
			guard: func(g *Guard) { g.Deleted = Limit{Count: 2} }, blocked: "deleted users"},
		{name: "deleted, by the limit of users", users: TypeCount{Seen: 10, Gone: 20}, plan: Plan{Changes: of(3, Delete, "User")},
			guard: func(g *Guard) { g.Users.Delete = &Limit{Count: 2} }, blocked: "deleted users"},
		{name: "deleted, by the limit of groups", users: TypeCount{Seen: 10, Gone: 20}, plan: Plan{Changes: of(3, Delete, "User")},
			guard: func(g *Guard) { g.Groups.Delete = &Limit{Count: 2} }},
		{name: "created users", users: TypeCount{Seen: 10, Present: 5}, plan: Plan{Changes: of(3, Create, "User")},
			guard: func(g *Guard) { g.Users.Create = &Limit{Count: 2} }, blocked: "created users"},
		{name: "created users, by a share", users: TypeCount{Seen: 10, Present: 100}, plan: Plan{Changes: of(3, Create, "User")},
			guard: func(g *Guard) { g.Users.Create = &Limit{Count: 2, Percent: 3} }},
		{name: "created groups", users: TypeCount{Seen: 10}, groups: TypeCount{Seen: 10, Present: 5}, plan: Plan{Changes: of(3, Create, "Group")},
			guard: func(g *Guard) { g.Groups.Create = &Limit{Count: 2} }, blocked: "created groups"},
		{name: "created in a first run", users: TypeCount{Seen: 10}, plan: Plan{Changes: of(3, Create, "User")},
			guard: func(g *Guard) { g.Users.Create = &Limit{Count: 2} }},
		{name: "changed users", users: TypeCount{Seen: 10, Present: 10}, plan: Plan{Changes: append(of(2, Update, "User"), of(1, Enable, "User")...)},
			guard: func(g *Guard) { g.Users.Change = &Limit{Count: 2} }, blocked: "changed users"},
		{name: "changed groups", users: TypeCount{Seen: 10}, groups: TypeCount{Seen: 10, Present: 10}, plan: Plan{Changes: of(3, Members, "Group")},
			guard: func(g *Guard) { g.Groups.Change = &Limit{Count: 2} }, blocked: "changed groups"},
		{name: "changed groups, and a limit of users", users: TypeCount{Seen: 10}, groups: TypeCount{Seen: 10, Present: 10}, plan: Plan{Changes: of(3, Members, "Group")},
			guard: func(g *Guard) { g.Users.Change = &Limit{Count: 2} }},
		{name: "disabled users", users: TypeCount{Seen: 10, Present: 10}, plan: Plan{Changes: of(3, Disable, "User")},
			guard: func(g *Guard) { g.Users.Disable = &Limit{Count: 2} }, blocked: "disabled users"},
		{name: "just as many disabled", users: TypeCount{Seen: 10, Present: 10}, plan: Plan{Changes: of(2, Disable, "User")},
			guard: func(g *Guard) { g.Users.Disable = &Limit{Count: 2} }},
		{name: "missing users, by their own limit", users: TypeCount{Seen: 10, Present: 20, Missing: 3},
			guard: func(g *Guard) { g.Users.Missing = &Limit{Count: 2} }, blocked: "missing users"},
		{name: "missing groups, by their own limit", users: TypeCount{Seen: 10}, groups: TypeCount{Seen: 5, Present: 20, Missing: 15},
			guard: func(g *Guard) { g.Groups.Missing = &Limit{Count: 15} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := DefaultPolicy().Guard
			if c.guard != nil {
				c.guard(&g)
			}
			c.plan.Types = map[string]*TypeCount{"User": &c.users, "Group": &c.groups}
			v := judge(&c.plan, g)
			if v.Blocked != (c.blocked != "") {
				t.Fatalf("judge() = %+v, want blocked %q", v, c.blocked)
			}
			if c.blocked == "" {
				return
			}
			i := slices.IndexFunc(v.Limits, func(l Check) bool { return l.Name == c.blocked })
			if i < 0 || v.Limits[i].Passed {
				t.Errorf("judge() = %+v, want %q to fail", v.Limits, c.blocked)
			}
		})
	}
}

// of is so many changes.
func of(n int, action Action, typ string) []*Change {
	var list []*Change
	for i := range n {
		list = append(list, &Change{Action: action, Type: typ, ID: fmt.Sprint(i)})
	}
	return list
}

func TestPolicyValidate(t *testing.T) {
	if err := DefaultPolicy().Validate(); err != nil {
		t.Errorf("DefaultPolicy().Validate() = %v, want nil", err)
	}
	bad := Policy{OnMissing: "delete", Guard: Guard{
		Missing: Limit{Count: -1}, Disabled: Limit{Percent: math.NaN()}, MemberLoss: Limit{Percent: 101}, MemberLossFrom: -1, MinUsers: -1, MaxChanges: &Limit{Percent: -1},
	}}
	err := bad.Validate()
	if err == nil {
		t.Fatal("Validate() = nil, want every problem")
	}
	for _, key := range []string{"on_missing.after", "on_missing.do", "guard.missing", "guard.disabled", "guard.member_loss:",
		"guard.member_loss_from", "guard.min_entries", "guard.max_changes"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("Validate() = %v, want it to name %s", err, key)
		}
	}
}
