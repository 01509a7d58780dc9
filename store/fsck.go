package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

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

// fsck is one pass.
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
		c.feed, c.readNames, c.records, c.strayNames, c.claims, c.locks,
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

// readNames reads the names that are kept beside groups.
func (c *fsck) readNames(ctx context.Context) error {
	c.names = map[string]string{}
	return c.w.backend.KVScan(ctx, c.w.ws, NamesSpace, func(ref string, name []byte) error {
		c.names[ref] = string(name)
		return nil
	})
}

// name compares a group's name with the one that is kept beside it. None is no damage: it
// is then read from the group, as in stores that are older than the names.
func (c *fsck) name(t *scim.ResourceType, r *scim.Resource) {
	if len(t.MemberTypes) == 0 {
		return
	}
	on := r.Ref.String()
	name, kept := c.names[on]
	if kept && name != r.DisplayName() {
		c.repairName(c.found(NameStale, on, "another name is kept beside the group"), on, r.DisplayName())
	}
	delete(c.names, on)
}

// strayNames tells of the names that no group has.
func (c *fsck) strayNames(ctx context.Context) error {
	for text := range c.names {
		ref, ok := ParseRef(text)
		raws, err := c.w.backend.Read(ctx, c.w.ws, []scim.Ref{ref}, false)
		if err != nil {
			return err
		}
		if !ok || !raws[0].Found {
			c.repairStrayName(c.found(NameStale, text, "there is no such group"), text)
		}
	}
	return nil
}

// checkVersions compares records with the feed's entries of their versions.
func (c *fsck) checkVersions(ctx context.Context, raws []Raw) error {
	var sound []Raw
	var numbers []scim.Version
	for _, raw := range raws {
		if raw.Damage == "" {
			sound, numbers = append(sound, raw), append(numbers, raw.Version)
		}
	}
	entries, err := c.w.backend.FeedAt(ctx, c.w.ws, numbers)
	if err != nil {
		if !isCorrupt(err) {
			return err
		}
		return nil // told by feed
	}
	_, now, err := c.w.backend.Feed(ctx, c.w.ws, maxVersion, 1)
	if err != nil {
		return err
	}
	for i, raw := range sound {
		e := entries[i]
		switch {
		case raw.Version > now:
			c.found(RecordVersion, raw.Ref.String(), "version %d is above the workspace's number %d", raw.Version, now)
		case e.Version == 0: // trimmed, or a gap, which feed tells
		case e.Nonce != raw.Nonce || e.Ref != raw.Ref && !slices.Contains(e.Groups, raw.Ref):
			c.found(RecordFeed, raw.Ref.String(), "change %d is another one, of %s", e.Version, e.Ref)
		}
	}
	return nil
}

func (c *fsck) checkClaims(ctx context.Context, space string, wanted []claim) error {
	keys := make([]string, len(wanted))
	for i, cl := range wanted {
		keys[i] = cl.Key
	}
	held, err := c.w.backend.Holders(ctx, c.w.ws, space, keys)
	if err != nil {
		return err
	}
	for i, cl := range wanted {
		on := fmt.Sprintf("%s %q", space, cl.Key)
		switch held[i].ID {
		case cl.ID:
		case "":
			c.repairMissing(c.found(ClaimMissing, on, "%s has it, and nobody claims it", cl.ID), c.typeOfSpace(space).Name, cl.Claim)
		default:
			c.found(ClaimTaken, on, "%s has it, and %s claims it", cl.ID, held[i].ID)
		}
	}
	return nil
}

// claims checks that whoever claims a value has it.
func (c *fsck) claims(ctx context.Context) error {
	spaces, err := c.w.backend.Spaces(ctx, c.w.ws, "")
	if err != nil {
		return err
	}
	for _, space := range spaces {
		t := c.typeOfSpace(space)
		if t == nil {
			c.found(ClaimSpace, space, "no resource type has such a unique attribute")
			continue
		}
		err := c.w.backend.ScanClaims(ctx, c.w.ws, space, func(claims []Claim) error {
			return c.checkHolders(ctx, t, claims)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *fsck) typeOfSpace(space string) *scim.ResourceType {
	name, _, _ := strings.Cut(space, ".")
	t := c.model.Type(name)
	if t == nil {
		return nil
	}
	unique := slices.ContainsFunc(t.Unique, func(a *scim.Attribute) bool { return uniqueSpace(t, a) == space })
	if unique || space == enumeration(t) || strings.HasPrefix(space, externalIDPrefix(t.Name)) {
		return t
	}
	return nil
}

func (c *fsck) checkHolders(ctx context.Context, t *scim.ResourceType, held []Claim) error {
	c.report.Claims += len(held)
	refs := make([]scim.Ref, len(held))
	for i, cl := range held {
		refs[i] = scim.Ref{Type: t.Name, ID: cl.ID}
	}
	raws, err := c.w.backend.Read(ctx, c.w.ws, refs, false)
	if err != nil {
		return err
	}
	for i, cl := range held {
		on := fmt.Sprintf("%s %q", cl.Space, cl.Key)
		if !raws[i].Found {
			c.repairStale(c.found(ClaimStale, on, "its holder %s does not exist", refs[i]), cl)
			continue
		}
		stored, err := decodeRecord(&raws[i])
		if err != nil {
			continue // told by records
		}
		r, err := stored.Resource()
		if err != nil {
			continue
		}
		has, err := claimsOf(t, r)
		if err == nil && !slices.ContainsFunc(has, func(h claim) bool { return h.Space == cl.Space && h.Key == cl.Key }) {
			c.repairStale(c.found(ClaimStale, on, "its holder %s has no such value", refs[i]), cl)
		}
	}
	return nil
}

// edges checks one side of the edges against the other, and against the records.
func (c *fsck) edges(ctx context.Context, side, other Direction) error {
	return c.w.backend.ScanEdges(ctx, c.w.ws, side, func(edges []EdgeAt) error {
		if side == Members {
			c.report.Edges += len(edges)
		}
		back := make([]EdgeAt, len(edges))
		refs := make([]scim.Ref, 0, 2*len(edges))
		for i, e := range edges {
			back[i] = EdgeAt{From: e.To, To: e.From}
			refs = append(refs, e.From, e.To)
		}
		has, err := c.w.backend.HasEdges(ctx, c.w.ws, other, back)
		if err != nil {
			return err
		}
		raws, err := c.w.backend.Read(ctx, c.w.ws, refs, false)
		if err != nil {
			return err
		}
		for i, e := range edges {
			on := fmt.Sprintf("%c %s %s", side, e.From, e.To)
			ends := raws[2*i : 2*i+2]
			if !has[i] {
				f := c.found(EdgeOneWay, on, "%s does not list it", e.To)
				if ends[0].Found && ends[1].Found {
					c.repairOneWay(f, side, e)
				}
			}
			for _, end := range ends {
				if !end.Found {
					c.repairEdge(c.found(EdgeDangling, on, "%s does not exist", end.Ref), side, e)
				}
			}
			if t := c.model.Type(e.From.Type); side == Members && t != nil && !slices.Contains(t.MemberTypes, e.To.Type) {
				c.repairEdge(c.found(EdgeType, on, "a %s may not be a member of a %s", e.To.Type, e.From.Type), side, e)
			}
		}
		return nil
	})
}

// feed checks that no number is missing, and that the records show what the entries say.
func (c *fsck) feed(ctx context.Context) error {
	const page = 500
	var after scim.Version
	for {
		entries, head, err := c.w.backend.Feed(ctx, c.w.ws, after, page)
		if isCorrupt(err) {
			c.found(FeedUnreadable, fmt.Sprintf("after %d", after), "%v", err)
			return nil
		}
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			if after != head {
				c.found(FeedHead, fmt.Sprint(head), "the newest entry is %d", after)
			}
			for ref, n := range c.gone {
				c.repairGone(ctx, c.found(FeedRecord, fmt.Sprint(n), "%s is gone, and was not deleted", ref), ref, n)
			}
			return nil
		}
		if c.oldest == 0 {
			c.oldest = entries[0].Version
			after = c.oldest - 1
		}
		c.report.Changes += len(entries)
		for _, e := range entries {
			if e.Version != after+1 {
				c.found(FeedGap, fmt.Sprint(after+1), "the next entry is %d", e.Version)
			}
			after = e.Version
		}
		if err := c.checkEntries(ctx, entries); err != nil {
			return err
		}
		if err := c.checkImages(ctx, entries); err != nil {
			return err
		}
	}
}

func (c *fsck) checkEntries(ctx context.Context, entries []Entry) error {
	refs := make([]scim.Ref, len(entries))
	var befores []scim.Version
	for i, e := range entries {
		refs[i] = e.Ref
		befores = append(befores, e.Before)
	}
	raws, err := c.w.backend.Read(ctx, c.w.ws, refs, false)
	if err != nil {
		return err
	}
	earlier, err := c.w.backend.FeedAt(ctx, c.w.ws, befores)
	if err != nil && !isCorrupt(err) {
		return err
	}
	for i, e := range entries {
		on, raw := fmt.Sprint(e.Version), raws[i]
		if raw.Found || e.Op == ChangeDelete {
			delete(c.gone, e.Ref)
		} else {
			c.gone[e.Ref] = e.Version
		}
		switch {
		case raw.Damage != "": // told by records
		case e.Op != ChangeDelete && raw.Found && raw.Version < e.Version:
			c.found(FeedRecord, on, "%s is at version %d", e.Ref, raw.Version)
		case e.Op == ChangeDelete && raw.Found && raw.Version <= e.Version:
			c.found(FeedRecord, on, "%s was deleted, and is there", e.Ref)
		}
		if e.Before >= e.Version || (e.Op == ChangeCreate) != (e.Before == 0) {
			c.found(FeedBefore, on, "%s of %s at version %d", e.Op, e.Ref, e.Before)
		} else if err == nil && earlier[i].Version != 0 && earlier[i].Ref != e.Ref && !slices.Contains(earlier[i].Groups, e.Ref) {
			c.found(FeedBefore, on, "version %d before is a change of %s, not %s", e.Before, earlier[i].Ref, e.Ref)
		}
	}
	return nil
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
