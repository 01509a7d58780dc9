package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"rollcall/scim"
)

// Item is one thing of a workspace as a backend keeps it, in a form that is the same for every
// backend: what a copy is made of.
type Item struct {
	Kind     ItemKind
	Key, Sub string
	Value    []byte
}

// ItemKind is what an Item is.
type ItemKind byte

const (
	ItemRecord  ItemKind = 'r' // Key a resource; the record
	ItemClaim   ItemKind = 'c' // Key a space, Sub the key; ClaimValue
	ItemMember  ItemKind = 'm' // Key a group, Sub a member
	ItemGroup   ItemKind = 'g' // Key a member, Sub a group
	ItemChange  ItemKind = 'f' // Key a number; a FeedRow as JSON. In order
	ItemImages  ItemKind = 'i' // Key a number; RawImages.Encode. In order
	ItemValue   ItemKind = 'k' // Key a space, Sub the key; the value
	ItemFence   ItemKind = 'l' // Key a lock; the number of its last taking, in digits
	ItemCounter ItemKind = 's' // the workspace's number, in digits
)

// itemNames are the kinds as a report calls them.
var itemNames = map[ItemKind]string{
	ItemRecord: "records", ItemClaim: "claims", ItemMember: "members", ItemGroup: "memberships", ItemChange: "changes",
	ItemImages: "images", ItemValue: "values", ItemFence: "locks", ItemCounter: "counters",
}

// Copier moves everything of a workspace that outlives a process. Who holds a lock does not.
type Copier interface {
	// Dump streams every Item once, in batches, as long as nobody writes meanwhile. A
	// workspace that does not exist has none.
	Dump(ctx context.Context, ws string, fn func([]Item) error) error
	// Load writes Items, in the order of Dump, into a workspace that nobody else uses. Those
	// that are there already are written again.
	Load(ctx context.Context, ws string, items []Item) error
	// Remove removes claims, values and either side of edges; what is not there is no error.
	Remove(ctx context.Context, ws string, items []Item) error
}

// ErrNotEmpty tells that a store to copy into holds something already.
var ErrNotEmpty = errors.New("the store to copy into is not empty")

// ErrHalfCopied tells that a copy into the store has begun and not finished.
var ErrHalfCopied = errors.New("a copy into this store has not finished: run it again, or empty the store")

// copySpace holds in systemWorkspace, under "copy", that a copy into the store is under way.
const copySpace, copyKey = ".copy", "copy"

// Copied is what a workspace consists of.
type Copied struct {
	Workspace string         `json:"workspace"` // "sys" for what spans workspaces
	Items     map[string]int `json:"items"`
	// Hash is that of all of it, whatever the order.
	Hash string `json:"hash"`
}

// CheckWhole is ErrHalfCopied where a copy into the store was begun and did not end.
func (s *Store) CheckWhole(ctx context.Context) error {
	_, err := s.backend.KVGet(ctx, systemWorkspace, copySpace, copyKey)
	if errors.Is(err, scim.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return ErrHalfCopied
}

// Copy copies everything of one store into another that is empty, reads both again, and
// compares. A copy that was stopped is begun again by the next. Nobody may write to either
// meanwhile: that is found out at the end.
func Copy(ctx context.Context, from, to Backend, progress func(Copied)) ([]Copied, error) {
	source, target := New(Config{Backend: from}), New(Config{Backend: to})
	if err := source.CheckWhole(ctx); err != nil {
		return nil, fmt.Errorf("the store to copy from: %w", err)
	}
	if n, err := source.Recover(ctx); err != nil {
		return nil, err
	} else if n > 0 {
		return nil, fmt.Errorf("store: %d changes of many members are under way in the store to copy from: stop every server, and try again in a minute: %w", n, scim.ErrLocked)
	}
	names, err := source.everyWorkspace(ctx)
	if err != nil {
		return nil, err
	}
	if err := target.beginCopy(ctx); err != nil {
		return nil, err
	}
	for _, name := range names {
		sum := newDigest(name)
		err := from.Dump(ctx, name, func(items []Item) error {
			sum.add(items)
			if err := to.Load(ctx, name, items); err != nil {
				return err
			}
			progress(sum.copied())
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("store: copy %s: %w", name, err)
		}
	}
	all, err := verifyCopy(ctx, from, to, names)
	if err != nil {
		return nil, err
	}
	return all, to.KVDelete(ctx, systemWorkspace, copySpace, copyKey)
}

// everyWorkspace lists the workspaces, and systemWorkspace.
func (s *Store) everyWorkspace(ctx context.Context) ([]string, error) {
	infos, err := s.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{systemWorkspace}
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names, nil
}

// beginCopy marks the store as half copied. It must be empty, or marked already.
func (s *Store) beginCopy(ctx context.Context) error {
	err := s.CheckWhole(ctx)
	if errors.Is(err, ErrHalfCopied) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := s.everyWorkspace(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := s.backend.Dump(ctx, name, func(items []Item) error {
			if len(items) > 0 {
				return ErrNotEmpty
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.backend.KVPut(ctx, systemWorkspace, copySpace, copyKey, []byte("under way"), nil)
}

// verifyCopy reads both stores and compares them.
func verifyCopy(ctx context.Context, from, to Backend, names []string) ([]Copied, error) {
	var all []Copied
	for _, name := range names {
		var sums [2]Copied
		for i, b := range []Backend{from, to} {
			sum := newDigest(name)
			if err := b.Dump(ctx, name, func(items []Item) error { sum.add(items); return nil }); err != nil {
				return nil, fmt.Errorf("store: verify the copy of %s: %w", name, err)
			}
			sums[i] = sum.copied()
		}
		if sums[0].Hash != sums[1].Hash {
			return nil, fmt.Errorf("store: the copy of workspace %s is not the same: there are %v, and the copy has %v. "+
				"Something wrote to one of them meanwhile, or an earlier copy left more behind: stop every server, empty the target, and copy again", name, sums[0].Items, sums[1].Items)
		}
		all = append(all, sums[0])
	}
	return all, nil
}

// digest sums up items: the sum of their hashes does not depend on their order.
type digest struct {
	name  string
	count map[ItemKind]int
	sum   [4]uint64
}

func newDigest(name string) *digest { return &digest{name: name, count: map[ItemKind]int{}} }

func (d *digest) add(items []Item) {
	var text []byte
	for _, item := range items {
		if item.Kind == ItemValue && item.Key == copySpace {
			continue
		}
		d.count[item.Kind]++
		text = append(text[:0], byte(item.Kind))
		for _, part := range []string{item.Key, item.Sub} {
			text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
		}
		hash := sha256.Sum256(append(text, item.Value...))
		for i := range d.sum {
			d.sum[i] += binary.BigEndian.Uint64(hash[8*i:])
		}
	}
}

func (d *digest) copied() Copied {
	c := Copied{Workspace: d.name, Items: map[string]int{}}
	for kind, n := range d.count {
		c.Items[itemNames[kind]] = n
	}
	var hash []byte
	for _, word := range d.sum {
		hash = binary.BigEndian.AppendUint64(hash, word)
	}
	c.Hash = hex.EncodeToString(hash)
	return c
}
