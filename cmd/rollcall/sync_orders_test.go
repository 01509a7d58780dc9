package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"
)

// ldifSource is a source whose people a test decides.
type ldifSource struct {
	t    *testing.T
	path string
}

func newLDIF(t *testing.T, n int) *ldifSource {
	t.Helper()
	l := &ldifSource{t, filepath.Join(t.TempDir(), "people.ldif")}
	l.put(n, "")
	return l
}

// put makes the source have n people, the first of whom has a title.
func (l *ldifSource) put(n int, title string) {
	l.t.Helper()
	var b strings.Builder
	b.WriteString("dn: dc=example,dc=com\nobjectClass: domain\ndc: example\nentryUUID: 0f4b2a1e-0000-4000-8000-000000000000\n\n")
	for i := range n {
		fmt.Fprintf(&b, "dn: uid=p%d,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: p%d\ncn: P %d\nsn: P\nentryUUID: 0f4b2a1e-0000-4000-8000-1%011d\n", i, i, i, i)
		if i == 0 && title != "" {
			fmt.Fprintf(&b, "title: %s\n", title)
		}
		b.WriteString("\n")
	}
	if err := os.WriteFile(l.path, []byte(b.String()), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *ldifSource) config(more string) string {
	return fmt.Sprintf(`sources:
  corp:
    type: ldif
    path: %q
    users: { base: "dc=example,dc=com", attributes: { title: title } }
%s`, l.path, more)
}

// syncJSON runs a sync command, expects its exit code, and reads the report.
func (s *served) syncJSON(want int, args ...string) *dirsync.Report {
	s.t.Helper()
	code, out, errs := s.cli(append(append([]string{"sync"}, args...), "-o", "json")...)
	if code != want {
		s.t.Fatalf("sync %s = %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, errs)
	}
	r := &dirsync.Report{}
	if err := json.Unmarshal([]byte(out), r); err != nil {
		s.t.Fatalf("sync %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return r
}

// TestPlanApplyApprove walks through what an administrator does, by the command line against a
// running server.
func TestPlanApplyApprove(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"bolt": "bolt:" + t.TempDir() + "/rollcall.db", "redis": testserver.StartRedis(t).URL()} {
		t.Run(name, func(t *testing.T) {
			ldif := newLDIF(t, 1100)
			s := startServer(t, url, ldif.config(""))
			plan := s.syncJSON(exitDone, "plan", "corp")
			if len(plan.Changes) != 1100 || string(plan.Changes[1099].Attributes[0].New) == "" {
				t.Fatalf("the plan shows %d changes, want all 1100 with their values", len(plan.Changes))
			}
			if code, out, _ := s.cli("sync", "plan", "corp", "--exit-code"); code != exitDifferent || strings.Count(out, "\n+ user ") != 1100 {
				t.Errorf("sync plan --exit-code = %d, want %d and a line for each of 1100 people", code, exitDifferent)
			}
			ldif.put(1100, "Boss")
			moved := s.syncJSON(exitFailed, "apply", plan.ID)
			if moved.Failure != dirsync.FailedMoved || len(moved.Moved) != 1 || moved.Moved[0].Name != "p0" || s.total("/scim/v2/Users?count=0") != 0 {
				t.Errorf("a plan of another world was applied: %+v", moved)
			}
			plan = s.syncJSON(exitDone, "plan", "corp")
			done := s.syncJSON(exitDone, "apply", plan.ID)
			if done.Counts.Created != 1100 || done.Plan != plan.ID || done.By != "bootstrap:bootstrap" {
				t.Errorf("sync apply: %+v, want 1100 created by the bootstrap token", done)
			}
			if code, _, errs := s.cli("sync", "apply", plan.ID); code != exitFailed || !strings.Contains(errs, "applied already") {
				t.Errorf("sync apply again = %d %s, want %d", code, errs, exitFailed)
			}
			s.syncJSON(exitDone, "plan", "corp", "--exit-code")

			ldif.put(1000, "Boss")
			blocked := s.syncJSON(exitBlocked, "run", "corp")
			if s.total("/scim/v2/Users?count=0&filter=active+eq+false") != 0 || !strings.Contains(blocked.Verdict.Next, "sync approve") {
				t.Errorf("a blocked run: %+v, want nothing applied and the next step", blocked.Verdict)
			}
			ldif.put(999, "Boss")
			if r := s.syncJSON(exitFailed, "approve", blocked.ID); r.Failure != dirsync.FailedMoved {
				t.Errorf("sync approve of another world: %+v", r)
			}
			ldif.put(1000, "Boss")
			if r := s.syncJSON(exitDone, "approve", blocked.ID); r.Counts.Disabled != 100 {
				t.Errorf("sync approve: %+v, want 100 disabled", r.Counts)
			}
			if n := s.total("/scim/v2/Users?count=0&filter=active+eq+false"); n != 100 {
				t.Errorf("%d are disabled, want 100", n)
			}
			if code, _, errs := s.cli("sync", "cancel", "corp"); code != exitFailed || !strings.Contains(errs, "is over") {
				t.Errorf("sync cancel of a run that is over = %d %s, want %d", code, errs, exitFailed)
			}
			before := s.total("/scim/v2/Users?count=0&filter=active+eq+false")
			ldif.put(998, "Clerk")
			run := s.syncJSON(exitDone, "run", "corp")
			if r := s.syncJSON(exitDone, "undo", run.ID); r.Counts.Enabled != 2 || r.Counts.Updated != 1 || r.Undoes != run.ID {
				t.Errorf("sync undo: %+v, want 2 enabled and 1 updated", r.Counts)
			}
			if n := s.total("/scim/v2/Users?count=0&filter=active+eq+false"); n != before {
				t.Errorf("%d are disabled after undo, want %d as before", n, before)
			}
			if n := s.total(`/scim/v2/Users?count=0&filter=title+eq+"Boss"`); n != 1 {
				t.Errorf("the old title is not back")
			}
			code, out, _ := s.cli("sync", "list", "--source", "corp", "--plans")
			if code != exitDone || strings.Count(out, "\n") < 4 {
				t.Errorf("sync list --plans = %d\n%s", code, out)
			}
		})
	}
}
