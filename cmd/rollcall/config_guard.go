package main

import (
	"time"

	dirsync "rollcall/sync"
)

// GuardConfig is the limits that block a run (design.md §4.7).
type GuardConfig struct {
	MaxMissing        Limit    `key:"max_missing"`         // of people, and of groups
	MaxBranchMissing  Limit    `key:"max_branch_missing"`  // of the people of one branch
	MaxDeactivate     Limit    `key:"max_deactivate"`      // people whom the source says are disabled
	MaxDelete         Limit    `key:"max_delete"`          // of people, and of groups
	MaxMemberRemovals Limit    `key:"max_member_removals"` // of a large group's members
	LargeGroup        int      `key:"large_group"`         // how many members make a group large
	MaxRemovals       Limit    `key:"max_removals"`        // of members from all groups together
	MaxChanges        *Limit   `key:"max_changes"`         // of resources that exist; nil for no limit
	MinEntries        int      `key:"min_entries"`         // people; none at all always blocks
	MinGroups         int      `key:"min_groups"`          // groups at the least
	Canaries          []string `key:"canaries"`            // entries that must be there

	Users  TypeGuardConfig `key:"users"`
	Groups TypeGuardConfig `key:"groups"`
}

// TypeGuardConfig is limits of people or of groups alone; nil for none.
type TypeGuardConfig struct {
	MaxCreate  *Limit `key:"max_create"`  // but for a first run
	MaxChange  *Limit `key:"max_change"`  // of those that exist, in one run
	MaxDisable *Limit `key:"max_disable"` // by the source itself, in one run
	MaxDelete  *Limit `key:"max_delete"`  // instead of guard.max_delete
	MaxMissing *Limit `key:"max_missing"` // instead of guard.max_missing
}

func guardDefaults(g dirsync.Guard) GuardConfig {
	return GuardConfig{
		MaxMissing: Limit(g.Missing), MaxBranchMissing: Limit(g.Branch), MaxDeactivate: Limit(g.Disabled), MaxDelete: Limit(g.Deleted),
		MaxMemberRemovals: Limit(g.MemberLoss), LargeGroup: g.MemberLossFrom, MaxRemovals: Limit(g.Removals),
		MinEntries: g.MinUsers, MinGroups: g.MinGroups,
	}
}

func (g *GuardConfig) guard() dirsync.Guard {
	return dirsync.Guard{
		Missing: dirsync.Limit(g.MaxMissing), Branch: dirsync.Limit(g.MaxBranchMissing), Disabled: dirsync.Limit(g.MaxDeactivate), Deleted: dirsync.Limit(g.MaxDelete),
		MemberLoss: dirsync.Limit(g.MaxMemberRemovals), MemberLossFrom: g.LargeGroup, Removals: dirsync.Limit(g.MaxRemovals),
		MinUsers: g.MinEntries, MinGroups: g.MinGroups, Canaries: g.Canaries, MaxChanges: (*dirsync.Limit)(g.MaxChanges),
		Users: g.Users.guard(), Groups: g.Groups.guard(),
	}
}

func (t *TypeGuardConfig) guard() dirsync.TypeGuard {
	return dirsync.TypeGuard{
		Create: (*dirsync.Limit)(t.MaxCreate), Change: (*dirsync.Limit)(t.MaxChange), Disable: (*dirsync.Limit)(t.MaxDisable),
		Delete: (*dirsync.Limit)(t.MaxDelete), Missing: (*dirsync.Limit)(t.MaxMissing),
	}
}

// Policy is what sync is to heed of a source's settings.
func (s *SourceConfig) Policy() dirsync.Policy {
	return dirsync.Policy{
		MissingRuns: int(s.OnMissing.After),
		OnMissing:   dirsync.OnMissing(s.OnMissing.Do),
		DeleteAfter: time.Duration(s.OnMissing.DeleteAfter),
		Protect:     s.Protect,
		Roles:       s.Roles,
		Guard:       s.Guard.guard(),
	}
}
