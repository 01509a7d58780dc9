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
	return shorten(names)
}

// shortNames are words of ChangedText that are one character each, the first '!': the names of the
// attributes of a new person take 220 bytes of its feed entry otherwise. It may grow at its
// end, up to 90 names, and otherwise stays as it is.
var shortNames = [...]string{
	becameActive, becameInactive, "active", "externalId", "userName", "displayName", "name", "nickName", "profileUrl", "title", "userType",
	"preferredLanguage", "locale", "timezone", "emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles",
	"x509Certificates", scim.EnterpriseURN, scim.AccountUserURN, scim.AccountGroupURN,
}

const (
	shortMark  = "~" // no attribute's name begins with it
	firstShort = '!'
)

// shorten is the text of words: "~" and those that are short, then the others.
func shorten(words []string) string {
	var long []string
	text := []byte(shortMark)
	for _, w := range words {
		if i := slices.Index(shortNames[:], w); i >= 0 {
			text = append(text, firstShort+byte(i))
		} else {
			long = append(long, w)
		}
	}
	if len(text) > 1 {
		long = append([]string{string(text)}, long...)
	}
	return strings.Join(long, " ")
}

// lengthen is what shorten was given, in order; or a text that it did not write, word by word.
func lengthen(text string) []string {
	words := strings.Fields(text)
	if len(words) == 0 || !strings.HasPrefix(words[0], shortMark) {
		return words
	}
	short := words[0][len(shortMark):]
	words = words[1:]
	for _, c := range []byte(short) {
		if i := int(c) - firstShort; i >= 0 && i < len(shortNames) {
			words = append(words, shortNames[i])
		}
	}
	slices.Sort(words)
	return words
}

// ParseChanged reads what ChangedText wrote.
func ParseChanged(s string) (names []string, became string) {
	for _, word := range lengthen(s) {
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
