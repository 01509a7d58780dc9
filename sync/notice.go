package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"rollcall/scim"
)

// Notice is what an administrator is told of a source without asking: that a run was blocked or
// failed, and that one went well again. It holds no names of people.
type Notice struct {
	Type      string    `json:"type"` // "sync.blocked", "sync.failed" or "sync.recovered"
	ID        string    `json:"id"`   // of the notice: a repeat has the same
	Source    string    `json:"source"`
	Workspace string    `json:"workspace"`
	Run       string    `json:"run"`
	At        time.Time `json:"at"`
	Result    Result    `json:"result"`
	Failure   Failure   `json:"failure,omitempty"`
	Text      string    `json:"text"` // one line for people
	Next      string    `json:"next,omitempty"`
	Limits    []Check   `json:"limits,omitempty"` // that were passed
	Planned   Tally     `json:"planned"`
}

const (
	noticeBlocked   = "sync.blocked"
	noticeFailed    = "sync.failed"
	noticeRecovered = "sync.recovered"
)

// matters tells whether a run says how the source does: one that somebody stopped does not, nor
// one that found a plan to be out of date.
func (r *Report) matters() bool {
	switch {
	case r.Result == Running, r.Trigger == Undoing:
		return false
	case r.Result == Failed:
		return r.Failure == FailedSource || r.Failure == FailedStore
	}
	return true
}

// notice is what there is to tell of a run, given those before it, newest first; nil for nothing.
// The same block, and a failure after a failure, is told once.
func (r *Report) notice(workspace string, past []*Report) *Notice {
	if !r.matters() {
		return nil
	}
	var last *Report
	for _, p := range past {
		if p.matters() {
			last = p
			break
		}
	}
	was := OK
	if last != nil {
		was = last.Result
	}
	n := &Notice{ID: "sync-" + r.ID, Source: r.Source, Workspace: workspace, Run: r.ID, At: r.Finished, Result: r.Result, Failure: r.Failure, Planned: r.Planned}
	switch {
	case r.Result == Blocked && (was != Blocked || last.Hash != r.Hash):
		n.Type, n.Next = noticeBlocked, r.Verdict.Next
		n.Text = fmt.Sprintf("Source %s: run %s was blocked by the guard, nothing was applied", r.Source, r.ID)
		for _, c := range r.Verdict.Limits {
			if !c.Passed && len(n.Limits) < maxLimits {
				n.Limits = append(n.Limits, c)
			}
		}
	case r.Result == Failed && was != Failed:
		n.Type = noticeFailed
		n.Text = fmt.Sprintf("Source %s: run %s failed: %s", r.Source, r.ID, r.Error)
	case (r.Result == OK || r.Result == Partial) && (was == Blocked || was == Failed):
		n.Type = noticeRecovered
		n.Text = fmt.Sprintf("Source %s: run %s ended %s, after one that was %s", r.Source, r.ID, r.Result, was)
	default:
		return nil
	}
	return n
}

// noticeRetries are the waits between tries to deliver a notice.
var noticeRetries = []time.Duration{time.Second, 5 * time.Second}

// noticeTime bounds all of it: whoever waits for a run waits for this too.
const noticeTime = 30 * time.Second

// tell delivers what there is to tell of a run, with what could not be delivered before. A notice
// that nobody takes is kept for the next run, until a newer one takes its place.
func (r *Runner) tell(ctx context.Context, report *Report, past []*Report) {
	if r.config.Notify == nil {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), noticeTime)
	defer cancel()
	kept := r.config.State.KV("sync/notices/" + r.config.Name)
	text, err := kept.Get(last, "last")
	if errors.Is(err, scim.ErrNotFound) {
		text, err = nil, nil
	}
	if n := report.notice(r.config.Workspace, past); err == nil && n != nil {
		if text, err = json.Marshal(n); err == nil {
			err = kept.Put(last, "last", text, nil)
		}
	}
	if err != nil {
		r.log.Error("a notice about a run could not be kept", "run_id", report.ID, "error", err)
		return
	}
	var n Notice
	if text == nil || json.Unmarshal(text, &n) != nil {
		return
	}
	if err := r.deliver(ctx, last, &n, text); err != nil {
		r.log.Error("a notice about a run could not be delivered; it is tried again after the next run", "run_id", n.Run, "type", n.Type, "error", err)
		return
	}
	if err := kept.Delete(last, "last"); err != nil {
		r.log.Warn("a notice that was delivered could not be forgotten, and will come again", "run_id", n.Run, "error", err)
	}
}

// deliver tries a few times, and once where the process is told to stop.
func (r *Runner) deliver(ctx, last context.Context, n *Notice, text []byte) error {
	for i := 0; ; i++ {
		err := r.config.Notify(last, n.ID, text)
		if err == nil || i == len(noticeRetries) {
			return err
		}
		if sleep(ctx, noticeRetries[i]) != nil {
			return err
		}
	}
}
