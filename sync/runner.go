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
	// Observe is told of each run when it begins, with the result Running, and when it ended; nil
	// for nobody. The report is not to be changed.
	Observe func(*Report)
	// Notify delivers a Notice in JSON, once; nil for nobody who wants to know.
	Notify func(ctx context.Context, id string, notice []byte) error
	// Follower reads Source so that scheduled runs need read only what changed; nil for none. Every WholeEvery
	// they read everything all the same, as do all other runs.
	Follower   Follower
	WholeEvery time.Duration
	Live       bool // run whenever the follower hears of a change
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
	if c.Follower != nil && c.WholeEvery <= 0 || c.Live && c.Follower == nil {
		errs = append(errs, errors.New("a followed source has to be read whole now and then"))
	}
	if c.Jitter < 0 {
		errs = append(errs, fmt.Errorf("jitter: %v is below zero", c.Jitter))
	}
	return errors.Join(append(errs, c.Policy.Validate())...)
}

// Runner runs one source into one workspace. It is safe for concurrent use: a second run
// at the same time, here or in another replica, is refused with scim.ErrLocked.
type Runner struct {
	config   Config
	mapping  *mapping
	history  *history // of runs
	plans    *history
	memory   *memory
	meters   meters
	followed followed
	log      *slog.Logger
	// planning holds an element while a plan is made: who may ask for plans could else have as many
	// whole directories read, and held, at once as they like.
	planning chan struct{}
}

// New makes a Runner. It reads and writes nothing yet.
func New(c Config) (*Runner, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	m, err := newMapping(c.Model, c.Source, c.MappingVersion+rolesText(c.Policy.Roles))
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
	if c.Observe == nil {
		c.Observe = func(*Report) {}
	}
	log := c.Logger.With("source", c.Name)
	return &Runner{config: c, mapping: m, log: log,
		history:  &history{state: c.State, source: c.Name, what: "run", keep: keptRuns},
		plans:    &history{state: c.State, source: c.Name, what: "plan", keep: keptPlans},
		memory:   &memory{state: c.State, source: c.Name},
		meters:   meters{all: map[string]*meter{}},
		planning: make(chan struct{}, 1)}, nil
}

// Name is the source's name.
func (r *Runner) Name() string { return r.config.Name }

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

func (r *Runner) logEnd(ctx context.Context, report *Report) {
	level := slog.LevelInfo
	switch report.Result {
	case Partial, Blocked:
		level = slog.LevelWarn
	case Failed:
		level = slog.LevelError
	}
	c := report.Counts
	r.log.Log(ctx, level, "run ended", "run_id", report.ID, "result", report.Result, "failure", report.Failure,
		"error", report.Error, "took", report.Finished.Sub(report.Started), "users", c.Users, "groups", c.Groups,
		"created", c.Created, "updated", c.Updated, "disabled", c.Disabled, "enabled", c.Enabled, "deleted", c.Deleted, "errors", report.ErrorCount)
}
