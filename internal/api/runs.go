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

// syncRoutes are the calls about sources, plans and runs. Those that read a directory take as
// long as it is large.
func (a *api) syncRoutes() (quick, slow map[string]handler) {
	quick = map[string]handler{
		"GET /api/v1/sources":                 a.listSources,
		"GET /api/v1/sources/{source}":        a.showSource,
		"GET /api/v1/sources/{source}/plans":  a.listPlans,
		"GET /api/v1/sync/runs":               a.listRuns,
		"GET /api/v1/sync/runs/{id}":          a.showRun,
		"GET /api/v1/sync/runs/{id}/changes":  a.listRunChanges,
		"GET /api/v1/sync/plans/{id}":         a.showRun,
		"GET /api/v1/sync/plans/{id}/changes": a.listRunChanges,
		"POST /api/v1/sync/runs/{id}/cancel":  a.cancelRun,
	}
	approve := a.order(Runner.Approve)
	slow = map[string]handler{
		"POST /api/v1/sources/{source}/plans":  a.planSource,
		"POST /api/v1/sources/{source}/runs":   a.runSource,
		"POST /api/v1/sync/plans/{id}/apply":   a.order(Runner.Apply),
		"POST /api/v1/sync/plans/{id}/approve": approve,
		"POST /api/v1/sync/runs/{id}/approve":  approve,
		"POST /api/v1/sync/runs/{id}/undo":     a.order(Runner.Undo),
	}
	return quick, slow
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
	if err := a.Accounts.May(r.Context(), account.SyncRead); err != nil {
		return 0, nil, err
	}
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
	return http.StatusOK, map[string]any{"runs": runs[:min(limit, len(runs))]}, nil
}

// listPlans answers the plans that are kept of a source, newest first.
func (a *api) listPlans(r *http.Request) (int, any, error) {
	s, err := a.permitted(r, account.SyncRead)
	if err != nil {
		return 0, nil, err
	}
	limit, err := bounded(r, "limit", defaultRuns, maxRuns)
	if err != nil {
		return 0, nil, err
	}
	plans, err := s.Runner.Plans(r.Context(), limit)
	if err != nil {
		return 0, nil, err
	}
	if plans == nil {
		plans = []*dirsync.Report{}
	}
	return http.StatusOK, map[string]any{"plans": plans}, nil
}

// showRun answers one run or plan.
func (a *api) showRun(r *http.Request) (int, any, error) {
	if err := a.Accounts.May(r.Context(), account.SyncRead); err != nil {
		return 0, nil, err
	}
	_, report, err := a.run(r)
	return http.StatusOK, report, err
}

// listRunChanges answers the changes of a plan or run from number ?from= on.
func (a *api) listRunChanges(r *http.Request) (int, any, error) {
	if err := a.Accounts.May(r.Context(), account.SyncRead); err != nil {
		return 0, nil, err
	}
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
	return http.StatusOK, map[string]any{"changes": list, "total": report.ChangeCount}, nil
}

// order tells a runner to do something about a plan or run, and answers when that is over.
func (a *api) order(do func(r Runner, ctx context.Context, id string) (*dirsync.Report, error)) handler {
	return func(r *http.Request) (int, any, error) {
		if err := a.Accounts.May(r.Context(), account.SyncRun); err != nil {
			return 0, nil, err
		}
		s, of, err := a.run(r)
		if err != nil {
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
	if err := a.Accounts.May(r.Context(), account.SyncRun); err != nil {
		return 0, nil, err
	}
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
