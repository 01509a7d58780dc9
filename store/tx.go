package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"rollcall/scim"
)

// MaxEdges is the most edges that a backend changes in one step where a step keeps others from
// being answered: 5,000 would keep Redis for a tenth of a second. A Tx may have more: for
// readers it is one change all the same.
const MaxEdges = 1000

// Op is what a Tx does to the record.
type Op byte

const (
	OpPut    Op = 'p' // write header and payload
	OpTouch  Op = 't' // write the header alone, and only if an edge really changes
	OpDelete Op = 'd'
)

// Tx is one atomic change as data: what a backend executes, by one script or in one
// transaction. A backend makes every check before its first write, in this order:
//
//  1. The record's nonce is the Tx's own: it was done before (StatusReplayed).
//  2. Fence: the lock's counter has moved on (StatusFenced).
//  3. Expect: the record's version differs (StatusVersion).
//  4. Claims: a key is held by another resource (StatusTaken).
//  5. Edges: a member to add does not exist (StatusUnknownMember, or it is dropped);
//     a deletion leaves edges behind that Edges does not name (StatusEdges).
//
// Then it takes the next number of the workspace and writes record, claims, edges and
// feed entry. A touch that changes no edge takes no number (StatusUnchanged), but sets the marks.
type Tx struct {
	Workspace string
	Ref       scim.Ref
	Op        Op
	Expect    scim.Version // MustNotExist, MustExist or a version
	Nonce     string       // NonceLen characters; a repeat of the same Tx has the same
	Payload   []byte       // of OpPut: opaque to backends
	Claims    []Claim      // to take, or to mark
	Releases  []Claim      // to give up; those that the resource does not hold are left alone
	Edges     []Edge
	// Named resources have members. Their Name is kept in NamesSpace, so that whoever reads a
	// member has the names of its groups at once: OpPut sets it and OpDelete removes it.
	Named bool
	Name  string
	// RefuseUnknown makes a member that does not exist an error.
	RefuseUnknown bool
	// WantPayload asks for the payload of a record that the Tx does not write.
	WantPayload bool
	Fence       *scim.Fence
	Keep        uint64 // how many feed entries to keep, at least
	// KeepImages is how many changes keep their images (RawImages), at least; with 0 none is
	// written, and those that there are go.
	KeepImages uint64

	// KeepDeleted has an OpDelete keep what it deletes (DeletedSpace). A Tx that creates
	// a resource removes what is kept of it, unless it Restores it; Created is then when it was
	// first made.
	KeepDeleted, Restores bool
	Created               time.Time

	// For the feed. PackEntry allows for an entry that only layoutPacked has.
	PackEntry                bool
	Actor, Client, RequestID string
	Changed                  string // by ChangedText

	// floor is a number that the workspace had reached before the Tx was made: where
	// to stop looking for it in the feed.
	floor scim.Version
}

// NamesSpace is the space of small data (KeyValues) that holds the name of every resource
// with members, under what scim.Ref.String prints. Only a Tx writes to it.
const NamesSpace = ".names"

// Claim is a unique key, or a mark on one. Space "User.userName" holds one entry for each
// user, from the key to the id.
type Claim struct {
	Space string
	Key   string
	ID    string // the holder; in Tx.Claims always the Tx's own resource
	Mark  string // kept beside the id; "" leaves what is there
	// From is the key in the same space that the resource holds so far and whose mark
	// the new key inherits. From == Key sets the mark of a key that is held, and does nothing
	// where it is not.
	From string
}

// Edge is a change of one membership. Either Group or Member is the Tx's own resource.
type Edge struct {
	Remove bool
	Group  scim.Ref
	Member scim.Ref // Type may be empty in an edge of the Tx's own group: then one of Types
	Types  []string
}

// Own tells whether the edge is one of the Tx's own members. The others are its own
// memberships, which go when it is deleted; the groups that lose it change too.
func (e *Edge) Own(tx *Tx) bool { return e.Group == tx.Ref }

// Candidates are the resources that the edge's member may be.
func (e *Edge) Candidates() []scim.Ref {
	if e.Member.Type != "" {
		return []scim.Ref{e.Member}
	}
	refs := make([]scim.Ref, len(e.Types))
	for i, t := range e.Types {
		refs[i] = scim.Ref{Type: t, ID: e.Member.ID}
	}
	return refs
}

// Status is how a Tx ended.
type Status int

const (
	StatusFailed Status = iota // see Err
	StatusDone
	StatusReplayed  // done before: Version, Created and Modified are those of the record
	StatusUnchanged // nothing to do
	StatusVersion   // Version is the present one, 0 for none
	StatusTaken     // Claim is the index in Tx.Claims, Holder the id that has it
	StatusUnknownMember
	StatusEdges
	StatusFenced
)

// TxResult is what a Tx did.
type TxResult struct {
	Status   Status
	Version  scim.Version
	Created  time.Time
	Modified time.Time
	Added    int // members of the Tx's own
	Removed  int
	Dropped  []string // ids
	Payload  []byte   // see WantPayload
	Claim    int
	Holder   string
	Member   string // the id of StatusUnknownMember

	Err error // with StatusFailed; wraps scim.ErrUnavailable, and ErrUnknown where it may have been done
}

// ErrUnknown marks an error after which the Tx may have been executed, or may yet be.
var ErrUnknown = errors.New("outcome unknown")

// ErrUnconfirmed marks an error after which the Tx has been executed, but may be lost: fewer
// replicas have it than were asked for.
var ErrUnconfirmed = errors.New("unconfirmed")

// Raw is a record as a backend keeps it.
type Raw struct {
	scim.Ref
	Found    bool
	Version  scim.Version
	Created  time.Time
	Modified time.Time
	Nonce    string
	Payload  []byte
	Groups   []Named // where asked for: the direct ones in order of (type, id), then the indirect ones
	Damage   string  // why the header cannot be read; "" when it can
}

// Named is a group of a member, with its name of NamesSpace.
type Named struct {
	scim.Ref
	Name  string
	Known bool // false where the space has none: a store older than it, or damage
	// Indirect groups are those around the ones that have the member (Above).
	Indirect bool
}

// Entry is one entry of the feed.
type Entry struct {
	scim.Change
	Nonce string
}

// Followed is a part of the feed, and what it is about as it stands at the same moment.
type Followed struct {
	At      Entry   // the number and nonce of the entry that the part begins behind; zero where it is gone
	Entries []Entry // behind it, oldest first
	Head    scim.Version
	Records []Raw // each resource that an entry names (Ref and Groups), once; not Found where it is gone
}

// RawImages are the record before and after a change, as a backend keeps them beside the feed.
type RawImages struct {
	Version scim.Version // 0 where they are not kept
	Ref     scim.Ref
	Old     []byte // the whole record; nil at creation
	New     []byte // the same; its header alone where the payload stayed; nil at deletion
}

// Direction is a side of the edges of a resource.
type Direction byte

const (
	Members Direction = 'm' // of a group
	Groups  Direction = 'g' // of a member
)

// EdgeAt is an edge as it stands on one side: From is whose list it is in.
type EdgeAt struct {
	From, To scim.Ref
}

// Stray is something under a workspace that no backend puts there.
type Stray struct {
	Key string
	Why string
}

// Backend executes commits and reads back what they wrote. It knows nothing of schemas:
// payloads are bytes, claims are keys. It is safe for concurrent use. Errors wrap
// scim.ErrUnavailable when the store cannot be reached or does not answer in time.
type Backend interface {
	// Apply executes each Tx, atomically each, in no promised order. One failing does not
	// affect the others. It never tries again by itself.
	Apply(ctx context.Context, txs []*Tx) []TxResult
	// Rewrite replaces the payloads of records that still have the version and the nonce given:
	// the same content in another format. It makes no version and no feed entry.
	Rewrite(ctx context.Context, ws string, records []Raw) error
	// Confirm is nil once all that was written to a workspace before is as safe as what Apply
	// reports as done.
	Confirm(ctx context.Context, ws string) error
	Reader
	Scanner
	Copier
	KeyValues
	Locks
	Recoverer
	// DropImages removes every image of a resource (RawImages), so that no dump of the database has
	// them. It returns the numbers of the changes that had one. scim.ErrFenced: the lock was lost.
	DropImages(ctx context.Context, ws string, ref scim.Ref, fence scim.Fence) ([]scim.Version, error)
	Close() error
}

// Reader reads single things.
type Reader interface {
	// History names the state that the database of a workspace has come from: it is another one
	// after a restart, a fail-over or a restore. An error where it is becoming another one.
	History(ctx context.Context, ws string) (string, error)
	// Read returns one Raw for each ref, in that order. One record and its groups are read at one
	// moment.
	Read(ctx context.Context, ws string, refs []scim.Ref, groups bool) ([]Raw, error)
	// Holders returns the claim on each key of a space; ID is "" where nobody holds it.
	Holders(ctx context.Context, ws, space string, keys []string) ([]Claim, error)
	// Spaces lists the spaces of claims that are not empty and whose name starts so.
	Spaces(ctx context.Context, ws, prefix string) ([]string, error)
	// Find returns the records of type typ whose ids hold the key in the space first, or,
	// where none does and prefix is not empty, in any space whose name starts with
	// prefix. Claims and records are read at one moment.
	Find(ctx context.Context, ws, typ, first, prefix, key string, groups bool) ([]Raw, error)
	// Edges returns up to limit ends of the edges of a resource, in order of (type, id),
	// behind after.
	Edges(ctx context.Context, ws string, ref scim.Ref, d Direction, after scim.Ref, limit int) ([]scim.Ref, error)
	// HasEdges tells for each edge whether it stands on that side.
	HasEdges(ctx context.Context, ws string, d Direction, edges []EdgeAt) ([]bool, error)
	// Feed returns up to limit entries with numbers above after, oldest first, and the
	// number of the newest entry.
	Feed(ctx context.Context, ws string, after scim.Version, limit int) ([]Entry, scim.Version, error)
	// Follow reads at one moment the entry numbered at, up to limit entries behind it, the
	// newest number, and the records that those entries are about.
	Follow(ctx context.Context, ws string, at scim.Version, limit int) (*Followed, error)
	// FeedAt returns the entries of these numbers; a zero Entry where there is none.
	FeedAt(ctx context.Context, ws string, numbers []scim.Version) ([]Entry, error)
	// ImagesAt returns the images of the changes of these numbers; zero where there are none.
	ImagesAt(ctx context.Context, ws string, numbers []scim.Version) ([]RawImages, error)
	// FeedBack returns up to limit entries with numbers up to last (0: all), newest first.
	FeedBack(ctx context.Context, ws string, last scim.Version, limit int) ([]Entry, error)
}

// Scanner streams in batches, in no promised order. What is there from beginning to end
// is seen at least once; what comes or goes meanwhile may be seen or not. An error of fn
// ends the scan and is returned.
type Scanner interface {
	ScanClaims(ctx context.Context, ws, space string, fn func([]Claim) error) error
	ScanRecords(ctx context.Context, ws string, fn func([]Raw) error) error
	ScanEdges(ctx context.Context, ws string, d Direction, fn func([]EdgeAt) error) error
	ScanStrays(ctx context.Context, ws string, fn func(Stray) error) error
}

// KeyValues is small named data (scim.KV).
type KeyValues interface {
	KVGet(ctx context.Context, ws, space, key string) ([]byte, error) // scim.ErrNotFound
	// KVPut is scim.KV.Put: scim.ErrVersionMismatch when the present value is not old.
	KVPut(ctx context.Context, ws, space, key string, value, old []byte) error
	KVDelete(ctx context.Context, ws, space, key string) error
	KVScan(ctx context.Context, ws, space string, fn func(key string, value []byte) error) error
}

// LockState is a lock as it stands.
type LockState struct {
	Name   string
	Number uint64 // of its last taking
	Holder string // "" for nobody
	// HolderNumber is the number that the holder got.
	HolderNumber uint64
	Forever      bool // the lock is held without a time limit: damage
}

// Locks are taken with a time limit. Each taking has the next number of the lock, which
// never goes back.
type Locks interface {
	// LockTake takes the lock if nobody holds it, or if token does already. ok is false
	// where someone else holds it, and holder tells who.
	LockTake(ctx context.Context, ws, name, token, holder string, ttl time.Duration) (number uint64, heldBy string, ok bool, err error)
	// LockRenew extends the time; false: it was lost.
	LockRenew(ctx context.Context, ws, name, token string, ttl time.Duration) (bool, error)
	LockRelease(ctx context.Context, ws, name, token string) error
	LockStates(ctx context.Context, ws string) ([]LockState, error)
}

// Recoverer finishes what a process began and did not live to end.
type Recoverer interface {
	// Recover finishes or undoes the changes of many edges that nobody is at work on any more, and
	// returns how many are still under way. No reader can tell the difference.
	Recover(ctx context.Context, ws string) (underWay int, err error)
}

// ClaimValue and ParseClaim are the value that a backend keeps under a claim's key: the
// holder's id, and the mark behind a space where there is one. An id holds no space.
func ClaimValue(id, mark string) string {
	if mark == "" {
		return id
	}
	return id + " " + mark
}

// ParseClaim reads what ClaimValue wrote.
func ParseClaim(space, key, value string) Claim {
	id, mark, _ := strings.Cut(value, " ")
	return Claim{Space: space, Key: key, ID: id, Mark: mark}
}
