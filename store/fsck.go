package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"rollcall/scim"
)

// Codes of findings: which invariant does not hold.
const (
	RecordUnreadable = "record.unreadable" // header, payload or attributes
	RecordType       = "record.type"       // of no resource type of the workspace
	RecordVersion    = "record.version"    // above the workspace's number, or none
	RecordTime       = "record.time"       // modified before it was created
	RecordFeed       = "record.feed"       // the feed's entry of its version is of something else
	ClaimMissing     = "claim.missing"     // the record's unique value is not claimed
	ClaimTaken       = "claim.taken"       // ... but by another
	ClaimStale       = "claim.stale"       // nobody has the value that is claimed
	ClaimSpace       = "claim.space"       // of no unique attribute
	EdgeOneWay       = "edge.oneway"       // on one side only
	EdgeDangling     = "edge.dangling"     // to or from what does not exist
	EdgeType         = "edge.type"         // a member of a type that may not be one
	FeedUnreadable   = "feed.unreadable"
	FeedGap          = "feed.gap"    // a number is missing
	FeedHead         = "feed.head"   // the newest entry is not the workspace's number
	FeedRecord       = "feed.record" // the record does not show the change
	FeedBefore       = "feed.before" // the version before is not the one before
	ImageUnreadable  = "image.unreadable"
	ImageFeed        = "image.feed" // not of the change whose number they have
	LockFence        = "lock.fence" // a holder has another number than the counter
	LockForever      = "lock.forever"
	NameStale        = "name.stale" // kept beside a group, and not its name; or of no group
	KeyUnknown       = "key.unknown"

	DeletedUnreadable = "deleted.unreadable" // what was deleted, and cannot be restored
	DeletedVersion    = "deleted.version"    // deleted by a change above the workspace's number
)

// Finding is one invariant that does not hold.
type Finding struct {
	Code string `json:"code"`
	On   string `json:"on"` // resource, claim, edge, number or key
	Text string `json:"text"`
	// Repair is what Workspace.Repair does about it; "" for nothing.
	Repair string `json:"repair,omitempty"`
	fix    func(context.Context) error
}

func (f Finding) String() string { return f.Code + " " + f.On + ": " + f.Text }

// Report is what Fsck found and counted.
type Report struct {
	Workspace string         `json:"workspace"`
	Findings  []Finding      `json:"findings"`
	Truncated bool           `json:"truncated,omitempty"` // there are more than maxFindings
	Resources map[string]int `json:"resources"`           // by type
	Claims    int            `json:"claims"`
	Edges     int            `json:"edges"`
	Changes   int            `json:"changes"` // in the feed
	Locks     int            `json:"locks"`
	// OldFormat counts the records in a format of older layouts (Store.Migrate). They are sound.
	OldFormat int `json:"oldFormat,omitempty"`
}

// Clean tells that nothing was found.
func (r *Report) Clean() bool { return len(r.Findings) == 0 }

const maxFindings = 1000

// Fsck checks every invariant between records, claims, edges, feed and locks. It streams, and
// may run beside writers: what a change during the check may explain is looked at again.
func (w *Workspace) Fsck(ctx context.Context) (*Report, error) {
	const passes = 4
	var last *Report
	for range passes {
		model, err := w.Model(ctx)
		if err != nil {
			return nil, err
		}
		c := &fsck{w: w, model: model, report: &Report{Workspace: w.ws, Resources: map[string]int{}}, gone: map[scim.Ref]scim.Version{}}
		moved, err := c.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("store: fsck of %s: %w", w.ws, err)
		}
		if last != nil { // what is wrong stays wrong
			c.report.Findings = slices.DeleteFunc(c.report.Findings, func(f Finding) bool {
				return !slices.ContainsFunc(last.Findings, func(l Finding) bool { return l.Code == f.Code && l.On == f.On })
			})
		}
		last = c.report
		if last.Clean() || !moved {
			break
		}
	}
	return last, nil
}

// fsck is one pass. Its checks are in fsck_claims.go, fsck_edges.go, fsck_feed.go and fsck_names.go, and what is
// done about a finding in fsck_repair.go.
type fsck struct {
	w      *Workspace
	model  *scim.Model
	report *Report
	head   scim.Version // at the beginning
	oldest scim.Version // entry of the feed
	// gone are resources that the feed tells of and that do not exist, by the last
	// change of each, until the feed tells of their deletion.
	gone map[scim.Ref]scim.Version
	// names are those kept beside groups, until their groups are seen.
	names map[string]string
}

// found notes a finding, and returns it for its repair.
func (c *fsck) found(code, on, format string, args ...any) *Finding {
	f := Finding{Code: code, On: on, Text: fmt.Sprintf(format, args...)}
	if len(c.report.Findings) >= maxFindings {
		c.report.Truncated = true
		return &f
	}
	c.report.Findings = append(c.report.Findings, f)
	return &c.report.Findings[len(c.report.Findings)-1]
}

// run makes the pass, and tells whether anything changed meanwhile.
func (c *fsck) run(ctx context.Context) (moved bool, err error) {
	b, ws := c.w.backend, c.w.ws
	if _, c.head, err = b.Feed(ctx, ws, maxVersion, 1); err != nil {
		return false, err
	}
	steps := []func(context.Context) error{
		c.feed, c.readNames, c.records, c.strayNames, c.claims, c.locks, c.deleted,
		func(ctx context.Context) error { return c.edges(ctx, Members, Groups) },
		func(ctx context.Context) error { return c.edges(ctx, Groups, Members) },
		func(ctx context.Context) error {
			return b.ScanStrays(ctx, ws, func(s Stray) error { c.found(KeyUnknown, s.Key, "%s", s.Why); return nil })
		},
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return false, err
		}
	}
	_, now, err := b.Feed(ctx, ws, maxVersion, 1)
	return now != c.head, err
}

func (c *fsck) records(ctx context.Context) error {
	return c.w.backend.ScanRecords(ctx, c.w.ws, func(raws []Raw) error {
		if err := c.checkVersions(ctx, raws); err != nil {
			return err
		}
		wanted := map[string][]claim{}
		for i := range raws {
			for _, cl := range c.record(ctx, &raws[i]) {
				wanted[cl.Space] = append(wanted[cl.Space], cl)
			}
		}
		for space, claims := range wanted {
			if err := c.checkClaims(ctx, space, claims); err != nil {
				return err
			}
		}
		return nil
	})
}

// record checks one record by itself, and returns the claims it should have.
func (c *fsck) record(ctx context.Context, raw *Raw) []claim {
	on := raw.Ref.String()
	stored, err := decodeRecord(raw)
	if err != nil {
		c.repairRecord(ctx, c.found(RecordUnreadable, on, "%v", err), *raw)
		return nil
	}
	t := c.model.Type(raw.Type)
	if t == nil {
		c.found(RecordType, on, "there is no such resource type")
		return nil
	}
	c.report.Resources[t.Name]++
	if oldFormat(raw) {
		c.report.OldFormat++
	}
	if raw.Modified.Before(raw.Created) {
		c.found(RecordTime, on, "modified %v, created %v", raw.Modified, raw.Created)
	}
	r, err := stored.Resource()
	if err != nil {
		c.repairRecord(ctx, c.found(RecordUnreadable, on, "%v", err), *raw)
		return nil
	}
	claims, err := claimsOf(t, r)
	if err != nil {
		c.found(RecordUnreadable, on, "%v", err)
	}
	c.name(t, r)
	return claims
}

func (c *fsck) locks(ctx context.Context) error {
	states, err := c.w.backend.LockStates(ctx, c.w.ws)
	if err != nil {
		return err
	}
	c.report.Locks = len(states)
	slices.SortFunc(states, func(a, b LockState) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range states {
		if s.Holder != "" && s.HolderNumber != s.Number {
			c.found(LockFence, s.Name, "held under number %d, and the counter is at %d", s.HolderNumber, s.Number)
		}
		if s.Forever {
			c.found(LockForever, s.Name, "held by %s without a time limit", s.Holder)
		}
	}
	return nil
}
