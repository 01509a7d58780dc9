package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"rollcall/internal/ops"
	"rollcall/scim"
	dirsync "rollcall/sync"
)

const (
	lookBack    = 20  // runs in which the last success is looked for
	maxShownTok = 500 // tokens whose end is shown
)

// samples looks up what /metrics shows beside its counters. A part that cannot be read is left
// out, and store_up tells why.
func (c *core) samples(ctx context.Context) []ops.Sample {
	ctx = scim.WithActor(ctx, &scim.Actor{Kind: "operator", ID: "metrics", Name: "metrics", All: true})
	up := 1.0
	if err := c.ping(ctx); err != nil {
		up = 0
	}
	all := []ops.Sample{{Name: "store_up", Value: up}}
	for name, s := range c.sources {
		all = append(all, sourceSamples(ctx, name, s.runner)...)
	}
	if up == 0 {
		return all
	}
	all = append(all, c.signInSamples(ctx)...)
	all = append(all, ops.Sample{Name: "audit_seal_lag_seconds", Value: c.audit.Lag().Seconds()})
	backlogs, err := c.events.Backlogs(ctx)
	if err != nil {
		c.log.DebugContext(ctx, "the backlog of events cannot be read", "error", err)
	}
	for _, b := range backlogs {
		all = append(all, ops.Sample{Name: "webhook_oldest_pending_seconds", Value: b.Oldest.Seconds(), Labels: []string{b.Workspace, b.Stream}})
	}
	if n, oldest, err := c.accounts.WaitingMail(ctx); err == nil {
		age := 0.0
		if n > 0 {
			age = time.Since(oldest).Seconds()
		}
		all = append(all, ops.Sample{Name: "mail_waiting", Value: float64(n)}, ops.Sample{Name: "mail_oldest_waiting_seconds", Value: age})
	}
	return all
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func sourceSamples(ctx context.Context, name string, r *dirsync.Runner) []ops.Sample {
	var all []ops.Sample
	add := func(metric string, value float64, labels ...string) {
		all = append(all, ops.Sample{Name: metric, Value: value, Labels: append([]string{name}, labels...)})
	}
	if next := r.Next(time.Now()); !next.IsZero() {
		add("sync_next_run_timestamp_seconds", unix(next))
		if after := r.Next(next); !after.IsZero() {
			add("sync_interval_seconds", after.Sub(next).Seconds())
		}
	}
	runs, err := r.List(ctx, lookBack)
	if err != nil || len(runs) == 0 {
		return all
	}
	success := 0.0
	for _, run := range runs {
		if run.Result == dirsync.OK || run.Result == dirsync.Partial {
			success = unix(run.Finished)
			break
		}
	}
	add("sync_last_success_timestamp_seconds", success)
	last := runs[0]
	if last.Result == dirsync.Running && len(runs) > 1 {
		last = runs[1]
	}
	add("sync_entries", float64(last.Counts.Users), "User")
	add("sync_entries", float64(last.Counts.Groups), "Group")
	add("sync_entry_errors", float64(last.Counts.Skipped), "skipped")
	add("sync_entry_errors", float64(last.Counts.Failed), "refused")
	for guard, blocked := range blockedBy(last) {
		add("sync_blocked", blocked, guard)
	}
	return all
}

// blockedBy tells for each limit of the guard whether it blocked a run. A limit that names a
// group goes by what it limits.
func blockedBy(r *dirsync.Report) map[string]float64 {
	limits := map[string]float64{"any": 0}
	if r.Verdict == nil {
		return limits
	}
	for _, check := range r.Verdict.Limits {
		guard := check.Name
		if strings.HasPrefix(guard, "members of ") {
			guard = "members"
		}
		if limits[guard] == 0 {
			limits[guard] = 0
		}
		if !check.Passed && r.Result == dirsync.Blocked {
			limits[guard], limits["any"] = 1, 1
		}
	}
	return limits
}

// signInSamples tells when clients were last here, and when tokens end.
func (c *core) signInSamples(ctx context.Context) []ops.Sample {
	var all []ops.Sample
	clients, err := c.accounts.Clients(ctx)
	if err != nil {
		c.log.DebugContext(ctx, "clients cannot be read", "error", err)
	}
	for _, info := range clients {
		if here := c.lastSeen.of(info.Workspace, info.Name); here.After(info.LastUsed) {
			info.LastUsed = here
		}
		if !info.LastUsed.IsZero() {
			all = append(all, ops.Sample{Name: "client_last_seen_timestamp_seconds", Value: unix(info.LastUsed), Labels: []string{info.Workspace, info.Name}})
		}
	}
	tokens, err := c.accounts.Tokens(ctx)
	if err != nil {
		c.log.DebugContext(ctx, "tokens cannot be read", "error", err)
	}
	shown := 0
	for _, t := range tokens {
		// One that ended a week ago or more is nobody's trouble any more, and access tokens come and go.
		if t.From != "" || t.Expires.IsZero() || time.Since(t.Expires) > 7*24*time.Hour || shown == maxShownTok {
			continue
		}
		shown++
		all = append(all, ops.Sample{Name: "token_expiry_timestamp_seconds", Value: unix(t.Expires), Labels: []string{t.Workspace, t.ID}})
	}
	return all
}

// lastSeen is when clients were last seen by this process: those that sign in by a JWT or by
// Basic leave no trace in the store.
type lastSeen struct {
	mu sync.Mutex // guards at
	at map[[2]string]time.Time
}

// maxSeen bounds how many clients are remembered.
const maxSeen = 1000

func (l *lastSeen) note(workspace, client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil || len(l.at) >= maxSeen {
		l.at = map[[2]string]time.Time{}
	}
	l.at[[2]string{workspace, client}] = time.Now()
}

func (l *lastSeen) of(workspace, client string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at[[2]string{workspace, client}]
}
