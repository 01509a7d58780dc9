package api

import (
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

// runRoutes are the calls about plans and runs. Those that read a directory take as long as it is
// large.
func (a *api) runRoutes() []route {
	read, run := needs(account.SyncRead), needs(account.SyncRun)
	changes := []param{{"from", "The number of the first change, beginning with 0.", 0}, limitParam("How many changes, at most 1000.")}
	busy := fails(scim.ErrLocked, scim.ErrVersionMismatch, scim.ErrInvalidVers)
	return []route{
		{method: "GET", path: "/sync/runs", call: a.listRuns, needs: read, query: []param{{"source", "Of one source alone.", ""}, limitParam("How many, at most 200.")}, status: 200, out: listed[*dirsync.Report]{"runs"}, fails: fails(scim.ErrNotFound),
			about: "List the runs of every source, newest first."},
		{method: "GET", path: "/sync/runs/{id}", call: a.showRun, needs: read, status: 200, out: dirsync.Report{},
			about: "Show a run: by its id, as last, or by the name of a source for that one's newest."},
		{method: "GET", path: "/sync/runs/{id}/changes", call: a.listRunChanges, needs: read, query: changes, status: 200, out: runChanges{},
			about: "List the changes of a run."},
		{method: "GET", path: "/sync/plans/{id}", call: a.showRun, needs: read, status: 200, out: dirsync.Report{},
			about: "Show a plan."},
		{method: "GET", path: "/sync/plans/{id}/changes", call: a.listRunChanges, needs: read, query: changes, status: 200, out: runChanges{},
			about: "List the changes of a plan."},
		{method: "POST", path: "/sync/runs/{id}/cancel", call: a.cancelRun, needs: run, status: 200, also: 202, out: dirsync.Report{}, fails: fails(scim.ErrVersionMismatch),
			about: "Tell a run to stop: 200 where it has ended, 202 where it is about to."},
		{method: "POST", path: "/sync/plans/{id}/apply", call: a.order("applied", Runner.Apply), needs: run, long: true, status: 201, out: dirsync.Report{}, fails: busy,
			about: "Apply a plan, and answer when that is over."},
		{method: "POST", path: "/sync/plans/{id}/approve", call: a.order("approved", Runner.Approve), needs: run, long: true, status: 201, out: dirsync.Report{}, fails: busy,
			about: "Apply a plan that the guard blocks."},
		{method: "POST", path: "/sync/runs/{id}/approve", call: a.order("approved", Runner.Approve), needs: run, long: true, status: 201, out: dirsync.Report{}, fails: busy,
			about: "Apply the plan of a run that the guard blocked."},
		{method: "POST", path: "/sync/runs/{id}/undo", call: a.order("undone", Runner.Undo), needs: run, long: true, status: 201, out: dirsync.Report{}, fails: busy,
			about: "Take a run back."},
	}
}

// runChanges is the answer with changes of a plan or run.
type runChanges struct {
	Changes []dirsync.Change `json:"changes"`
	Total   int              `json:"total"`
}

// How many runs a list has, unless told otherwise, and at most; and how many changes of one.
const (
	defaultRuns   = 20
	maxRuns       = 200
	maxRunChanges = 1000
)

// bounded reads a number of a query that is at least 1.
func bounded(r *http.Request, name string, without, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return without, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, scim.Errorf(scim.ErrInvalidValue, "%s is a number from 1 to %d", name, most)
	}
	return n, nil
}

// listRuns answers the runs of one source (?source=) or of all, newest first.
func (a *api) listRuns(r *http.Request) (int, any, error) {
	limit, err := bounded(r, "limit", defaultRuns, maxRuns)
	if err != nil {
		return 0, nil, err
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
	return answerList("runs", runs[:min(limit, len(runs))], nil)
}

// listPlans answers the plans that are kept of a source, newest first.
func (a *api) listPlans(r *http.Request) (int, any, error) {
	s, err := a.source(r, r.PathValue("source"))
	if err != nil {
		return 0, nil, err
	}
	limit, err := bounded(r, "limit", defaultRuns, maxRuns)
	if err != nil {
		return 0, nil, err
	}
	plans, err := s.Runner.Plans(r.Context(), limit)
	return answerList("plans", plans, err)
}

// showRun answers one run or plan.
func (a *api) showRun(r *http.Request) (int, any, error) {
	_, report, err := a.run(r)
	return http.StatusOK, report, err
}

// listRunChanges answers the changes of a plan or run from number ?from= on.
func (a *api) listRunChanges(r *http.Request) (int, any, error) {
	limit, err := bounded(r, "limit", maxRunChanges, maxRunChanges)
	if err != nil {
		return 0, nil, err
	}
	from, err := number(r.FormValue("from"), "from", 0)
	if err != nil || from > 1<<40 {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "from is the number of a change, beginning with 0")
	}
	s, report, err := a.run(r)
	if err != nil {
		return 0, nil, err
	}
	list, err := s.Runner.Changes(r.Context(), report.ID, int(from), limit)
	if err != nil {
		return 0, nil, err
	}
	if list == nil {
		list = []dirsync.Change{}
	}
	return http.StatusOK, runChanges{list, report.ChangeCount}, nil
}

// order tells a runner to do something about a plan or run, and answers when that is over.
func (a *api) order(verb string, do func(r Runner, ctx context.Context, id string) (*dirsync.Report, error)) handler {
	return func(r *http.Request) (int, any, error) {
		s, of, err := a.run(r)
		if err != nil {
			return 0, nil, err
		}
		if err := a.Accounts.Note(r.Context(), s.Workspace, account.AuditEvent{Type: "sync." + verb, Detail: map[string]any{"run": of.ID}}); err != nil {
			return 0, nil, err
		}
		ctx, done := a.detach(r.Context())
		defer done()
		report, err := do(s.Runner, ctx, of.ID)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, report, nil
	}
}

// How long a call that cancels a run waits for its end, and how often it looks.
const (
	cancelWait = 20 * time.Second
	cancelLook = 200 * time.Millisecond
)

// cancelRun tells a run to stop, and answers its report: 200 where it has ended, and 202 where it
// is about to.
func (a *api) cancelRun(r *http.Request) (int, any, error) {
	s, report, err := a.run(r)
	if err != nil {
		return 0, nil, err
	}
	if err := s.Runner.Cancel(r.Context(), report.ID); err != nil {
		return 0, nil, err
	}
	for end := time.Now().Add(cancelWait); report.Result == dirsync.Running; {
		if time.Now().After(end) {
			return http.StatusAccepted, report, nil
		}
		select {
		case <-r.Context().Done():
			return 0, nil, r.Context().Err()
		case <-time.After(cancelLook):
		}
		if report, err = s.Runner.Show(r.Context(), report.ID); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, report, nil
}

// run finds the run or plan that the path names: by its id, as "last" for the newest run of all,
// or by the name of a source for that one's newest run.
func (a *api) run(r *http.Request) (Source, *dirsync.Report, error) {
	id := r.PathValue("id")
	var last *dirsync.Report
	var of Source
	for name := range a.Sources {
		s, err := a.source(r, name)
		if err != nil {
			continue // another workspace's
		}
		if id != "last" && id != name {
			report, err := s.Runner.Show(r.Context(), id)
			if err == nil || !errors.Is(err, scim.ErrNotFound) {
				return s, report, err
			}
			continue
		}
		runs, err := s.Runner.List(r.Context(), 1)
		if err != nil {
			return Source{}, nil, err
		}
		if len(runs) > 0 && (last == nil || runs[0].ID > last.ID) {
			last, of = runs[0], s
		}
	}
	if last == nil {
		return Source{}, nil, scim.Errorf(scim.ErrNotFound, "there is no run or plan %q: GET /api/v1/sync/runs and `rollcall sync list` list the last ones", id)
	}
	report, err := of.Runner.Show(r.Context(), last.ID)
	return of, report, err
}
