package store

import (
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// ParseRef reads what scim.Ref.String prints. An id has no slash, a type neither.
func ParseRef(s string) (scim.Ref, bool) {
	typ, id, ok := strings.Cut(s, "/")
	return scim.Ref{Type: typ, ID: id}, ok && typ != "" && id != ""
}

// AppendEdges and ParseEdges are the text of edge changes in a feed entry:
// "+User/<id> -Group/<id>".
func AppendEdges(dst []byte, edges []scim.EdgeChange) []byte {
	for i, e := range edges {
		if i > 0 {
			dst = append(dst, ' ')
		}
		sign := byte('+')
		if e.Remove {
			sign = '-'
		}
		dst = append(append(dst, sign), e.Member.String()...)
	}
	return dst
}

// ParseEdges reads what AppendEdges wrote.
func ParseEdges(s string) []scim.EdgeChange {
	var edges []scim.EdgeChange
	for word := range strings.FieldsSeq(s) {
		if ref, ok := ParseRef(word[1:]); ok {
			edges = append(edges, scim.EdgeChange{Remove: word[0] == '-', Member: ref})
		}
	}
	return edges
}

// FeedRow is a feed entry as a backend keeps it, without its number.
type FeedRow struct {
	Op     string `json:"o"`
	Ref    string `json:"r"`
	Before uint64 `json:"b,omitempty"`
	Milli  int64  `json:"t"`
	Nonce  string `json:"n"`
	Actor  string `json:"a,omitempty"`
	Client string `json:"c,omitempty"`
	Req    string `json:"q,omitempty"`
	Edges  string `json:"m,omitempty"` // AppendEdges
	Groups string `json:"g,omitempty"` // separated by spaces
	Attrs  string `json:"d,omitempty"` // ChangedText
}

// Entry reads the row.
func (r *FeedRow) Entry(n scim.Version) (Entry, error) {
	ref, ok := ParseRef(r.Ref)
	if !ok || n == 0 {
		return Entry{}, scim.Errorf(scim.ErrCorrupt, "feed entry %d cannot be read", n)
	}
	changed, became := ParseChanged(r.Attrs)
	return Entry{
		Change: scim.Change{
			Version: n, Before: scim.Version(r.Before), Op: r.Op, Ref: ref,
			Time: time.UnixMilli(r.Milli).UTC(), Actor: r.Actor, Client: r.Client, RequestID: r.Req,
			Edges: ParseEdges(r.Edges), Groups: ParseRefs(r.Groups),
			Attributes: changed, Became: became,
		},
		Nonce: r.Nonce,
	}, nil
}

func numbersOf(entries []Entry) []scim.Version {
	numbers := make([]scim.Version, len(entries))
	for i := range entries {
		numbers[i] = entries[i].Version
	}
	return numbers
}

// ParseRefs reads references that are separated by spaces.
func ParseRefs(s string) []scim.Ref {
	var refs []scim.Ref
	for word := range strings.FieldsSeq(s) {
		if ref, ok := ParseRef(word); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}

// Words of a feed entry's attributes that also tell what active turned to.
const (
	becameActive   = "active:true"
	becameInactive = "active:false"
)

// ChangedText is the text of the attributes that a commit changes, for a feed entry:
// "active:false displayName". old is nil for a resource that is new.
func ChangedText(old, new *scim.Resource) string {
	names := scim.ChangedAttributes(old, new)
	if old != nil && old.Active() != new.Active() {
		word := becameInactive
		if new.Active() {
			word = becameActive
		}
		names[slices.Index(names, "active")] = word
	}
	return strings.Join(names, " ")
}

// ParseChanged reads what ChangedText wrote.
func ParseChanged(s string) (names []string, became string) {
	for word := range strings.FieldsSeq(s) {
		switch word {
		case becameActive:
			word, became = "active", "active"
		case becameInactive:
			word, became = "active", "inactive"
		}
		names = append(names, word)
	}
	return names, became
}

// Operations of a feed entry (scim.Change.Op).
const (
	ChangeCreate  = "create"
	ChangeUpdate  = "update"
	ChangeMembers = "members"
	ChangeDelete  = "delete"
)

// ChangeOp is the operation of the feed entry of a Tx.
func (tx *Tx) ChangeOp(before scim.Version) string {
	switch {
	case tx.Op == OpDelete:
		return ChangeDelete
	case tx.Op == OpTouch:
		return ChangeMembers
	case before == 0:
		return ChangeCreate
	}
	return ChangeUpdate
}
