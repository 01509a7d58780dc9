package api

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
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
	List(ctx context.Context, limit int) ([]*dirsync.Report, error)
	Show(ctx context.Context, id string) (*dirsync.Report, error)
}

// sourceInfo is one row of GET /sources.
type sourceInfo struct {
	Name      string          `json:"name"`
	Workspace string          `json:"workspace"`
	Type      string          `json:"type"`
	Schedule  string          `json:"schedule,omitempty"`
	Next      time.Time       `json:"next,omitzero"`
	Last      *dirsync.Report `json:"last,omitempty"` // without its lists
}

// How many runs a list has, unless told otherwise, and at most.
const (
	defaultRuns = 20
	maxRuns     = 200
)

func (a *api) listSources(r *http.Request) (int, any, error) {
	if err := a.Accounts.May(r.Context(), account.SyncRead); err != nil {
		return 0, nil, err
	}
	list := []sourceInfo{}
	for _, name := range slices.Sorted(maps.Keys(a.Sources)) {
		s, err := a.source(r, name)
		if err != nil {
			continue // another workspace's
		}
		info := sourceInfo{Name: name, Workspace: s.Workspace, Type: s.Type, Schedule: s.Schedule}
		if s.Next != nil {
			info.Next = s.Next()
		}
		runs, err := s.Runner.List(r.Context(), 1)
		if err != nil {
			return 0, nil, err
		}
		if len(runs) > 0 {
			info.Last = runs[0]
		}
		list = append(list, info)
	}
	return http.StatusOK, map[string]any{"sources": list}, nil
}

// planSource answers what a run would change now. It changes nothing.
func (a *api) planSource(r *http.Request) (int, any, error) {
	s, err := a.permitted(r, account.SyncRead)
	if err != nil {
		return 0, nil, err
	}
	report, err := s.Runner.Plan(r.Context())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, report, nil
}

// runSource runs the source and answers when the run is over. A caller who goes away does not
// break the run off.
func (a *api) runSource(r *http.Request) (int, any, error) {
	s, err := a.permitted(r, account.SyncRun)
	if err != nil {
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

// listRuns answers the runs of one source (?source=) or of all, newest first.
func (a *api) listRuns(r *http.Request) (int, any, error) {
	if err := a.Accounts.May(r.Context(), account.SyncRead); err != nil {
		return 0, nil, err
	}
	limit := defaultRuns
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxRuns {
			return 0, nil, scim.Errorf(scim.ErrInvalidValue, "limit is a number from 1 to %d", maxRuns)
		}
		limit = n
	}
	names := slices.Sorted(maps.Keys(a.Sources))
	if name := r.FormValue("source"); name != "" {
		if _, err := a.source(r, name); err != nil {
			return 0, nil, err
		}
		names = []string{name}
	}
	runs := []*dirsync.Report{}
	for _, name := range names {
		s, err := a.source(r, name)
		if err != nil {
			continue
		}
		list, err := s.Runner.List(r.Context(), limit)
		if err != nil {
			return 0, nil, err
		}
		runs = append(runs, list...)
	}
	// A run's id sorts by its time.
	slices.SortFunc(runs, func(x, y *dirsync.Report) int { return strings.Compare(y.ID, x.ID) })
	return http.StatusOK, map[string]any{"runs": runs[:min(limit, len(runs))]}, nil
}

// showRun answers one run; the id "last" is the newest of all.
func (a *api) showRun(r *http.Request) (int, any, error) {
	if err := a.Accounts.May(r.Context(), account.SyncRead); err != nil {
		return 0, nil, err
	}
	id := r.PathValue("id")
	var last *dirsync.Report
	var lastOf Source
	for name := range a.Sources {
		s, err := a.source(r, name)
		if err != nil {
			continue
		}
		if id != "last" {
			report, err := s.Runner.Show(r.Context(), id)
			if err == nil || !errors.Is(err, scim.ErrNotFound) {
				return http.StatusOK, report, err
			}
			continue
		}
		runs, err := s.Runner.List(r.Context(), 1)
		if err != nil {
			return 0, nil, err
		}
		if len(runs) > 0 && (last == nil || runs[0].ID > last.ID) {
			last, lastOf = runs[0], s
		}
	}
	if last == nil {
		return 0, nil, scim.Errorf(scim.ErrNotFound, "there is no run %q: GET /api/v1/sync/runs and `rollcall sync list` list the last ones", id)
	}
	report, err := lastOf.Runner.Show(r.Context(), last.ID)
	return http.StatusOK, report, err
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

func (a *api) permitted(r *http.Request, p scim.Permission) (Source, error) {
	if err := a.Accounts.May(r.Context(), p); err != nil {
		return Source{}, err
	}
	return a.source(r, r.PathValue("source"))
}
