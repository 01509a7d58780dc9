package sync

import (
	"strings"
	"testing"
	"time"
)

func TestWriteText(t *testing.T) {
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	plan := &Report{
		Source: "corp", Trigger: DryRun, Result: Blocked, Started: at, Finished: at.Add(1500 * time.Millisecond),
		Counts:  Counts{Users: 1, Groups: 2, Unchanged: 1, Skipped: 1, MissingUsers: 12, Dangling: 3},
		Planned: Tally{Created: 1, Updated: 2, Disabled: 1, MembersAdded: 2, MembersRemoved: 1},
		Changes: []Change{
			{Action: Create, Type: "User", Name: "ada", DN: "uid=ada"},
			{Action: Update, Type: "User", Name: "bob", DN: "uid=bob", Attributes: []Difference{
				{"title", []byte(`"Dev"`), []byte(`"Lead\u001b[2J"`)}, {"nickName", []byte(`"` + strings.Repeat("x", 100) + `"`), nil}}},
			{Action: Members, Type: "Group", Name: "Sales", DN: "cn=Sales", MembersAdded: 2, MembersRemoved: 1},
			{Action: Disable, Type: "User", Name: "eve\x1b]0;", Attributes: []Difference{{"active", nil, []byte("false")}}, Error: "refused"},
		},
		ChangeCount: 5,
		Errors: []Problem{
			{DN: "uid=zoe", Kind: "entry", Attribute: "mail", Reason: "it is not text", Remedy: "Correct it."},
			{DN: "uid=max", Kind: "conflict", Attribute: "userName", Reason: "User 1 already has this userName", Remedy: "Rename one."},
		},
		ErrorCount: 2,
		Verdict: &Verdict{Blocked: true, Next: "Look at the source.", Limits: []Check{
			{Name: "entries", Value: 3, Bound: 1, AtLeast: true, Passed: true},
			{Name: "missing users", Value: 12, Bound: 10, Of: 20}}},
	}
	want := `Plan for corp, 1.5s: blocked
+ user ada
~ user bob  title: "Dev" → "Lead\u001b[2J", nickName: "` + strings.Repeat("x", 79) + `… → (none)
~ group Sales  members: +2 −1
- user eve�]0;  active: (none) → false  (no longer in the source)  (not applied: refused)
  … and 1 more changes
x uid=zoe: mail: it is not text. Correct it.
x uid=max: User 1 already has this userName. Rename one.
! missing users: 12 of 20, at most 10 allowed
  Look at the source.
Planned: 1 created, 2 updated, 1 disabled, 0 enabled; members +2 −1.
Source: 1 user, 2 groups, 1 unchanged, 1 left out, 12 users missing, 3 members unknown.
`
	var b strings.Builder
	if err := plan.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("WriteText() =\n%s\nwant\n%s", b.String(), want)
	}

	b.Reset()
	run := &Report{ID: "1", Source: "corp", Trigger: Manual, Started: at, Finished: at, Result: Failed, Error: "the store is away", Counts: Counts{Tally: Tally{Created: 7}}}
	if err := run.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want = `Run 1 of corp (manual), 2026-05-01T10:00:00Z, 0s: failed
! the store is away
Done: 7 created, 0 updated, 0 disabled, 0 enabled; members +0 −0.
Source: 0 users, 0 groups, 0 unchanged.
`
	if b.String() != want {
		t.Errorf("WriteText() =\n%s\nwant\n%s", b.String(), want)
	}
}
