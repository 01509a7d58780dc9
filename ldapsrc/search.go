package ldapsrc

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"rollcall/scim"
	dirsync "rollcall/sync"

	"github.com/go-ldap/ldap/v3"
)

// Users says which entries are people, and what is read of them.
type Users struct {
	Base   string // DN that the search starts from
	Filter string // RFC 4515; joined to the preset's by "and"; "" for the preset's alone
	// Exclude is a filter of entries to leave out; "" for none. What the server cannot evaluate it
	// for, since it does not know the attribute, is left out too (RFC 4511 §4.5.1.7).
	Exclude string
	Scope   string // ScopeSub (the default), ScopeOne or ScopeBase
	// Attributes changes the preset's mapping: SCIM path -> LDAP attribute. Several
	// attributes are separated by "|", the first with a value wins; a template has "{{" in it;
	// a constant begins with "="; "" takes a path of the preset away; "externalId" chooses another
	// stable id.
	Attributes map[string]string
	// Model has the schemas that the paths are of; nil for scim.DefaultModel.
	Model *scim.Model
}

// Groups says the same of groups. With no Base an LDAP source reads none.
type Groups struct {
	Base, Filter, Exclude, Scope string
	Nested                       string // NestedFlatten (the default), NestedKeep or NestedOff
	Attributes                   map[string]string
	Model                        *scim.Model
}

// search is one of the two searches of a read.
type search struct {
	name   string // "users" or "groups", for people to read
	base   string
	canon  []byte // base in canonical form
	scope  string
	filter string
	table  *table
}

// reading is a configuration made ready: what is common to a directory and a file.
type reading struct {
	preset *preset
	users  *search
	groups *search // nil where groups are not read
	nested string
	log    *slog.Logger
}

// newReading checks and compiles. It returns every problem; the reading is of use only
// where there is none.
func newReading(presetName string, u Users, g Groups, log *slog.Logger) (*reading, []error) {
	p, err := loadPreset(presetName)
	if err != nil {
		return nil, []error{err}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &reading{preset: p, nested: g.Nested, log: log}
	var problems []error
	add := func(prefix string, errs []error) {
		for _, err := range errs {
			problems = append(problems, fmt.Errorf("%s.%w", prefix, err))
		}
	}
	userTable, errs := userTable(p, u)
	add("users.attributes", errs)
	r.users, errs = newSearch(search{name: "users", base: u.Base, scope: u.Scope, filter: p.Users.Filter, table: userTable}, u.Filter, u.Exclude)
	add("users", errs)
	groupTable, errs := groupTable(p, g)
	add("groups.attributes", errs)
	r.groups, errs = newSearch(search{name: "groups", base: g.Base, scope: g.Scope, filter: p.Groups.Filter, table: groupTable}, g.Filter, g.Exclude)
	add("groups", errs)
	switch g.Nested {
	case "":
		r.nested = NestedFlatten
	case NestedFlatten, NestedKeep, NestedOff:
	default:
		problems = append(problems, fmt.Errorf("groups.nested: %q is none of flatten, keep, off", g.Nested))
	}
	return r, problems
}

// maxFilter bounds a filter. One that lists thousands of names belongs in a group.
const maxFilter = 16 << 10

// newSearch completes a search that has the preset's filter.
func newSearch(s search, include, exclude string) (*search, []error) {
	var problems []error
	if s.base != "" {
		var err error
		if s.canon, err = appendDN(nil, s.base); err != nil {
			problems = append(problems, fmt.Errorf("base: %q %w", s.base, err))
		}
	}
	switch s.scope {
	case "":
		s.scope = ScopeSub
	case ScopeSub, ScopeOne, ScopeBase:
	default:
		problems = append(problems, fmt.Errorf("scope: %q is none of sub, one, base", s.scope))
	}
	include, err := checkFilter(include)
	if err != nil {
		problems = append(problems, fmt.Errorf("filter: %w", err))
	}
	exclude, err = checkFilter(exclude)
	if err != nil {
		problems = append(problems, fmt.Errorf("exclude: %w", err))
	}
	if exclude != "" {
		exclude = "(!" + exclude + ")"
	}
	if include+exclude != "" {
		s.filter = "(&" + s.filter + include + exclude + ")"
	}
	return &s, problems
}

// checkFilter checks a filter of the configuration, and puts the parentheses around it that people
// leave out.
func checkFilter(filter string) (string, error) {
	if filter = strings.TrimSpace(filter); filter == "" {
		return "", nil
	}
	if !strings.HasPrefix(filter, "(") {
		filter = "(" + filter + ")"
	}
	if len(filter) > maxFilter {
		return "", errors.New("is longer than 16 KiB")
	}
	_, err := ldap.CompileFilter(filter)
	return filter, err
}

// attributes are what the search asks for: what the tables name, and nothing else, so
// that no password hash and no photograph is ever sent.
func (s *search) attributes() []string { return s.table.names }

// A read passes entries to whoever ranges over Entries. stopped is true once that has had
// enough.
type read struct {
	*reading
	roster  *roster
	yield   func(dirsync.Entry, error) bool
	stopped bool
	entries int // that came, usable or not
	// branches are the parents of people, by their canonical form: of many people, one text.
	branches map[string]string
	counts   struct{ users, groups, faults, references int }
}

func (r *reading) start(yield func(dirsync.Entry, error) bool) *read {
	return &read{reading: r, roster: newRoster(r.nested), yield: yield, branches: map[string]string{}}
}

func (r *read) emit(e dirsync.Entry, err error) bool {
	if !r.stopped {
		r.stopped = !r.yield(e, err)
	}
	return !r.stopped
}

func (r *read) fault(err *dirsync.EntryError) bool {
	r.counts.faults++
	return r.emit(dirsync.Entry{}, err)
}

// user takes one entry of the search for users, group one of the search for groups.
// They are false when no more is wanted.
func (r *read) user(m *mapper, raw *rawEntry) bool {
	e, fault := r.roster.user(m, raw)
	if fault != nil {
		return r.fault(fault)
	}
	r.counts.users++
	e.Branch = r.branch(m.canon)
	return r.emit(e, nil)
}

// branch is the DN of the entry above the one with a canonical DN.
func (r *read) branch(canon []byte) string {
	i := bytes.IndexByte(canon, sepRDN)
	if i < 0 || i+1 == len(canon) {
		return ""
	}
	above := canon[i+1:]
	text, known := r.branches[string(above)]
	if !known {
		text = string(dnText(above))
		r.branches[string(above)] = text
	}
	return text
}

func (r *read) group(m *mapper, raw *rawEntry) bool {
	if fault := r.roster.group(m, raw); fault != nil {
		return r.fault(fault)
	}
	return !r.stopped
}

// unknownMembers tells of a group whose members stay as they are, so that nobody takes the run for
// one that brought them up to date.
func unknownMembers(e dirsync.Entry) *dirsync.EntryError {
	return &dirsync.EntryError{DN: e.DN, ID: e.ID, Attribute: "member",
		Reason: "not all of its members could be told: they stay as they are",
		Remedy: "see whether the server sends them all, whether groups in it have faults of their own, and whether two people have one uid"}
}

// finish emits the groups, once everything was read and proven whole.
func (r *read) finish() {
	for e := range r.roster.entries() {
		r.counts.groups++
		if !r.emit(e, nil) || e.MembersUnknown && !r.fault(unknownMembers(e)) {
			return
		}
	}
	r.log.Info("directory read", "users", r.counts.users, "groups", r.counts.groups, "left_out", r.counts.faults, "references", r.counts.references)
}
