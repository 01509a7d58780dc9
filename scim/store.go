package scim

import (
	"context"
	"iter"
	"math"
	"time"
)

// Store keeps the resources of one workspace. It is safe for concurrent use. What it
// returns belongs to the caller, except Stored, which nobody may change; it keeps no
// reference to what it was given after it has returned.
//
// Every method returns an error that wraps ErrUnavailable when the store cannot be
// reached or does not answer in time; after a Commit that means "unknown".
// A cancelled context ends a call with the context's error.
type Store interface {
	// Get returns the resource, or ErrNotFound.
	Get(ctx context.Context, ref Ref, with With) (*Stored, error)
	// Lookup returns the resource of type typ whose unique attribute attr
	// ("userName" of a User, "displayName" of a Group, "externalId" of either) equals
	// value, by the attribute's own comparison; ErrNotFound where there is none.
	// Two owners may use one externalId: then the actor's own resource is returned,
	// else the one with the lowest id.
	Lookup(ctx context.Context, typ, attr, value string, with With) (*Stored, error)
	// Query returns one page of what matches. It binds the filter to each type, and
	// returns ErrInvalidFilter where none of them knows its attributes, and ErrSensitive.
	Query(ctx context.Context, q *Query) (*Page, error)
	// Commit makes one atomic change: all of it is durable when Commit returns nil,
	// and nothing of it is when it returns an error other than ErrUnavailable.
	// Errors: ErrNotFound (the resource does not exist, and Expect wanted it),
	// ErrVersionMismatch, ErrUniqueness (the detail names attribute and holder),
	// ErrInvalidValue (an unknown member, with RefuseUnknown), ErrFenced.
	Commit(ctx context.Context, c *Commit) (*Committed, error)
	// CommitMany makes several changes, each as Commit does, in no promised order and
	// with no promise between them. The results stand in the order of commits.
	CommitMany(ctx context.Context, commits []*Commit) []CommitResult
	// Members streams the direct members of a group in order of (type, id),
	// starting behind after (the zero Ref for all). A group that does not exist has none.
	Members(ctx context.Context, group Ref, after Ref) iter.Seq2[Ref, error]
	// Owned streams what an owner holds of one type, in no order: one per externalId.
	Owned(ctx context.Context, owner, typ string) iter.Seq2[Owned, error]
	// Changes returns up to limit changes with numbers above after, oldest first.
	// ErrInvalidVers means that the feed no longer reaches back so far.
	Changes(ctx context.Context, after Version, limit int) ([]Change, error)
	// Images returns what the resource of each of these changes was before and after it, in
	// the order asked. ErrInvalidValue for more than MaxImages.
	Images(ctx context.Context, versions []Version) ([]Images, error)
}

// MaxImages is how many changes one call of Store.Images may ask for.
const MaxImages = 1000

// Images are the states of a resource before and after one change. Members are no part of
// them: Change.Edges has what became of those.
type Images struct {
	Version Version
	// Kept is false where there is no such change, or its images are no longer kept. Old and
	// New are then nil.
	Kept bool
	Old  *Resource // nil at creation
	New  *Resource // nil at deletion
}

// With says what a reader wants besides the resource itself.
type With struct {
	Groups bool // Stored.Groups
	// Inactive asks for accounts that are deactivated too, which whoever holds the rules hides.
	Inactive bool
}

// Query asks for a page of resources (RFC 7644 §3.4.2).
type Query struct {
	Types  []string // resource types to search; at the root, all of them
	Filter *Filter  // nil for every resource
	SortBy *Path    // nil for the order of id
	// SortBys is SortBy where Types are several: the path of each. A type that is not in
	// it has nothing to sort by.
	SortBys    map[string]*Path
	Descending bool
	Start      int // 1-based index of the first result
	Count      int // at most so many; 0 asks for the total alone
	// After and Before, of which one at most is not nil, take the place of Start: the
	// page begins right behind the one position, or ends right before the other. Whatever
	// else was written meanwhile, a resource whose key has not changed is neither skipped
	// nor shown twice on the way from page to page.
	After, Before *Position
	With          With
}

// Position is a place in the order of a query's results: that of the resource which had
// this key when it was seen. It need not be there any more.
type Position struct {
	Ref
	Key   string // of Path.SortKey; "" where nothing is sorted by
	Keyed bool   // false for a resource that has nothing to sort by
}

// Page is one page of a query's results.
type Page struct {
	Total     int // of all pages
	Resources []*Stored
	// Prev and Next are the positions before and behind which there are more results: of
	// the first and the last of the page. nil where there are none.
	Prev, Next *Position
}

// What a commit expects of the resource before it.
const (
	MustNotExist Version = 0
	MustExist    Version = math.MaxUint64
)

// Commit is one atomic change of a resource and of its members, as data. The actor in
// the context is recorded with it.
//
// To create: Expect MustNotExist and Put. To replace: Expect the version of Old, Old and
// Put. To change members alone: Expect MustExist (or a version) and Edges. To delete:
// Delete, Old and its version.
type Commit struct {
	Ref    Ref
	Expect Version
	Old    *Stored   // the state that Put was made from, or that is deleted; nil at creation
	Put    *Resource // the new state. The store sets Version, Created (at creation) and LastModified
	Delete bool
	// Edges are changes of the resource's members. Adding what is there and removing
	// what is not are no changes.
	Edges         []EdgeChange
	RefuseUnknown bool // an unknown member is an error; otherwise it is dropped and counted
	// KeepForeign leaves attributes as they are over which the actor has no authority
	// (design.md §4.9), instead of refusing the commit: what a PUT does with readOnly ones.
	KeepForeign bool
	// Mark is kept beside the resource's claim on its externalId and read back by Owned:
	// a source's hash of the entry that it last applied. At most 64 bytes; "" leaves what is
	// there. A commit that changes nothing else still stores it, and makes no version and
	// no feed entry. Old tells whose claim it is, where there is no Put.
	Mark  string
	Fence *Fence // nil for a change that holds no lock
	// Before is Old in memory, where the caller has it at hand; it is not to be changed.
	Before *Resource
	// Password is the person's new password. Whoever holds the rules takes it out and keeps what
	// proves it: a store never sees one.
	Password string
	// Me tells of a change that a person makes to their own account by the alias /Me.
	Me bool
}

// EdgeChange adds or removes one member. A Member with an empty Type means whichever
// resource has the id.
type EdgeChange struct {
	Remove bool
	Member Ref
}

// Fence makes a commit conditional on a lock: it is refused with ErrFenced when the
// lock's number has moved on (see Lock).
type Fence struct {
	Lock   string
	Number uint64
}

// Committed tells what a commit did.
type Committed struct {
	Stored  *Stored  // the state after it; nil after a deletion
	Changed bool     // false when there was nothing to do: no new version, no feed entry
	Added   int      // members
	Removed int      // members
	Dropped []string // ids of members to add that do not exist
}

// CommitResult is one result of CommitMany.
type CommitResult struct {
	*Committed
	Err error
}

// Owned is one resource of an owner, found by its externalId.
type Owned struct {
	ExternalID string
	ID         string
	Mark       string // Commit.Mark of the last commit that had one
}

// Deleted is a resource that was deleted, and is kept for a while to be restored.
type Deleted struct {
	Version  Version // of the deletion
	Time     time.Time
	Resource *Resource // as it was
	Groups   []Ref     // that it was a member of
	Members  int       // that it had
}

// Change is one entry of the change feed.
type Change struct {
	Version   Version // of the change, and of the resource after it
	History   string  // tells it from another change with its number, where a history was rewritten
	Before    Version // of the resource before it; 0 for none
	Op        string  // "create", "update", "members", "delete"
	Ref       Ref
	Time      time.Time
	Actor     string // who did it, as Actor.String says: "token:abc", "user:abc by user:def"
	Client    string
	RequestID string
	Edges     []EdgeChange
	// Groups are other groups that lost the resource as a member (on its deletion).
	Groups []Ref
	// Attributes are the names of what the change set, changed or removed, values left out:
	// see ChangedAttributes. None in the entries of a store that did not record them yet.
	Attributes []string
	// Became is "active" or "inactive" where an update turned the attribute active over.
	Became string
}

// Span is how far a change feed reaches: the numbers of its oldest and its newest change.
// An empty feed has Oldest one above Newest.
type Span struct {
	Oldest, Newest Version
}

// State is small named data beside the resources: tokens, runs, cursors. It is
// neither versioned nor in the feed. Safe for concurrent use.
type State interface {
	// KV is the key-value space of that name, made by its first use.
	KV(space string) KV
	// Lock takes a lock that all replicas share, or returns ErrLocked with a detail
	// that names the holder. It ends by Release, or ttl after the last Renew.
	Lock(ctx context.Context, name, holder string, ttl time.Duration) (Lock, error)
}

// KV is one space of keys.
type KV interface {
	// Get returns the value, or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put sets the value. Where old is not nil the present value must equal it
	// (empty: must not exist), else ErrVersionMismatch.
	Put(ctx context.Context, key string, value, old []byte) error
	// Delete removes the key; a missing key is no error.
	Delete(ctx context.Context, key string) error
	// Scan calls fn with each key and value in order of key, until fn fails.
	Scan(ctx context.Context, fn func(key string, value []byte) error) error
}

// Lock is a lock that is held. Its number rises with every taking of the lock, ever;
// commits carry it as their Fence, so that a holder that was paused past its time
// writes nothing.
type Lock interface {
	Fence() Fence
	// Renew extends the time. ErrFenced: it was lost.
	Renew(ctx context.Context) error
	// Release gives it back. Releasing a lost lock is no error.
	Release(ctx context.Context) error
}
