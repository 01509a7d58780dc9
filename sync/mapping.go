package sync

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
)

// A mark says what was last done for a resource; the store keeps it beside the claim on
// the resource's externalId. The first letter tells who has made it inactive, if anybody:
// only what a run has disabled is enabled by one.
const (
	markApplied  = "h:" // + hash of the entry
	markDisabled = "d:" // + hash of the entry, which told to disable it
	markMissing  = "m:" // + runs, time: disabled, as the source no longer has it
	markKept     = "k:" // + runs, time: the source no longer has it, and it was left as it was
)

// markHash is the hash in a mark, "" where it has none.
func markHash(mark string) string {
	if strings.HasPrefix(mark, markApplied) || strings.HasPrefix(mark, markDisabled) {
		return mark[2:]
	}
	return ""
}

// isMissing tells that the resource was dealt with as missing from the source.
func isMissing(mark string) bool {
	return strings.HasPrefix(mark, markMissing) || strings.HasPrefix(mark, markKept)
}

// missingMark is the mark of what has been missing for so many runs, and is dealt with now.
func missingMark(runs int, now time.Time) string {
	return fmt.Sprintf("%s%d:%d", markMissing, runs, now.Unix())
}

// missingSince is when a resource was dealt with as missing.
func missingSince(mark string) (time.Time, bool) {
	if !isMissing(mark) {
		return time.Time{}, false
	}
	_, text, _ := strings.Cut(mark[len(markMissing):], ":")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}

// disabledByRun tells that a run has disabled the resource.
func disabledByRun(mark string) bool {
	return strings.HasPrefix(mark, markDisabled) || strings.HasPrefix(mark, markMissing)
}

// mapping knows the types of resources and which of their attributes a source sets.
type mapping struct {
	model  *scim.Model
	seeds  map[string][]byte     // by type: what every hash begins with
	mapped map[string][][]string // by type: keys that lead to each attribute that the source maps
}

// newMapping prepares for one source. version is of its mapping: with another one, every
// entry is looked at again.
func newMapping(model *scim.Model, source Source, version string) (*mapping, error) {
	m := &mapping{model: model, seeds: map[string][]byte{}, mapped: map[string][][]string{}}
	for _, t := range model.Types {
		var names []string
		if s, ok := source.(Mapper); ok {
			names = slices.Sorted(slices.Values(s.Mapped(t.Name)))
		}
		for _, name := range names {
			path, err := t.Find(name)
			if err != nil {
				return nil, fmt.Errorf("sync: mapped attribute %q of %s: %w", name, t.Name, err)
			}
			// Nobody takes active away: a directory that does not tell leaves it as it is.
			if keys := path.Keys(); keys != nil && path.Attr.Name != "active" {
				m.mapped[t.Name] = append(m.mapped[t.Name], keys)
			}
		}
		m.seeds[t.Name] = fmt.Appendf(nil, "1\x00%s\x00%s\x00%s\x00", version, t.Name, strings.Join(names, "\x00"))
	}
	return m, nil
}

// rank orders types as they are applied: what has no members first.
func (m *mapping) rank(typ string) int {
	if m.hasMembers(typ) {
		return 1
	}
	return 0
}

func (m *mapping) hasMembers(typ string) bool      { return len(m.memberTypes(typ)) > 0 }
func (m *mapping) memberTypes(typ string) []string { return m.model.Type(typ).MemberTypes }

// hash is 128 bits of SHA-256 over all that an entry brings to a resource, in hex. Members
// count by the ids of their resources: a person who was deleted by hand and comes back under
// a new id has to be added again.
// The text is made in room, which is returned to be used again.
func (m *mapping) hash(room []byte, e *Entry, members []scim.Ref) (hash string, _ []byte) {
	text := scim.AppendJSON(append(room[:0], m.seeds[e.Type]...), e.Attributes)
	if e.MembersUnknown {
		text = append(text, 0, '?')
	} else {
		for _, ref := range members {
			text = append(append(text, 0), ref.ID...)
		}
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), text
}

// check reads an entry's attributes as a client's body would be read (RFC 7644 §3.3), and
// returns them in the schema's spelling, with the value of the type's unique attribute.
func (m *mapping) check(e *Entry) (attributes map[string]any, name string, err error) {
	t := m.model.Type(e.Type)
	body := maps.Clone(e.Attributes)
	if body == nil {
		body = map[string]any{}
	}
	urns := t.URNs(e.Attributes)
	schemas := make([]any, len(urns))
	for i, urn := range urns {
		schemas[i] = urn
	}
	body["schemas"] = schemas
	draft, err := t.Decode(body)
	if err != nil {
		return nil, "", err
	}
	attributes = draft.Resource.Attributes
	for _, a := range t.Unique {
		if a.Schema != t.Schema.URN {
			continue // an extension's, which nobody goes by
		}
		if name, _ = attributes[a.Name].(string); name == "" {
			return nil, "", scim.Errorf(scim.ErrInvalidValue, "%s is missing", a.Name)
		}
		if _, ok := a.Compare(name); !ok {
			return nil, "", scim.Errorf(scim.ErrInvalidValue, "%s is no name that can be compared", a.Name)
		}
	}
	return attributes, name, nil
}

// invalidEntry is the problem of an entry that check refuses.
func invalidEntry(e *Entry, err error) Problem {
	reason := err.Error()
	if s := (*scim.Error)(nil); errors.As(err, &s) {
		reason = s.Detail
	}
	return Problem{DN: e.DN, ID: e.ID, Kind: "invalid", Reason: reason,
		Remedy: "Correct the entry, or the attribute that the source's mapping takes it from."}
}

// unique is the attribute that names a resource of the type, nil for none.
func (m *mapping) unique(typ string) *scim.Attribute {
	if t := m.model.Type(typ); len(t.Unique) > 0 {
		return t.Unique[0]
	}
	return nil
}

// nameKey is what names of a type are compared by.
func (m *mapping) nameKey(typ, name string) string {
	key, _ := m.unique(typ).Compare(name) // check has seen that there is one
	return typ + "\x00" + key
}
