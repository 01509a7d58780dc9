package sync

import (
	"context"
	"iter"

	"rollcall/scim"
)

// A Follower reads a source again and again, and remembers between the reads what it takes to read only
// what changed. It serves one Runner, which calls one of its methods at a time but for Wait.
//
// What it tells is a hint: each entry that it names was read anew, whole, and is compared as if it had
// come with everything. What it does not tell of, the next whole read finds.
type Follower interface {
	// Entries is Source.Entries. Changes then tells of what came after it began.
	Entries(ctx context.Context) iter.Seq2[Entry, error]
	// Changes tells what changed since the last read of either kind, or a *ReadWhole where that cannot be
	// told. Any other error is one of reading, and the next call tells of the same changes.
	Changes(ctx context.Context) (*Delta, error)
	// Forget makes the next Changes a *ReadWhole: what was read has not been applied.
	Forget()
	// Position is what Resume needs, in another process too, to go on from what was read last; nil where that
	// cannot be.
	Position() ([]byte, error)
	// Resume has Changes tell what changed since a Position. An error of *ReadWhole is for one that cannot be
	// read, or that was kept with other settings.
	Resume(position []byte) error
	// Wait returns nil when there may be changes, as soon as the source says so. An error of *ReadWhole
	// is for a source that cannot, or that was not read whole yet.
	Wait(ctx context.Context) error
}

// Delta is what changed in a source.
type Delta struct {
	Entries []Entry // as they are now: users, then groups
	Faults  []*EntryError
	// Gone are those that the source has no longer, by type and stable id: it said so, and they were not
	// found when they were looked for.
	Gone []scim.Ref
}

// Empty tells that nothing changed.
func (d *Delta) Empty() bool { return len(d.Entries)+len(d.Faults)+len(d.Gone) == 0 }

// ReadWhole says why a source has to be read whole.
type ReadWhole struct{ Why string }

func (e *ReadWhole) Error() string { return "the source has to be read whole: " + e.Why }
