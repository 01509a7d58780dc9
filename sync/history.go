package sync

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"rollcall/scim"
)

// keptRuns is how many reports of a source are kept.
const keptRuns = 200

// history keeps a source's reports: summaries in one space, so that a list of them is
// cheap, and whole reports, compressed, in another. Both are keyed by the run's id, which
// sorts by time. It also counts how long each resource has been missing.
type history struct {
	state  scim.State
	source string
}

func (h *history) summaries() scim.KV { return h.state.KV("sync/runs/" + h.source) }
func (h *history) reports() scim.KV   { return h.state.KV("sync/reports/" + h.source) }
func (h *history) absences() scim.KV  { return h.state.KV("sync/missing/" + h.source) }

// begin records that a run has started. The caller holds the source's lock, so that any
// other run that is still said to be running has died.
func (h *history) begin(ctx context.Context, r *Report) error {
	var ids []string
	var died []*Report
	err := h.summaries().Scan(ctx, func(id string, value []byte) error {
		ids = append(ids, id)
		var old Report
		if err := json.Unmarshal(value, &old); err != nil {
			return nil //nolint:nilerr // it goes when its time has come
		}
		if old.Result == Running {
			died = append(died, &old)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("past runs: %w", err)
	}
	for _, old := range died {
		old.Finished = now()
		old.fail(FailedInterrupted, "the process that ran it died; what it had applied stays")
		if err := h.put(ctx, old); err != nil {
			return err
		}
	}
	for _, id := range ids[:max(0, len(ids)-keptRuns+1)] {
		if err := errors.Join(h.reports().Delete(ctx, id), h.summaries().Delete(ctx, id)); err != nil {
			return fmt.Errorf("drop a past run: %w", err)
		}
	}
	return h.putSummary(ctx, r)
}

// put keeps a report, the whole of it before its summary.
func (h *history) put(ctx context.Context, r *Report) error {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := errors.Join(json.NewEncoder(w).Encode(r), w.Close()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := h.reports().Put(ctx, r.ID, packed.Bytes(), nil); err != nil {
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
			r = &Report{ID: id, Source: h.source, Result: Failed, Failure: FailedStore, Error: "the report of this run cannot be read"}
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("past runs: %w", err)
	}
	slices.Reverse(all)
	return all[:min(max(limit, 0), len(all))], nil
}

func (h *history) get(ctx context.Context, id string) (*Report, error) {
	r := &Report{}
	packed, err := h.reports().Get(ctx, id)
	if errors.Is(err, scim.ErrNotFound) { // it is still running
		text, err := h.summaries().Get(ctx, id)
		if err == nil {
			err = json.Unmarshal(text, r)
		}
		if err == nil {
			return r, nil
		}
		return nil, wrapRun(id, err)
	}
	if err != nil {
		return nil, wrapRun(id, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "report of run %s: %v", id, err)
	}
	text, err := io.ReadAll(z)
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "report of run %s: %v", id, err)
	}
	return r, nil
}

func wrapRun(id string, err error) error {
	if errors.Is(err, scim.ErrNotFound) {
		return scim.Errorf(scim.ErrNotFound, "this source has no such run")
	}
	return fmt.Errorf("run %s: %w", id, err)
}

// missing reads in how many whole runs in a row each resource has been missing, by type
// and externalId.
func (h *history) missing(ctx context.Context) (map[scim.Ref]int, error) {
	runs := map[scim.Ref]int{}
	err := h.absences().Scan(ctx, func(key string, value []byte) error {
		typ, id, _ := strings.Cut(key, "/")
		var n int
		if err := json.Unmarshal(value, &n); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "absence of %s: %v", key, err)
		}
		runs[scim.Ref{Type: typ, ID: id}] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("who was missing before: %w", err)
	}
	return runs, nil
}

// putMissing replaces the counts after a whole run: now are those that go on missing and
// have not been dealt with.
func (h *history) putMissing(ctx context.Context, before map[scim.Ref]int, now []Missing, enough int) error {
	kept := map[scim.Ref]bool{}
	for _, m := range now {
		key := scim.Ref{Type: m.Type, ID: m.ExternalID}
		if m.Runs >= enough {
			continue
		}
		kept[key] = true
		if before[key] == m.Runs {
			continue
		}
		if err := h.absences().Put(ctx, key.String(), fmt.Append(nil, m.Runs), nil); err != nil {
			return fmt.Errorf("who is missing: %w", err)
		}
	}
	for key := range before {
		if kept[key] {
			continue
		}
		if err := h.absences().Delete(ctx, key.String()); err != nil {
			return fmt.Errorf("who is missing: %w", err)
		}
	}
	return nil
}
