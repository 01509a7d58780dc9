package api

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
	dirsync "rollcall/sync"
)

// Source is a source of a workspace, as the API sees it.
type Source struct {
	Runner    Runner
	Workspace string
	Type      string // "ldap" or "ldif"
	Schedule  string // "" for none
	// Next is when it is to run next by its schedule; the zero time for never.
	Next func() time.Time
}

// Runner is what the API needs of a source's runner (sync.Runner).
type Runner interface {
	Plan(ctx context.Context) (*dirsync.Report, error)
	Run(ctx context.Context, trigger dirsync.Trigger) (*dirsync.Report, error)
	Apply(ctx context.Context, id string) (*dirsync.Report, error)
	Approve(ctx context.Context, id string) (*dirsync.Report, error)
	Undo(ctx context.Context, id string) (*dirsync.Report, error)
	Cancel(ctx context.Context, id string) error
	List(ctx context.Context, limit int) ([]*dirsync.Report, error)
	Plans(ctx context.Context, limit int) ([]*dirsync.Report, error)
	Show(ctx context.Context, id string) (*dirsync.Report, error)
	Changes(ctx context.Context, id string, from, limit int) ([]dirsync.Change, error)
	Progress() *dirsync.Progress
}

// sourceInfo is one row of GET /sources.
type sourceInfo struct {
	Name      string          `json:"name"`
	Workspace string          `json:"workspace"`
	Type      string          `json:"type"`
	Schedule  string          `json:"schedule,omitempty"`
	Next      time.Time       `json:"next,omitzero"`
	Last      *dirsync.Report `json:"last,omitempty"` // without its lists
	// Progress is of the run or plan that this replica is at.
	Progress *dirsync.Progress `json:"progress,omitempty"`
}

func (a *api) sourceRoutes() []route {
	read, run, none := needs(account.SyncRead), needs(account.SyncRun), fails(scim.ErrLocked)
	return []route{
		{method: "GET", path: "/sources", call: a.listSources, needs: read, status: 200, out: listed[sourceInfo]{"sources"},
			about: "List the sources, each with its last run."},
		{method: "GET", path: "/sources/{source}", call: a.showSource, needs: read, status: 200, out: sourceInfo{},
			about: "Show a source."},
		{method: "GET", path: "/sources/{source}/plans", call: a.listPlans, needs: read, query: []param{limitParam("How many, at most 200.")}, status: 200, out: listed[*dirsync.Report]{"plans"},
			about: "List the plans that are kept of a source, newest first."},
		{method: "POST", path: "/sources/{source}/plans", call: a.planSource, needs: read, long: true, status: 201, out: dirsync.Report{}, fails: none,
			about: "Plan what a run would change now, and keep the plan. It changes no resource."},
		{method: "POST", path: "/sources/{source}/runs", call: a.runSource, needs: run, long: true, status: 201, out: dirsync.Report{}, fails: none,
			about: "Run a source, and answer when the run is over."},
	}
}

func (a *api) listSources(r *http.Request) (int, any, error) {
	list := []sourceInfo{}
	for _, name := range slices.Sorted(maps.Keys(a.Sources)) {
		s, err := a.source(r, name)
		if err != nil {
			continue // another workspace's
		}
		info, err := s.info(r.Context(), name)
		if err != nil {
			return 0, nil, err
		}
		list = append(list, info)
	}
	return answerList("sources", list, nil)
}

func (a *api) showSource(r *http.Request) (int, any, error) {
	s, err := a.source(r, r.PathValue("source"))
	if err != nil {
		return 0, nil, err
	}
	info, err := s.info(r.Context(), r.PathValue("source"))
	return http.StatusOK, info, err
}

func (s Source) info(ctx context.Context, name string) (sourceInfo, error) {
	info := sourceInfo{Name: name, Workspace: s.Workspace, Type: s.Type, Schedule: s.Schedule, Progress: s.Runner.Progress()}
	if s.Next != nil {
		info.Next = s.Next()
	}
	runs, err := s.Runner.List(ctx, 1)
	if err == nil && len(runs) > 0 {
		info.Last = runs[0]
	}
	return info, err
}

// planSource answers what a run would change now, and keeps it. It changes no resource.
func (a *api) planSource(r *http.Request) (int, any, error) {
	s, err := a.source(r, r.PathValue("source"))
	if err != nil {
		return 0, nil, err
	}
	report, err := s.Runner.Plan(r.Context())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, report, nil
}

// runSource runs the source and answers when the run is over. A caller who goes away does not
// break the run off.
func (a *api) runSource(r *http.Request) (int, any, error) {
	s, err := a.source(r, r.PathValue("source"))
	if err != nil {
		return 0, nil, err
	}
	if err := a.Accounts.Note(r.Context(), s.Workspace, account.AuditEvent{Type: "sync.started", Detail: map[string]any{"source": r.PathValue("source")}}); err != nil {
		return 0, nil, err
	}
	ctx, done := a.detach(r.Context())
	defer done()
	report, err := s.Runner.Run(ctx, dirsync.Manual)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, report, nil
}

// source finds a source that the actor may know of.
func (a *api) source(r *http.Request, name string) (Source, error) {
	s, ok := a.Sources[name]
	if actor := scim.ActorFrom(r.Context()); !ok || actor.Workspace != "" && actor.Workspace != s.Workspace {
		return Source{}, scim.Errorf(scim.ErrNotFound, "there is no source %q; the configuration has %s", name, a.sourceNames(actor))
	}
	return s, nil
}

// sourceNames lists the sources that the actor may know of.
func (a *api) sourceNames(actor *scim.Actor) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a.Sources)) {
		if actor.Workspace == "" || actor.Workspace == a.Sources[name].Workspace {
			names = append(names, name)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}
