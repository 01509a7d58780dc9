package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
	dirsync "rollcall/sync"
)

// Source is a source of a workspace, as the console sees it.
type Source struct {
	Runner    Runner
	Workspace string
	Type      string
	Schedule  string // "" for none
	Next      func() time.Time
}

// Runner is what the console needs of a source's runner (sync.Runner).
type Runner interface {
	Run(ctx context.Context, trigger dirsync.Trigger) (*dirsync.Report, error)
	Approve(ctx context.Context, id string) (*dirsync.Report, error)
	List(ctx context.Context, limit int) ([]*dirsync.Report, error)
	Show(ctx context.Context, id string) (*dirsync.Report, error)
	Changes(ctx context.Context, id string, from, limit int) ([]dirsync.Change, error)
}

// syncPage is the sources and their last runs.
type syncPage struct {
	Sources []sourceRow
	Runs    []*dirsync.Report
}

type sourceRow struct {
	Name, Type, Schedule string
	Next                 time.Time
}

// sources are the names of those that whoever is signed in may know of.
func (x *exchange) sources() []string {
	names := slices.Sorted(maps.Keys(x.Sources))
	return slices.DeleteFunc(names, func(n string) bool { return x.Sources[n].Workspace != x.actor.Workspace })
}

func listRuns(x *exchange) error {
	ctx := x.r.Context()
	if err := x.Accounts.May(ctx, account.SyncRead); err != nil {
		return err
	}
	var p syncPage
	for _, name := range x.sources() {
		s := x.Sources[name]
		p.Sources = append(p.Sources, sourceRow{name, s.Type, s.Schedule, s.Next()})
		runs, err := s.Runner.List(ctx, 20)
		if err != nil {
			return err
		}
		p.Runs = append(p.Runs, runs...)
	}
	slices.SortFunc(p.Runs, func(a, b *dirsync.Report) int { return strings.Compare(b.ID, a.ID) })
	return x.page("sync", "Sync", p)
}

// runPage is one run or plan.
type runPage struct {
	*dirsync.Report
	Changes []dirsync.Change
	Waits   bool // for somebody to approve it
}

// run finds a run of a source that whoever is signed in may know of.
func (x *exchange) run() (Source, *dirsync.Report, error) {
	for _, name := range x.sources() {
		s := x.Sources[name]
		report, err := s.Runner.Show(x.r.Context(), x.r.PathValue("id"))
		if err == nil || !errors.Is(err, scim.ErrNotFound) {
			return s, report, err
		}
	}
	return Source{}, nil, scim.Errorf(scim.ErrNotFound, "there is no such run")
}

func showRun(x *exchange) error {
	if err := x.Accounts.May(x.r.Context(), account.SyncRead); err != nil {
		return err
	}
	s, report, err := x.run()
	if err != nil {
		return err
	}
	changes, err := s.Runner.Changes(x.r.Context(), report.ID, 0, 200)
	if err != nil {
		return err
	}
	return x.page("run", "Run of "+report.Source, runPage{report, changes, report.Result == dirsync.Blocked && report.AppliedAs == ""})
}

// runSource runs a source, and answers when the run is over.
func runSource(x *exchange) error {
	if err := x.Accounts.May(x.r.Context(), account.SyncRun); err != nil {
		return err
	}
	name := x.r.PathValue("source")
	if !slices.Contains(x.sources(), name) {
		return scim.Errorf(scim.ErrNotFound, "there is no such source")
	}
	return x.order("run", func(ctx context.Context) (*dirsync.Report, error) {
		return x.Sources[name].Runner.Run(ctx, dirsync.Manual)
	})
}

func approveRun(x *exchange) error {
	if err := x.Accounts.May(x.r.Context(), account.SyncRun); err != nil {
		return err
	}
	s, report, err := x.run()
	if err != nil {
		return err
	}
	return x.order("approve", func(ctx context.Context) (*dirsync.Report, error) { return s.Runner.Approve(ctx, report.ID) })
}

// order tells a runner to do something, which goes on when the browser goes away.
func (x *exchange) order(what string, do func(ctx context.Context) (*dirsync.Report, error)) error {
	ctx := x.r.Context()
	if x.Lifetime != nil {
		detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer context.AfterFunc(x.Lifetime, cancel)()
		defer cancel()
		ctx = detached
	}
	// An error means that there is no limit to lift.
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Time{})
	report, err := do(ctx)
	if err != nil {
		return err
	}
	return x.done("sync/runs/"+report.ID, what)
}
