// Package schemas keeps what each workspace adds to the schemas and resource types, and gives
// everybody the model that comes of it: the built-in types, what the configuration adds, and
// what was added while the server runs.
//
// It judges no schema (package scim does) and asks nobody for a permission (internal/api does).
//
// Start with Registry.Load; change.go has what changes the definitions.
package schemas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/scim"
)

// Workspace is what the registry needs of a workspace.
type Workspace interface {
	scim.Store
	scim.State
	Span(ctx context.Context) (scim.Span, error)
}

// Config is what a Registry is made of. Open is required.
type Config struct {
	// Open opens a workspace, past all permissions, or returns scim.ErrNotFound.
	Open func(ctx context.Context, workspace string) (Workspace, error)
	// Configured are the definitions of a workspace that the configuration has; nil for none.
	Configured func(workspace string) scim.Custom
	// Shared tells that other processes use the same store: a change then waits until all of them
	// have seen it.
	Shared bool
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// For how long a model counts as current without asking the store, and how long after a change
// every process has asked.
const (
	maxAge = 500 * time.Millisecond
	grace  = maxAge + 100*time.Millisecond
)

// Registry gives the model of each workspace. It is safe for concurrent use.
type Registry struct {
	config  Config
	entries sync.Map // workspace → *entry
}

// New makes a Registry. It reads nothing yet.
func New(c Config) *Registry {
	if c.Configured == nil {
		c.Configured = func(string) scim.Custom { return scim.Custom{} }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Registry{config: c}
}

// entry is one workspace.
type entry struct {
	current atomic.Pointer[state]
	checked atomic.Int64 // when the store was asked last, in nanoseconds

	mu     sync.Mutex // guards flight
	flight *flight    // the reading of the store that is under way, nil for none
}

// flight is a reading of the store that several wait for: where the store does not answer, they
// all learn it from one attempt, instead of one after the other from attempts of their own.
type flight struct {
	done  chan struct{}
	state *state
	err   error
}

// begin begins a flight, or finds the one under way.
func (e *entry) begin() (f *flight, mine bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flight != nil {
		return e.flight, false
	}
	e.flight = &flight{done: make(chan struct{}), err: errLost}
	return e.flight, true
}

func (e *entry) end(f *flight) {
	e.mu.Lock()
	e.flight = nil
	e.mu.Unlock()
	close(f.done)
}

// errLost is what others see of a flight that panicked.
var errLost = scim.Errorf(scim.ErrUnavailable, "the schemas could not be read")

// state is what was found in the store, and what came of it.
type state struct {
	text   []byte // nil for none
	stored stored
	custom scim.Custom // the configuration's, then the stored ones
	model  *scim.Model
}

// stored is the value under the key "definitions": all of a workspace's in one, so that they
// change together.
type stored struct {
	Schemas []storedSchema    `json:"schemas,omitempty"`
	Types   []json.RawMessage `json:"resourceTypes,omitempty"`
	// Indexed is scim.Custom.Indexed.
	Indexed map[string][]string `json:"indexed,omitempty"`
}

type storedSchema struct {
	Schema json.RawMessage `json:"schema"`
	// Extends is scim.CustomSchema.Extends.
	Extends []string `json:"extends"`
}

const (
	space = "schemas"
	key   = "definitions"
	// maxStored bounds the value: it is read twice a second.
	maxStored = 1 << 20
)

// Load returns the model of a workspace, as it was half a second ago at most. It is the same
// pointer until the definitions change.
func (r *Registry) Load(ctx context.Context, workspace string) (*scim.Model, error) {
	s, err := r.load(ctx, workspace, maxAge)
	if err != nil {
		return nil, err
	}
	return s.model, nil
}

// Model is what the last Load of the workspace returned; the built-in model before any.
func (r *Registry) Model(workspace string) *scim.Model {
	if e, ok := r.entries.Load(workspace); ok {
		if s := e.(*entry).current.Load(); s != nil {
			return s.model
		}
	}
	return scim.DefaultModel()
}

func (r *Registry) load(ctx context.Context, workspace string, age time.Duration) (*state, error) {
	found, ok := r.entries.Load(workspace)
	if !ok {
		if _, err := r.config.Open(ctx, workspace); err != nil { // no entries for names that clients invent
			return nil, err
		}
		found, _ = r.entries.LoadOrStore(workspace, &entry{})
	}
	e := found.(*entry)
	for {
		if age > 0 && r.config.Now().UnixNano()-e.checked.Load() < int64(age) {
			return e.current.Load(), nil
		}
		f, mine := e.begin()
		if mine {
			defer e.end(f)
			f.state, f.err = r.read(ctx, workspace, e)
			return f.state, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		given := errors.Is(f.err, context.Canceled) || errors.Is(f.err, context.DeadlineExceeded) // up, by who flew
		if age > 0 && !given {
			return f.state, f.err
		}
	}
}

// read asks the store.
func (r *Registry) read(ctx context.Context, workspace string, e *entry) (*state, error) {
	w, err := r.config.Open(ctx, workspace)
	if err != nil {
		return nil, err
	}
	began := r.config.Now()
	text, err := w.KV(space).Get(ctx, key)
	if err != nil && !errors.Is(err, scim.ErrNotFound) {
		return nil, fmt.Errorf("schemas of workspace %s: %w", workspace, err)
	}
	s := e.current.Load()
	if s == nil || !bytes.Equal(s.text, text) {
		if s, err = r.parse(workspace, text); err != nil {
			return nil, err
		}
		e.current.Store(s)
	}
	e.checked.Store(began.UnixNano())
	return s, nil
}

// parse makes the state of what is stored.
func (r *Registry) parse(workspace string, text []byte) (*state, error) {
	s := &state{text: text}
	if text != nil {
		if err := json.Unmarshal(text, &s.stored); err != nil {
			return nil, scim.Errorf(scim.ErrCorrupt, "the schemas of workspace %s: %v", workspace, err)
		}
	}
	if err := s.build(r.config.Configured(workspace)); err != nil {
		// What is stored was checked, so the configuration has come to contradict it.
		return nil, fmt.Errorf("the schemas of workspace %s do not fit those of the configuration: %v", workspace, err) //nolint:errorlint // its kind blames the caller, who is innocent
	}
	return s, nil
}

// build compiles the stored definitions with the configured ones.
func (s *state) build(configured scim.Custom) error {
	s.custom = scim.Custom{Schemas: slices.Clone(configured.Schemas), Types: slices.Clone(configured.Types), Indexed: s.stored.Indexed}
	for _, x := range s.stored.Schemas {
		d, err := scim.ParseSchema(x.Schema)
		if err != nil {
			return err
		}
		s.custom.Schemas = append(s.custom.Schemas, scim.CustomSchema{Definition: d, Extends: x.Extends})
	}
	for _, text := range s.stored.Types {
		d, err := scim.ParseResourceType(text)
		if err != nil {
			return err
		}
		s.custom.Types = append(s.custom.Types, d)
	}
	var err error
	s.model, err = s.custom.Model()
	return err
}
