package sync

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"rollcall/scim"
)

// fakeStore is scim.Store and scim.State in memory, faithful to their contracts. Its hooks
// make it fail.
type fakeStore struct {
	model *scim.Model

	mu        sync.Mutex // guards everything below
	version   scim.Version
	resources map[scim.Ref]*scim.Stored
	marks     map[string]string   // by owner, type and externalId
	claims    map[string]scim.Ref // by type, attribute and key; externalId with its owner
	members   map[scim.Ref]map[scim.Ref]bool
	spaces    map[string]*fakeKV
	locks     map[string]*fakeLock
	gets      int
	commits   int // that changed something

	beforeCommit func(*scim.Commit) error // called without mu
	beforeGet    func(scim.Ref) error
}

func newFakeStore(model *scim.Model) *fakeStore {
	return &fakeStore{
		model: model, resources: map[scim.Ref]*scim.Stored{}, marks: map[string]string{}, claims: map[string]scim.Ref{},
		members: map[scim.Ref]map[scim.Ref]bool{}, spaces: map[string]*fakeKV{}, locks: map[string]*fakeLock{},
	}
}

func (s *fakeStore) Get(ctx context.Context, ref scim.Ref, _ scim.With) (*scim.Stored, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.beforeGet != nil {
		if err := s.beforeGet(ref); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	return s.get(ref)
}

func (s *fakeStore) get(ref scim.Ref) (*scim.Stored, error) {
	if r := s.resources[ref]; r != nil {
		return r, nil
	}
	return nil, scim.Errorf(scim.ErrNotFound, "%s does not exist", ref)
}

func (s *fakeStore) Lookup(_ context.Context, typ, attr, value string, _ scim.With) (*scim.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.model.Type(typ).Unique {
		if a.Name == attr {
			key, _ := a.Compare(value)
			return s.get(s.claims[typ+"\x00"+attr+"\x00"+key])
		}
	}
	return nil, scim.Errorf(scim.ErrNotFound, "nobody")
}

func (s *fakeStore) Query(context.Context, *scim.Query) (*scim.Page, error) {
	panic("sync queries nothing")
}

func (s *fakeStore) Changes(context.Context, scim.Version, int) ([]scim.Change, error) {
	panic("sync reads no feed")
}

func (s *fakeStore) Images(context.Context, []scim.Version) ([]scim.Images, error) {
	panic("sync reads no feed")
}

func (s *fakeStore) CommitMany(ctx context.Context, commits []*scim.Commit) []scim.CommitResult {
	results := make([]scim.CommitResult, len(commits))
	for i, c := range commits {
		results[i].Committed, results[i].Err = s.Commit(ctx, c)
	}
	return results
}

func (s *fakeStore) Commit(ctx context.Context, c *scim.Commit) (*scim.Committed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.beforeCommit != nil {
		if err := s.beforeCommit(c); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.resources[c.Ref]
	switch {
	case c.Fence != nil && s.locks[c.Fence.Lock].number != c.Fence.Number:
		return nil, scim.Errorf(scim.ErrFenced, "the lock has moved on")
	case len(c.Mark) > 64:
		return nil, scim.Errorf(scim.ErrInvalidValue, "mark of %d bytes", len(c.Mark))
	case len(c.Edges) > 1000:
		return nil, scim.Errorf(scim.ErrInvalidValue, "%d edges", len(c.Edges))
	case c.Expect == scim.MustNotExist && old != nil:
		return nil, scim.Errorf(scim.ErrVersionMismatch, "%s exists", c.Ref)
	case c.Expect != scim.MustNotExist && old == nil:
		return nil, scim.Errorf(scim.ErrNotFound, "%s does not exist", c.Ref)
	case c.Expect != scim.MustNotExist && c.Expect != scim.MustExist && c.Expect != old.Version:
		return nil, scim.Errorf(scim.ErrVersionMismatch, "%s has moved on", c.Ref)
	}
	if c.Delete {
		s.delete(old)
		return &scim.Committed{Changed: true}, nil
	}
	return s.write(c, old)
}

func (s *fakeStore) write(c *scim.Commit, old *scim.Stored) (*scim.Committed, error) {
	did := &scim.Committed{}
	next := old
	if c.Put != nil {
		put := &scim.Stored{Header: c.Put.Header, Body: scim.AppendJSON(nil, c.Put.Attributes)}
		put.Ref = c.Ref
		claims := s.claimsOf(c.Put)
		for _, claim := range claims {
			if holder, taken := s.claims[claim]; taken && holder != c.Ref {
				return nil, scim.Errorf(scim.ErrUniqueness, "already held by %s", holder)
			}
		}
		if old == nil || !bytes.Equal(old.Body, put.Body) {
			if old != nil {
				s.release(old)
			}
			for _, claim := range claims {
				s.claims[claim] = c.Ref
			}
			next, did.Changed = put, true
		}
	}
	s.edges(c, did)
	if did.Changed {
		s.commits++
		s.version++
		fresh := *next
		fresh.Version = s.version
		next = &fresh
		s.resources[c.Ref] = next
	}
	if c.Mark != "" {
		s.marks[markKey(next)] = c.Mark
	}
	did.Stored = next
	return did, nil
}

func (s *fakeStore) edges(c *scim.Commit, did *scim.Committed) {
	if s.members[c.Ref] == nil {
		s.members[c.Ref] = map[scim.Ref]bool{}
	}
	present := s.members[c.Ref]
	for _, e := range c.Edges {
		switch {
		case e.Remove && present[e.Member]:
			delete(present, e.Member)
			did.Removed++
		case !e.Remove && s.resources[e.Member] == nil:
			did.Dropped = append(did.Dropped, e.Member.ID)
		case !e.Remove && !present[e.Member]:
			present[e.Member] = true
			did.Added++
		}
	}
	did.Changed = did.Changed || did.Added+did.Removed > 0
}

func markKey(r *scim.Stored) string { return r.Owner + "\x00" + r.Type + "\x00" + r.ExternalID }

func (s *fakeStore) claimsOf(r *scim.Resource) []string {
	var claims []string
	for _, a := range s.model.Type(r.Type).Unique {
		name, _ := r.Attributes[a.Name].(string)
		key, _ := a.Compare(name)
		claims = append(claims, r.Type+"\x00"+a.Name+"\x00"+key)
	}
	if r.ExternalID != "" {
		claims = append(claims, r.Type+"\x00externalId\x00"+r.Owner+"\x00"+r.ExternalID)
	}
	return claims
}

func (s *fakeStore) release(old *scim.Stored) {
	r, err := old.Resource()
	if err != nil {
		panic(err)
	}
	for _, claim := range s.claimsOf(r) {
		delete(s.claims, claim)
	}
}

func (s *fakeStore) delete(old *scim.Stored) {
	s.release(old)
	delete(s.marks, markKey(old))
	delete(s.resources, old.Ref)
	delete(s.members, old.Ref)
	for _, members := range s.members {
		delete(members, old.Ref)
	}
}

func (s *fakeStore) Members(_ context.Context, group, after scim.Ref) iter.Seq2[scim.Ref, error] {
	s.mu.Lock()
	refs := slices.SortedFunc(maps.Keys(s.members[group]), compareRefs)
	s.mu.Unlock()
	return func(yield func(scim.Ref, error) bool) {
		for _, ref := range refs {
			if compareRefs(ref, after) > 0 && !yield(ref, nil) {
				return
			}
		}
	}
}

func (s *fakeStore) Owned(_ context.Context, owner, typ string) iter.Seq2[scim.Owned, error] {
	s.mu.Lock()
	var owned []scim.Owned
	for _, r := range s.resources {
		if r.Owner == owner && r.Type == typ && r.ExternalID != "" {
			owned = append(owned, scim.Owned{ExternalID: r.ExternalID, ID: r.ID, Mark: s.marks[markKey(r)]})
		}
	}
	s.mu.Unlock()
	return func(yield func(scim.Owned, error) bool) {
		for _, o := range owned {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// State.

func (s *fakeStore) KV(space string) scim.KV {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spaces[space] == nil {
		s.spaces[space] = &fakeKV{values: map[string][]byte{}}
	}
	return s.spaces[space]
}

type fakeKV struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (k *fakeKV) Get(_ context.Context, key string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v, ok := k.values[key]; ok {
		return slices.Clone(v), nil
	}
	return nil, scim.Errorf(scim.ErrNotFound, "no key %s", key)
}

func (k *fakeKV) Put(ctx context.Context, key string, value, old []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if old != nil && !bytes.Equal(k.values[key], old) {
		return scim.Errorf(scim.ErrVersionMismatch, "%s has another value", key)
	}
	k.values[key] = slices.Clone(value)
	return nil
}

func (k *fakeKV) Delete(_ context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.values, key)
	return nil
}

func (k *fakeKV) Scan(_ context.Context, fn func(string, []byte) error) error {
	k.mu.Lock()
	values := maps.Clone(k.values)
	k.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := fn(key, values[key]); err != nil {
			return err
		}
	}
	return nil
}

type fakeLock struct {
	store  *fakeStore
	name   string
	holder string
	number uint64
	ttl    time.Duration
	until  time.Time
}

func (s *fakeStore) Lock(_ context.Context, name, holder string, ttl time.Duration) (scim.Lock, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := uint64(1)
	if l := s.locks[name]; l != nil {
		if time.Now().Before(l.until) {
			return nil, scim.Errorf(scim.ErrLocked, "%s is held by %s", name, l.holder)
		}
		number = l.number + 1
	}
	s.locks[name] = &fakeLock{s, name, holder, number, ttl, time.Now().Add(ttl)}
	l := *s.locks[name]
	return &l, nil
}

func (l *fakeLock) Fence() scim.Fence { return scim.Fence{Lock: l.name, Number: l.number} }

func (l *fakeLock) Renew(context.Context) error {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	held := l.store.locks[l.name]
	if held.number != l.number || !time.Now().Before(held.until) {
		return scim.Errorf(scim.ErrFenced, "the lock was lost")
	}
	held.until = time.Now().Add(l.ttl)
	return nil
}

func (l *fakeLock) Release(context.Context) error {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if held := l.store.locks[l.name]; held.number == l.number {
		held.until = time.Time{}
	}
	return nil
}

// fakeSource is a source in memory.
type fakeSource struct {
	entries  []Entry
	spoiled  []*EntryError
	failed   error         // the stream ends with it
	delay    time.Duration // before the first entry
	mapped   map[string][]string
	whenRead func()
	present  []scim.Ref // that it has after all
	asked    []scim.Ref // for them
}

func (s *fakeSource) Present(_ context.Context, refs []scim.Ref) (there []scim.Ref, err error) {
	s.asked = refs
	for _, ref := range s.present {
		if slices.Contains(refs, ref) {
			there = append(there, ref)
		}
	}
	return there, nil
}

func (s *fakeSource) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := sleep(ctx, s.delay); err != nil {
			yield(Entry{}, err)
			return
		}
		if s.whenRead != nil {
			s.whenRead()
		}
		for _, e := range s.entries {
			if !yield(e, nil) {
				return
			}
		}
		for _, e := range s.spoiled {
			if !yield(Entry{}, e) {
				return
			}
		}
		if s.failed != nil {
			yield(Entry{}, s.failed)
		}
	}
}

func (s *fakeSource) Mapped(typ string) []string { return s.mapped[typ] }

// person and group make entries; attributes come in pairs.
func person(id string, pairs ...any) Entry {
	e := Entry{ID: id, DN: "uid=" + id + ",dc=test", Type: "User", Attributes: map[string]any{"userName": id}}
	for i := 0; i < len(pairs); i += 2 {
		e.Attributes[pairs[i].(string)] = pairs[i+1]
	}
	return e
}

func group(id string, members ...string) Entry {
	slices.Sort(members)
	return Entry{ID: id, DN: "cn=" + id + ",dc=test", Type: "Group", Attributes: map[string]any{"displayName": id}, Members: members}
}

func people(n int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = person(fmt.Sprintf("p%05d", i))
	}
	return entries
}

func ids(entries []Entry) []string {
	var list []string
	for _, e := range entries {
		list = append(list, e.ID)
	}
	return list
}
