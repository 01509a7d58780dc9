package sync

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"regexp"
	"time"

	"rollcall/scim"
)

// Config is what a Runner is made of. Schedule, Jitter, MappingVersion, Holder and Logger
// may be left out.
type Config struct {
	Name      string // of the source
	Source    Source
	Target    scim.Store
	State     scim.State // of the same workspace: Target's commits check its lock
	Model     *scim.Model
	Workspace string // of Target, for the actor that the changes are recorded under
	Policy    Policy
	// MappingVersion changes when entries are to be mapped otherwise: then every one of
	// them is looked at again.
	MappingVersion string
	Schedule       *Schedule     // nil: runs only when told to
	Jitter         time.Duration // a scheduled run starts later by a share of this, fixed for the name
	Holder         string        // who this process is, for others who want the lock
	Logger         *slog.Logger
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if !sourceName.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("source name %q: want up to 63 of a-z, 0-9, '_', '.', '-', and a letter or digit first", c.Name))
	}
	if c.Source == nil || c.Target == nil || c.State == nil || c.Model == nil {
		errs = append(errs, errors.New("source, target, state and model are needed"))
	} else if c.Model.Type("User") == nil || c.Model.Type("Group") == nil {
		errs = append(errs, errors.New("the model has to have the types User and Group"))
	}
	if c.Jitter < 0 {
		errs = append(errs, fmt.Errorf("jitter: %v is below zero", c.Jitter))
	}
	return errors.Join(append(errs, c.Policy.Validate())...)
}

// Runner runs one source into one workspace. It is safe for concurrent use: a second run
// at the same time, here or in another replica, is refused with scim.ErrLocked.
type Runner struct {
	config  Config
	mapping *mapping
	history *history
	log     *slog.Logger
	// planning holds an element while a plan is made: who may ask for plans could else have as many
	// whole directories read, and held, at once as they like.
	planning chan struct{}
}

// New makes a Runner. It reads and writes nothing yet.
func New(c Config) (*Runner, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	m, err := newMapping(c.Model, c.Source, c.MappingVersion)
	if err != nil {
		return nil, err
	}
	if c.Holder == "" {
		host, _ := os.Hostname()
		c.Holder = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	log := c.Logger.With("source", c.Name)
	return &Runner{config: c, mapping: m, history: &history{state: c.State, source: c.Name}, log: log,
		planning: make(chan struct{}, 1)}, nil
}

// Name is the source's name.
func (r *Runner) Name() string { return r.config.Name }

// Plan reads the source and tells what a run would do, by the same mapping, checks and guard.
// It writes nothing, and takes no lock; of several in one process, one is made after the other.
// Its report is not kept. As with Run, a source that cannot be read is a report that says so, and
// no error.
func (r *Runner) Plan(ctx context.Context) (*Report, error) {
	select {
	case r.planning <- struct{}{}:
		defer func() { <-r.planning }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t := r.newRun(DryRun)
	err := t.plan(r.actor(ctx, t.report))
	t.end(ctx, err)
	return t.report, nil
}

// Run does one run and waits for its end. An error means that there was no run:
// scim.ErrLocked where another one is under way, scim.ErrUnavailable without a store.
// Everything that happens later is told by the report, which is kept.
func (r *Runner) Run(ctx context.Context, trigger Trigger) (*Report, error) {
	return r.start(ctx, trigger, time.Time{})
}

// start does a run. With a time at which it was due, there is none (and no report) where
// another replica has started one since.
func (r *Runner) start(ctx context.Context, trigger Trigger, due time.Time) (*Report, error) {
	lock, err := r.config.State.Lock(ctx, "sync/"+r.config.Name, r.config.Holder, lockTTL)
	if err != nil {
		return nil, fmt.Errorf("sync: run of %s: %w", r.config.Name, err)
	}
	held, release := hold(ctx, lock, r.log)
	defer release()

	if !due.IsZero() {
		past, err := r.history.list(held, 1)
		if err != nil {
			return nil, fmt.Errorf("sync: run of %s: %w", r.config.Name, err)
		}
		if len(past) > 0 && !past[0].Started.Before(due) {
			return nil, nil
		}
	}
	t := r.newRun(trigger)
	if err := r.history.begin(held, t.report); err != nil {
		return nil, fmt.Errorf("sync: run of %s: %w", r.config.Name, err)
	}
	r.log.Info("run started", "run", t.report.ID, "trigger", trigger)
	err = t.plan(r.actor(held, t.report))
	if err == nil && !t.report.Verdict.Blocked {
		err = t.apply(r.actor(held, t.report), lock)
	}
	t.end(held, err)
	r.logEnd(t.report)

	// The report is written even if the run was told to stop.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := r.history.put(last, t.report); err != nil {
		r.log.Error("the run's report could not be kept", "run", t.report.ID, "error", err)
	}
	return t.report, nil
}

// List returns the reports of the last runs without their lists, newest first.
func (r *Runner) List(ctx context.Context, limit int) ([]*Report, error) {
	return r.history.list(ctx, limit)
}

// Show returns the report of one run, or scim.ErrNotFound.
func (r *Runner) Show(ctx context.Context, id string) (*Report, error) {
	return r.history.get(ctx, id)
}

// Next is when the next scheduled run after t starts; the zero time without a schedule.
func (r *Runner) Next(t time.Time) time.Time {
	if r.config.Schedule == nil {
		return time.Time{}
	}
	jitter := r.jitter()
	tick := r.config.Schedule.Next(t.Add(-jitter))
	if tick.IsZero() {
		return tick
	}
	return tick.Add(jitter)
}

// jitter is the part of the configured jitter that falls to this source: always the same
// one, so that runs stay as far apart as the schedule says.
func (r *Runner) jitter() time.Duration {
	if r.config.Jitter < time.Second {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(r.config.Name))
	return time.Duration(h.Sum64()%uint64(r.config.Jitter/time.Second)) * time.Second
}

// actor puts the source into the context as the one who acts.
func (r *Runner) actor(ctx context.Context, report *Report) context.Context {
	return scim.WithActor(ctx, &scim.Actor{
		Kind: "source", ID: r.config.Name, Name: r.config.Name,
		Workspace: r.config.Workspace, All: true, RequestID: report.ID,
	})
}

func (r *Runner) logEnd(report *Report) {
	level := slog.LevelInfo
	switch report.Result {
	case Partial, Blocked:
		level = slog.LevelWarn
	case Failed:
		level = slog.LevelError
	}
	c := report.Counts
	r.log.Log(context.Background(), level, "run ended", "run", report.ID, "result", report.Result, "failure", report.Failure,
		"error", report.Error, "took", report.Finished.Sub(report.Started), "users", c.Users, "groups", c.Groups,
		"created", c.Created, "updated", c.Updated, "disabled", c.Disabled, "enabled", c.Enabled, "errors", report.ErrorCount)
}
