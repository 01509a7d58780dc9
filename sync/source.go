// Package sync keeps a workspace in step with directories that are read on a schedule:
// read a source, plan, guard, apply, report. It knows nothing of LDAP (that is
// ldapsrc) and writes nothing but commits through its Target.
//
// Its name shadows the standard library's: import it as dirsync.
//
// Start with Entry and Source, then planner.go (pure), guard.go (pure), and Runner, which
// does one run at a time.
package sync

import (
	"context"
	"fmt"
	"iter"

	"rollcall/scim"
)

// Entry is one person or group as a source has it, already mapped to SCIM attributes. It is
// no resource: it names members by the stable ids of the source, not by SCIM ids.
type Entry struct {
	ID   string // stable id in the source (entryUUID, objectGUID): becomes externalId
	DN   string // where it stands now; for reports, never an identity
	Type string // resource type: "User" or "Group"
	// Branch is the part of the directory that it is in, by which people are counted (branch.go); "" for
	// none.
	Branch string
	// Attributes are SCIM attributes in the shape of scim.Resource.Attributes. "active" is
	// set only where the source tells whether the account is enabled.
	Attributes map[string]any
	// Members are the stable ids of a group's members, nested groups already flattened,
	// sorted, without duplicates. MembersUnknown: they could not be read whole, leave them.
	Members        []string
	MembersUnknown bool
	// Dangling are member DNs that no entry of the source bears: counted, not fatal.
	Dangling []string
}

// Source is a directory that can be read.
type Source interface {
	// Entries streams everything in scope: every user, then every group. A pair with a
	// *EntryError tells of one entry that could not be used, and the stream goes on. Any other
	// error ends the stream: the read was not whole, and nothing may be concluded from
	// what is missing. A stream that ends without an error was proven complete.
	Entries(ctx context.Context) iter.Seq2[Entry, error]
}

// Mapper is a Source that can tell which attributes it maps, so that one which an entry
// no longer has is taken from the resource too. Without it, such an attribute stays.
type Mapper interface {
	// Mapped lists the attributes that entries of the type may have, as SCIM attribute
	// names: "title", "name.givenName", "urn:...:enterprise:2.0:User:department".
	Mapped(typ string) []string
}

// Confirmer is a Source that can be asked for entries again which a whole read did not have. One that is moved
// or renamed while a directory is read page by page may be on none of them.
type Confirmer interface {
	// Present returns those of the entries, by type and stable id, that the source has after all.
	Present(ctx context.Context, refs []scim.Ref) ([]scim.Ref, error)
}

// EntryError is one entry that was left out: the run goes on without it, and the
// resource it stands for (if its ID is known) is neither changed nor counted as missing.
type EntryError struct {
	DN        string
	ID        string // stable id, "" where it is what was lacking
	Attribute string // source attribute at fault, "" for none in particular
	Reason    string // what is wrong; never a value
	Remedy    string // what to do about it
}

func (e *EntryError) Error() string {
	if e.Attribute != "" {
		return fmt.Sprintf("%s: %s: %s", e.DN, e.Attribute, e.Reason)
	}
	return fmt.Sprintf("%s: %s", e.DN, e.Reason)
}
