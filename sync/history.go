package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"rollcall/scim"
)

// How many reports of a source are kept.
const (
	keptRuns  = 200
	keptPlans = 20
)

// history keeps a source's reports of runs, or of plans: summaries in one space, so that a
// list of them is cheap, and whole reports, compressed, in another. Both are keyed by the
// run's id, which sorts by time.
type history struct {
	state  scim.State
	source string
	what   string // "run" or "plan"
	keep   int
}

func (h *history) summaries() scim.KV { return h.state.KV("sync/" + h.what + "s/" + h.source) }
func (h *history) reports() scim.KV {
	if h.what == "plan" {
		return h.state.KV("sync/planreports/" + h.source)
	}
	return h.state.KV("sync/reports/" + h.source)
}

// begin records that a run has started, and returns the summaries of those before it that have
// ended, newest first. The caller holds the source's lock, so that any other run that is still
// said to be running has died.
func (h *history) begin(ctx context.Context, r *Report) ([]*Report, error) {
	past, err := h.list(ctx, math.MaxInt)
	if err != nil {
		return nil, err
	}
	for _, old := range past {
		if old.Result != Running {
			continue
		}
		old.Finished = now()
		old.fail(FailedInterrupted, "the process that ran it died; what it had applied stays")
		if err := h.put(ctx, old); err != nil {
			return nil, err
		}
	}
	if err := h.prune(ctx, past, h.keep-1); err != nil {
		return nil, err
	}
	return past, h.putSummary(ctx, r)
}

// prune drops all but the newest of what is kept.
func (h *history) prune(ctx context.Context, newestFirst []*Report, keep int) error {
	for _, old := range newestFirst[min(keep, len(newestFirst)):] {
		err := errors.Join(h.dropStored(ctx, old.ID), h.reports().Delete(ctx, old.ID), h.summaries().Delete(ctx, old.ID))
		if err != nil {
			return fmt.Errorf("drop a past %s: %w", h.what, err)
		}
	}
	return nil
}

// put keeps a report, the whole of it before its summary.
func (h *history) put(ctx context.Context, r *Report) error {
	eraseChanges(r.Changes, func(c *Change) bool { return r.erased[c.ExternalID] })
	text, err := json.Marshal(r)
	if err == nil {
		err = putPacked(ctx, h.reports(), r.ID, text)
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return h.putSummary(ctx, r)
}

func (h *history) putSummary(ctx context.Context, r *Report) error {
	text, err := json.Marshal(r.summary())
	if err == nil {
		err = h.summaries().Put(ctx, r.ID, text, nil)
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func (h *history) list(ctx context.Context, limit int) ([]*Report, error) {
	var all []*Report
	err := h.summaries().Scan(ctx, func(id string, value []byte) error {
		r := &Report{}
		if err := json.Unmarshal(value, r); err != nil { // one bad report hides no other
			r = &Report{ID: id, Source: h.source, Result: Failed, Failure: FailedStore, Error: "its report cannot be read"}
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("past %ss: %w", h.what, err)
	}
	slices.Reverse(all)
	return all[:min(max(limit, 0), len(all))], nil
}

func (h *history) get(ctx context.Context, id string) (*Report, error) {
	text, err := getPacked(ctx, h.reports(), id)
	if errors.Is(err, scim.ErrNotFound) { // it is still running
		text, err = h.summaries().Get(ctx, id)
	}
	if err != nil {
		return nil, h.wrap(id, err)
	}
	r := &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "report of %s %s: %v", h.what, id, err)
	}
	return r, nil
}

func (h *history) wrap(id string, err error) error {
	if errors.Is(err, scim.ErrNotFound) {
		return scim.Errorf(scim.ErrNotFound, "this source has no such %s", h.what)
	}
	return fmt.Errorf("%s %s: %w", h.what, id, err)
}
