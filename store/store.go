// Package store keeps the resources of workspaces: it implements scim.Store and
// scim.State on a Backend, which executes commits and reads back what they wrote.
//
// A change is made in three steps: scim.Commit, what a caller wants of a resource; Tx, the
// same as data that a backend can execute without knowing any schema (expected version,
// unique keys to claim and to release, membership edges, record, feed entry); and its
// execution, by one script in store/redisdb or one transaction in store/boltdb. All
// rules above the Tx are here, once.
//
// The package knows nothing of HTTP, of permissions or of password hashes: account wraps
// it for those. It opens no backend by itself: cmd does.
//
// Start with Workspace, then tx.go (what a backend must do), commit.go, query.go and
// fsck.go (every invariant). The contract's tests are in store/storetest.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/scim"
)

// DefaultWorkspace always exists.
const DefaultWorkspace = "default"

// systemWorkspace holds what spans workspaces. No resource is in it.
const systemWorkspace = "sys"

// DefaultFeedKeep is how many changes a workspace's feed keeps.
const DefaultFeedKeep = 1_000_000

// readBatch is how many records are read in one round trip.
const readBatch = 256

// Config is what a Store is made of.
type Config struct {
	Backend Backend
	// Model is the model of a workspace, as it is now: it is asked in every call. nil for
	// scim.DefaultModel everywhere.
	Model    func(ctx context.Context, workspace string) (*scim.Model, error)
	Logger   *slog.Logger // nil for none
	FeedKeep uint64       // changes to keep in a feed; 0 for DefaultFeedKeep
	// ImageKeep is how many of them keep their images (scim.Images); 0 for DefaultImageKeep, and
	// below 0 for none at all.
	ImageKeep int
	// DeletedKeep is for how long what is deleted can be restored; 0 for DefaultDeletedKeep, and
	// below 0 for not at all.
	DeletedKeep time.Duration
	// IndexIdle is after how long without a list a workspace's index is dropped from memory; 0
	// for half an hour.
	IndexIdle time.Duration
}

// Store is the workspaces of one backend. It is safe for concurrent use.
type Store struct {
	backend Backend
	model   func(context.Context, string) (*scim.Model, error)
	log     *slog.Logger
	keep    uint64
	images  uint64

	deletedKeep time.Duration
	idle        time.Duration

	mu    sync.Mutex // guards known
	known map[string]*Workspace
}

// New makes a store on a backend that is open. Closing the backend is its opener's.
func New(c Config) *Store {
	s := &Store{backend: c.Backend, model: c.Model, log: c.Logger, keep: c.FeedKeep, idle: c.IndexIdle, known: map[string]*Workspace{}}
	if s.model == nil {
		s.model = func(context.Context, string) (*scim.Model, error) { return scim.DefaultModel(), nil }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.keep == 0 {
		s.keep = DefaultFeedKeep
	}
	if s.deletedKeep = c.DeletedKeep; s.deletedKeep == 0 {
		s.deletedKeep = DefaultDeletedKeep
	}
	switch {
	case c.ImageKeep == 0:
		s.images = DefaultImageKeep
	case c.ImageKeep > 0:
		s.images = uint64(c.ImageKeep)
	}
	return s
}

// State is what spans workspaces.
func (s *Store) State() scim.State { return &state{backend: s.backend, ws: systemWorkspace} }

// WorkspaceInfo is what the list of workspaces tells of one.
type WorkspaceInfo struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"` // zero for the default workspace
}

func (s *Store) list() scim.KV { return s.State().KV("workspaces") }

// Workspace returns a workspace that exists, or scim.ErrNotFound.
func (s *Store) Workspace(ctx context.Context, name string) (*Workspace, error) {
	s.mu.Lock()
	w := s.known[name]
	s.mu.Unlock()
	if w != nil {
		return w, nil
	}
	if !validWorkspace(name) {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no workspace %q", name)
	}
	if name != DefaultWorkspace {
		_, err := s.list().Get(ctx, name)
		if errors.Is(err, scim.ErrNotFound) {
			return nil, scim.Errorf(scim.ErrNotFound, "there is no workspace %q", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return s.open(name), nil
}

func (s *Store) open(name string) *Workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.known[name]
	if w == nil {
		w = newWorkspace(s, name)
		s.known[name] = w
	}
	return w
}

// CreateWorkspace makes a workspace; scim.ErrUniqueness where it exists. A name has 1 to 63
// letters a to z, digits and hyphens, and starts with a letter or digit.
func (s *Store) CreateWorkspace(ctx context.Context, name string) (*Workspace, error) {
	if !validWorkspace(name) {
		return nil, scim.Errorf(scim.ErrInvalidValue,
			"workspace %q: a name has 1 to 63 characters a-z, 0-9 and hyphens, starts with no hyphen, and is not %q", name, systemWorkspace)
	}
	inUse := scim.Errorf(scim.ErrUniqueness, "workspace %q exists already", name)
	if name == DefaultWorkspace {
		return nil, inUse
	}
	info, err := json.Marshal(WorkspaceInfo{Name: name, Created: time.Now().UTC().Truncate(time.Millisecond)})
	if err != nil {
		return nil, err
	}
	err = s.list().Put(ctx, name, info, []byte{})
	if errors.Is(err, scim.ErrVersionMismatch) {
		return nil, inUse
	}
	if err != nil {
		return nil, err
	}
	return s.open(name), nil
}

// Workspaces lists the workspaces in order of name.
func (s *Store) Workspaces(ctx context.Context) ([]WorkspaceInfo, error) {
	all := []WorkspaceInfo{{Name: DefaultWorkspace}}
	err := s.list().Scan(ctx, func(name string, value []byte) error {
		var info WorkspaceInfo
		if err := json.Unmarshal(value, &info); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "the entry of workspace %q: %v", name, err)
		}
		all = append(all, info)
		return nil
	})
	if err != nil {
		return nil, err
	}
	sortBy(all, func(w WorkspaceInfo) string { return w.Name })
	return all, nil
}

func validWorkspace(name string) bool {
	if name == "" || len(name) > 63 || name == systemWorkspace || name[0] == '-' {
		return false
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// Workspace is one workspace's resources and state.
type Workspace struct {
	state       // its locks and key-value spaces
	model       func(context.Context, string) (*scim.Model, error)
	log         *slog.Logger
	keep        uint64 // changes in the feed
	image       uint64 // changes with images
	keepDeleted bool
	find        searcher
	layout      atomic.Pointer[layoutSeen]
	seen        atomic.Uint64 // the highest number that a commit of ours was given
}

var (
	_ scim.Store = (*Workspace)(nil)
	_ scim.State = (*Workspace)(nil)
)

func newWorkspace(s *Store, name string) *Workspace {
	w := &Workspace{
		state:       state{backend: s.backend, ws: name},
		model:       s.model,
		log:         s.log.With("workspace", name),
		keep:        s.keep,
		image:       s.images,
		keepDeleted: s.deletedKeep > 0,
	}
	w.find = newIndex(w, s.idle)
	return w
}

// Name is the workspace's name.
func (w *Workspace) Name() string { return w.ws }

// Model is the workspace's schemas and resource types.
func (w *Workspace) Model(ctx context.Context) (*scim.Model, error) { return w.model(ctx, w.ws) }

// typ is a resource type of the workspace, nil for none of that name.
func (w *Workspace) typ(ctx context.Context, name string) (*scim.ResourceType, error) {
	m, err := w.Model(ctx)
	if err != nil {
		return nil, err
	}
	return m.Type(name), nil
}

// validID tells whether an id can be that of a resource; what is not is never sent to a
// backend, where ids are parts of keys.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// known tells whether a resource can exist at all.
func (w *Workspace) known(ctx context.Context, ref scim.Ref) (bool, error) {
	t, err := w.typ(ctx, ref.Type)
	return t != nil && validID(ref.ID), err
}

func notFound(ref scim.Ref) error {
	return scim.Errorf(scim.ErrNotFound, "there is no %s with id %q", ref.Type, ref.ID)
}
