// Package audit makes the change feed, and events that are no change, into an audit trail that shows
// when somebody has tampered with it (design.md §4.14).
//
// A sealer in one of the replicas reads what is new, every half second, and writes a block: for each
// change of the feed and each event a commitment to it, the block's root over them, and an HMAC over
// that and the HMAC of the block before. The changes themselves stay in the feed, and what resources were before and after
// stays in its images: a block holds 80 bytes for a change. So trimming the feed leaves the
// chain whole. What is about a person enters a commitment as a hash with a salt of its own: erasing
// the person takes value and salt away, and the chain holds all the same.
//
// Start with Log, then block.go (what is kept), seal.go, verify.go and list.go.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/account"
	"rollcall/scim"
	"rollcall/store"
)

// Store is what a workspace's audit is made of and kept in.
type Store interface {
	scim.State
	// Evidence returns up to limit changes with numbers above after, oldest first, and the number
	// of the newest.
	Evidence(ctx context.Context, after scim.Version, limit int) ([]store.Evidence, scim.Version, error)
}

// Config is what a Log needs.
type Config struct {
	// Open opens a workspace, or account.SystemAudit; Workspaces names them.
	Open       func(ctx context.Context, workspace string) (Store, error)
	Workspaces func(ctx context.Context) ([]string, error)
	Keys       *account.Keyring
	// Heads is a file, outside of the store, that tells how far each chain had come; "" for none.
	Heads string
	// Keep is for how long blocks are kept; 0 for ever.
	Keep time.Duration
	// FeedKeep and ImageKeep are how many changes the feed keeps, and how many of them their images.
	FeedKeep, ImageKeep uint64
	// Model is the schemas of a workspace: what is never returned is not shown.
	Model  func(workspace string) *scim.Model
	Logger *slog.Logger
	Now    func() time.Time // nil for time.Now
}

// Log is the audit of every workspace. It is safe for concurrent use.
type Log struct {
	Config
	heads *heads
	runs  atomic.Bool // Run goes on

	mu     sync.Mutex // guards chains
	chains map[string]*chain
}

// New makes a Log.
func New(c Config) (*Log, error) {
	if c.Open == nil || c.Workspaces == nil || c.Keys == nil || c.Model == nil {
		return nil, errors.New("audit: Open, Workspaces, Keys and Model are required")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Log{Config: c, heads: &heads{path: c.Heads}, chains: map[string]*chain{}}, nil
}

// chain is one workspace's, as this process knows it.
type chain struct {
	log       *Log
	workspace string
	store     Store

	mu   sync.Mutex // guards what follows: one sealing at a time
	lock scim.Lock  // nil where another replica may seal
	held time.Time  // when it was taken or renewed
	last *block     // the newest block that was seen; nil before the first look
	seen time.Time  // when the chain was last known to be complete
	kept time.Time  // when old blocks were last looked for
	note time.Time  // when a failure was last told
}

func (l *Log) chain(ctx context.Context, workspace string) (*chain, error) {
	l.mu.Lock()
	c := l.chains[workspace]
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	s, err := l.Open(ctx, workspace)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chains[workspace] == nil {
		l.chains[workspace] = &chain{log: l, workspace: workspace, store: s, seen: l.Now()}
	}
	return l.chains[workspace], nil
}

// inboxSpace holds events until a block has them, each under its id: they are in order of it.
const inboxSpace = "audit.inbox"

// event is the part of a line of an event that is about nobody but by ids. Its text is what is sealed.
type event struct {
	ID        string         `json:"id"`
	At        time.Time      `json:"at"`
	Type      string         `json:"type"`
	Outcome   string         `json:"outcome,omitempty"`
	Actor     string         `json:"actor,omitempty"`
	By        string         `json:"by,omitempty"`
	Subject   string         `json:"subject,omitempty"` // as scim.Ref.String prints it
	Client    string         `json:"client,omitempty"`
	RequestID string         `json:"requestId,omitempty"`
	Detail    map[string]any `json:"detail,omitempty"`
}

// maxDetail bounds the text of an event.
const maxDetail = 16 << 10

// Record keeps an event of a workspace. It is durable when it returns nil.
func (l *Log) Record(ctx context.Context, workspace string, e account.AuditEvent) error {
	s, err := l.Open(ctx, workspace)
	if errors.Is(err, scim.ErrNotFound) { // somebody tries a workspace that there is not
		s, err = l.Open(ctx, account.SystemAudit)
	}
	if err != nil {
		return err
	}
	ev := event{ID: scim.NewID(), At: l.Now().UTC().Truncate(time.Millisecond), Type: e.Type, Outcome: e.Outcome,
		Actor: e.Actor, RequestID: scim.RequestIDFrom(ctx), Detail: e.Detail}
	if e.Subject != (scim.Ref{}) {
		ev.Subject = e.Subject.String()
	}
	if a := scim.ActorFrom(ctx); a != nil && e.Actor == "" {
		ev.Actor, ev.By, ev.Client = a.Kind+":"+a.ID, a.By, a.Client
	}
	line, err := newLine(ev, e.Personal)
	if err != nil {
		return err
	}
	value, err := json.Marshal(line)
	if err != nil {
		return err
	}
	return s.KV(inboxSpace).Put(ctx, ev.ID, value, nil)
}

// about tells whether an event is about a person: as its subject, or as who did it.
func (e *event) about(user scim.Ref) bool {
	actor := "user:" + user.ID
	return e.Subject == user.String() || e.Actor == actor || e.By == actor || strings.HasPrefix(e.Actor, actor+" ")
}
