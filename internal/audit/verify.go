package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"strings"

	"rollcall/scim"
	"rollcall/store"
)

// Report is what a verification found.
type Report struct {
	Workspace string    `json:"workspace"`
	From      uint64    `json:"from"`   // the first block
	Blocks    uint64    `json:"blocks"` // that were looked at
	Changes   int       `json:"changes"`
	Events    int       `json:"events"`
	Trimmed   int       `json:"trimmed"`  // changes that the feed keeps no more
	Erased    int       `json:"erased"`   // changes and events that are about somebody who was erased
	Unsealed  uint64    `json:"unsealed"` // changes that no block has yet
	Findings  []Finding `json:"findings"`
	More      bool      `json:"more,omitempty"` // there are more findings
}

// Finding is one thing that is wrong.
type Finding struct {
	Block  uint64       `json:"block,omitempty"`
	Change scim.Version `json:"change,omitempty"`
	What   string       `json:"what"`
}

func (f Finding) String() string {
	switch {
	case f.Change != 0:
		return fmt.Sprintf("block %d, change %d: %s", f.Block, f.Change, f.What)
	case f.Block != 0:
		return fmt.Sprintf("block %d: %s", f.Block, f.What)
	}
	return f.What
}

// maxFindings bounds a report.
const maxFindings = 1000

// verification is a Verify under way.
type verification struct {
	*chain
	Report
	prev     *block
	prevMAC  []byte
	unsure   bool // the block before is not there: nothing follows from it
	gaps     map[scim.Version]bool
	erasures map[string]bool // "User/<id>" that were erased
	empty    []hollow
	// floor is up to which change the feed need not reach any more, images likewise.
	floor, images scim.Version
	missing       []Finding // of changes, until the floor is known
	gone          []Finding // of images
}

// hollow is something without its personal part, and whom it is about; nobody where that is not known.
type hollow struct {
	Finding
	about []string
}

// Verify checks a workspace's audit from a block on, 0 for its beginning: that every block follows the
// one before and was sealed with a key of the keyring, and that every change and event is still
// what was sealed.
func (l *Log) Verify(ctx context.Context, workspace string, from uint64) (*Report, error) {
	c, err := l.chain(ctx, workspace)
	if err != nil {
		return nil, err
	}
	if err := c.upToDate(ctx); err != nil && !errors.Is(err, scim.ErrCorrupt) {
		return nil, err
	}
	v := &verification{chain: c, Report: Report{Workspace: workspace, Findings: []Finding{}}, gaps: map[scim.Version]bool{}, erasures: map[string]bool{}}
	if err := v.run(ctx, from); err != nil {
		return nil, err
	}
	return &v.Report, nil
}

func (v *verification) found(f Finding) {
	if len(v.Findings) >= maxFindings {
		v.More = true
		return
	}
	v.Findings = append(v.Findings, f)
}

func (v *verification) run(ctx context.Context, from uint64) error {
	n, err := v.begin(ctx, from)
	if err != nil {
		return err
	}
	head, err := v.headNumber(ctx)
	if err != nil {
		v.found(Finding{What: err.Error()})
	}
	for ; ; n++ {
		b, _, err := v.readBlock(ctx, n)
		if errors.Is(err, scim.ErrCorrupt) {
			v.found(Finding{Block: n, What: "it cannot be read"})
			v.prev, v.prevMAC, v.unsure = nil, nil, true
			continue
		}
		if err != nil {
			return err
		}
		if b == nil {
			if n > head {
				break
			}
			v.found(Finding{Block: n, What: "it was removed"})
			v.prev, v.prevMAC, v.unsure = nil, nil, true
			continue
		}
		if err := v.block(ctx, b); err != nil {
			return err
		}
	}
	return v.end(ctx, n-1)
}

// begin finds the first block to look at, and what it has to follow.
func (v *verification) begin(ctx context.Context, from uint64) (uint64, error) {
	a, err := v.readAnchor(ctx)
	if errors.Is(err, scim.ErrCorrupt) {
		v.found(Finding{What: err.Error()})
	} else if err != nil {
		return 0, err
	}
	n := a.N + 1
	v.prevMAC = a.MAC
	if a.N > 0 {
		key, err := v.log.Keys.Key(a.Key, purposeAnchor)
		if err != nil {
			v.found(Finding{What: "the anchor of blocks that were removed is sealed with a key that the keyring does not have: " + a.Key})
		} else if seal, err := a.sealed(key); err != nil || !hmac.Equal(seal, a.Seal) {
			v.found(Finding{What: "the anchor of blocks that were removed is not what was sealed"})
		}
	}
	if from > n {
		n, v.prevMAC, v.unsure = from, nil, true
	}
	v.From = n
	return n, nil
}

func (v *verification) block(ctx context.Context, b *block) error {
	v.Blocks++
	v.Changes, v.Events = v.Changes+len(b.Changes), v.Events+len(b.Events)
	switch key, err := v.log.Keys.Key(b.Key, purposeSeal); {
	case errors.Is(err, scim.ErrUnavailable):
		v.found(Finding{Block: b.N, What: "it is sealed with a key that the keyring does not have: " + b.Key})
	case err != nil:
		return err
	case !b.proved(key):
		v.found(Finding{Block: b.N, What: "it is not what was sealed"})
	}
	if !v.unsure && !bytes.Equal(b.Prev, v.prevMAC) {
		v.found(Finding{Block: b.N, What: "it does not follow the block before it"})
	}
	if b.Last > scim.Version(b.Keep) {
		v.floor = max(v.floor, b.Last-scim.Version(b.Keep))
	}
	if b.Last > scim.Version(b.Images) {
		v.images = max(v.images, b.Last-scim.Version(b.Images))
	}
	if err := v.events(b); err != nil {
		return err
	}
	if v.prev != nil && b.First != v.prev.Last+1 && !v.gaps[v.prev.Last+1] {
		v.found(Finding{Block: b.N, What: fmt.Sprintf("the changes %d to %d are in no block", v.prev.Last+1, b.First-1)})
	}
	v.prev, v.prevMAC, v.unsure = b, b.MAC, false
	return v.changes(ctx, b)
}

func (v *verification) events(b *block) error {
	for i := range b.Events {
		l := &b.Events[i]
		e, err := l.event()
		if err != nil {
			v.found(Finding{Block: b.N, What: err.Error()})
			continue
		}
		var salt [saltLen]byte
		copy(salt[:], l.Salt)
		on := Finding{Block: b.N, What: "the personal part of the event " + e.ID + " is not what was sealed"}
		switch hash := salted(salt, l.Personal); {
		case len(l.Salt) > 0 && !bytes.Equal(hash[:], l.Hash), len(l.Salt) == 0 && l.Personal != nil:
			v.found(on)
		case len(l.Salt) == 0:
			v.Erased++
			on.What = "the personal part of the event " + e.ID + " was removed, and nobody was erased"
			v.empty = append(v.empty, hollow{on, []string{e.Subject, userOf(e.Actor), userOf(e.By)}})
		}
		switch e.Type {
		case EventErased:
			v.erasures[e.Subject] = true
		case eventCut:
			v.found(Finding{Block: b.N, What: fmt.Sprintf("the chain was cut back: %v blocks were sealed, and %v were left (restoring a backup does that too)", e.Detail["sealed"], e.Detail["found"])})
		case eventGap:
			from, _ := e.Detail["from"].(float64)
			v.gaps[scim.Version(from)] = true
			v.found(Finding{Block: b.N, What: fmt.Sprintf("the changes %v to %v were gone before they were sealed", e.Detail["from"], e.Detail["to"])})
		}
	}
	return nil
}

// changes checks what there still is of a block's changes.
func (v *verification) changes(ctx context.Context, b *block) error {
	if len(b.Changes) == 0 {
		return nil
	}
	evidence, _, err := v.store.Evidence(ctx, b.First-1, len(b.Changes))
	if errors.Is(err, scim.ErrCorrupt) {
		v.found(Finding{Block: b.N, What: "its changes cannot be read: " + err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	there := map[scim.Version]*store.Evidence{}
	for i := range evidence {
		there[evidence[i].Version] = &evidence[i]
	}
	for i := range b.Changes {
		n := b.First + scim.Version(i)
		v.change(&b.Changes[i], there[n], Finding{Block: b.N, Change: n})
	}
	return nil
}

func (v *verification) change(m *mark, e *store.Evidence, on Finding) {
	if e == nil {
		on.What = "it was removed from the feed"
		v.missing = append(v.missing, on)
		return
	}
	if commit(e.Public(), m.Personal[:]) != m.Commitment {
		on.What = "it is not what was sealed"
		v.found(on)
	}
	erased := m.Salt == [saltLen]byte{}
	switch personal := e.Personal(); {
	case erased && personal == nil:
		v.Erased++
		on.What = "what it was before and after was removed, and nobody was erased"
		v.empty = append(v.empty, hollow{on, []string{e.Ref.String()}})
	case erased || salted(m.Salt, personal) != m.Personal && personal != nil:
		on.What = "what it was before and after is not what was sealed"
		v.found(on)
	case personal == nil && salted(m.Salt, nil) != m.Personal:
		on.What = "what it was before and after was removed"
		v.gone = append(v.gone, on)
	}
}

// end judges what could only be judged when everything was seen.
func (v *verification) end(ctx context.Context, last uint64) error {
	after := scim.Version(0)
	if v.prev != nil {
		after = v.prev.Last
	}
	_, head, err := v.store.Evidence(ctx, after, 1)
	if err != nil {
		return err
	}
	if head > after {
		v.Unsealed = uint64(head - after)
	}
	if keep := scim.Version(v.log.FeedKeep); head > keep { // what came meanwhile has trimmed more
		v.floor = max(v.floor, head-keep)
	}
	if keep := scim.Version(v.log.ImageKeep); head > keep {
		v.images = max(v.images, head-keep)
	}
	for _, f := range v.missing {
		if f.Change > v.floor {
			v.found(f)
		} else {
			v.Trimmed++
		}
	}
	for _, f := range v.gone {
		if f.Change > v.images {
			v.found(f)
		}
	}
	for _, h := range v.empty {
		if !h.lawful(v) {
			v.found(h.Finding)
		}
	}
	return v.checkNoted(ctx, last)
}

func (h *hollow) lawful(v *verification) bool {
	if h.Change != 0 && h.Change <= v.images {
		return true
	}
	for _, ref := range h.about {
		if ref != "" && v.erasures[ref] {
			return true
		}
	}
	return false
}

// checkNoted compares the newest block with what was noted outside of the store.
func (v *verification) checkNoted(ctx context.Context, last uint64) error {
	noted, err := v.log.heads.of(v.workspace)
	if err != nil || noted.N == 0 {
		return nil //nolint:nilerr // it proves nothing then
	}
	if noted.N > last {
		v.found(Finding{What: fmt.Sprintf("%d blocks were sealed, and %d are there: the newest were removed", noted.N, last)})
		return nil
	}
	b, _, err := v.readBlock(ctx, noted.N)
	if err == nil && b != nil && !bytes.Equal(b.MAC, noted.MAC) {
		v.found(Finding{Block: noted.N, What: "another block was sealed with its number"})
	}
	if errors.Is(err, scim.ErrCorrupt) {
		return nil // it is among the findings
	}
	return err
}

// userOf is the user that an actor is, as a subject; "" for one that is no person.
func userOf(actor string) string {
	if id, ok := strings.CutPrefix(actor, "user:"); ok {
		return scim.Ref{Type: "User", ID: id}.String()
	}
	return ""
}
