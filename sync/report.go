package sync

import (
	"encoding/json"
	"time"

	"rollcall/scim"
)

// Result is how a run ended. It never says more than is true: one entry that could not be
// used makes a run partial, and one that could not be read whole makes it failed.
type Result string

const (
	Running Result = "running" // not over yet
	OK      Result = "ok"      // everything that the source has is in the store
	Partial Result = "partial" // the rest is; Errors tells which entries are not
	Blocked Result = "blocked" // a limit of the guard was passed: nothing was applied
	Failed  Result = "failed"  // the run broke off; what it had applied stays
)

// Failure is what broke a run off.
type Failure string

const (
	FailedSource      Failure = "source"      // the source could not be read whole: nothing was applied
	FailedStore       Failure = "store"       // the store could not be reached, or lost what it kept
	FailedLock        Failure = "lock"        // another run took over
	FailedInterrupted Failure = "interrupted" // the process was told to stop, or died
	FailedCancelled   Failure = "cancelled"   // somebody cancelled it
	FailedMoved       Failure = "moved"       // it was to apply a plan that no longer holds: nothing was applied
)

// Trigger is why a run was started.
type Trigger string

const (
	Scheduled Trigger = "schedule"
	Manual    Trigger = "manual"
	Demo      Trigger = "demo"
	DryRun    Trigger = "plan"     // a plan that was only looked at
	Applying  Trigger = "apply"    // a stored plan is applied
	Approval  Trigger = "approval" // a plan is applied beyond the guard's limits
	Undoing   Trigger = "undo"     // an earlier run is taken back
)

// How much of a run its report keeps. The counts are always of everything.
const (
	MaxErrors  = 1000
	MaxChanges = 1000
	MaxMembers = 100 // ids of members added and removed, for each change
)

// Report tells of one run, or of the plan for one.
type Report struct {
	ID      string  `json:"id"` // sorts by time
	Source  string  `json:"source"`
	Trigger Trigger `json:"trigger"`
	By      string  `json:"by,omitempty"` // who asked for it
	// Read is how a followed source was read: ReadAll (Why says why, where changes might have done) or
	// ReadChanges.
	Read     string    `json:"read,omitempty"`
	Why      string    `json:"why,omitempty"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Result   Result    `json:"result"`
	Failure  Failure   `json:"failure,omitempty"` // with Failed
	Error    string    `json:"error,omitempty"`   // with Failed, for people

	// Plan is the plan, or the blocked run, whose changes this run was to apply, and AppliedAs
	// the run by which this plan was applied. Approved: its guard's verdict was overruled.
	Plan      string `json:"plan,omitempty"`
	Approved  bool   `json:"approved,omitempty"`
	AppliedAs string `json:"appliedAs,omitempty"`
	Undoes    string `json:"undoes,omitempty"` // the run that this one was to take back
	// FeedFrom and FeedTo are the numbers of the newest change in the feed before and after the run.
	FeedFrom scim.Version `json:"feedFrom,omitempty"`
	FeedTo   scim.Version `json:"feedTo,omitempty"`
	// Hash is of all planned changes: of a plan, and of a run that was blocked or applied a plan.
	Hash     string    `json:"hash,omitempty"`
	Progress *Progress `json:"progress,omitempty"` // while it is running, from the process that runs it

	Counts  Counts   `json:"counts"`  // what was seen and done
	Planned Tally    `json:"planned"` // what was to be done
	Verdict *Verdict `json:"verdict,omitempty"`
	Phases  []Phase  `json:"phases"`

	// Errors are the first MaxErrors of ErrorCount, Changes the first MaxChanges of
	// ChangeCount and Missing the first MaxErrors of those that the source no longer has.
	// Moved is, with FailedMoved, the first of MovedCount changes that are not as planned.
	// A list of reports leaves all four out.
	Errors      []Problem `json:"errors,omitempty"`
	ErrorCount  int       `json:"errorCount"`
	Changes     []Change  `json:"changes,omitempty"`
	ChangeCount int       `json:"changeCount"`
	Missing     []Missing `json:"missing,omitempty"`
	Moved       []Moved   `json:"moved,omitempty"`
	MovedCount  int       `json:"movedCount,omitempty"`

	erased map[string]bool // externalIds of people who were erased: nothing is told of them
}

// Tally counts changes.
type Tally struct {
	Created        int `json:"created"`
	Updated        int `json:"updated"` // with those whose members alone changed
	Disabled       int `json:"disabled"`
	Enabled        int `json:"enabled"`
	Deleted        int `json:"deleted"`
	MembersAdded   int `json:"membersAdded"`
	MembersRemoved int `json:"membersRemoved"`
}

// Counts is what a run saw and did.
type Counts struct {
	Users     int `json:"users"`  // usable entries of people that the source has
	Groups    int `json:"groups"` // and of groups
	Unchanged int `json:"unchanged"`
	Tally
	Skipped       int `json:"skipped"`       // entries that could not be used
	Failed        int `json:"failed"`        // changes that the store refused
	Dangling      int `json:"dangling"`      // members that are no entry of the source; no error
	MissingUsers  int `json:"missingUsers"`  // people who were in the source until this run
	MissingGroups int `json:"missingGroups"` // groups likewise: they are left as they are
	Gone          int `json:"gone"`          // missing for longer, and dealt with
}

// Problem is one entry that could not be brought over. It never holds a value.
type Problem struct {
	DN        string `json:"dn"`
	ID        string `json:"externalId,omitempty"`
	Kind      string `json:"kind"` // "entry", "invalid", "conflict", "refused"; of an undo "changed"
	Attribute string `json:"attribute,omitempty"`
	Reason    string `json:"reason"`
	Remedy    string `json:"remedy"`
	Holder    string `json:"holder,omitempty"` // with "conflict": the id of the resource that has it
}

// Missing is a resource whose entry the source no longer has, though the read was whole.
type Missing struct {
	Type       string `json:"type"`
	ID         string `json:"id"`
	ExternalID string `json:"externalId"`
	Runs       int    `json:"runs"`                // whole runs in a row in which it was missing
	Protected  bool   `json:"protected,omitempty"` // so nothing is done about it
}

// Phase is one step of a run and the time it took.
type Phase struct {
	Name     string        `json:"name"` // "owned", "read", "compare", "users", "groups", "deletions"
	Duration time.Duration `json:"-"`
}

// MarshalJSON gives the duration in seconds.
func (p Phase) MarshalJSON() ([]byte, error) {
	return json.Marshal(phaseJSON{p.Name, p.Duration.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Phase) UnmarshalJSON(text []byte) error {
	var j phaseJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	p.Name, p.Duration = j.Name, time.Duration(j.Seconds*float64(time.Second))
	return nil
}

type phaseJSON struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// problem records an entry that could not be used.
func (r *Report) problem(p Problem) {
	r.ErrorCount++
	if len(r.Errors) < MaxErrors {
		r.Errors = append(r.Errors, p)
	}
}

// summary is the report without its lists.
func (r *Report) summary() *Report {
	s := *r
	s.Errors, s.Changes, s.Missing, s.Moved = nil, nil, nil, nil
	return &s
}
