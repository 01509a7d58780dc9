// Package events tells other systems what changed: it reads the change feed of a workspace for
// each stream and delivers what the stream asks for, as Security Event Tokens of RFC 9967
// (pushed by RFC 8935 or fetched by RFC 8936) or as plain webhooks.
//
// A stream has a position in the feed. It moves on only when a receiver has taken a change, so
// every acknowledged change is delivered at least once and in order, whatever restarts
// meanwhile; a repeat has the same id. What a receiver refuses for too long becomes a dead
// letter and can be replayed. A feed that was trimmed past a stream is a gap that stays shown.
//
// The feed keeps no values, so the notice forms are sent: which resource, and the names of its
// attributes that changed. No value of an attribute leaves by here.
//
// Start with Transmitter, then message.go (what is said of a change), window.go (what is still to
// be delivered), push.go and poll.go.
package events

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"rollcall/scim"
)

// Feed is the changes of one workspace (scim.Store.Changes).
type Feed interface {
	Changes(ctx context.Context, after scim.Version, limit int) ([]scim.Change, error)
	Span(ctx context.Context) (scim.Span, error)
	// Endpoint is where resources of a type are, below the SCIM base: "/Users". One of a type
	// that is no more is at its name.
	Endpoint(ctx context.Context, typ string) (string, error)
}

// Config is what a Transmitter needs.
type Config struct {
	// Feed opens the feed of a workspace, or answers scim.ErrNotFound.
	Feed func(ctx context.Context, workspace string) (Feed, error)
	// State holds streams, positions and signing keys, for all replicas.
	State scim.State
	// Issuer is the claim iss of every SET. Without one there are only webhooks.
	Issuer string
	// Streams are those of the configuration: no call changes them.
	Streams []Stream
	// AllowNetworks are private networks that streams may deliver to.
	AllowNetworks []netip.Prefix
	// GiveUpAfter is how old a change is when it becomes a dead letter instead of being
	// tried again; 3 days.
	GiveUpAfter time.Duration
	// Interval is how often a feed is looked at; 1 s.
	Interval time.Duration
	// Holder names this process where it holds a stream's lock.
	Holder string
	Now    func() time.Time // nil for time.Now
	Logger *slog.Logger
	// Observe is told how each delivery was taken: ok, failed, refused; nil for nobody.
	Observe func(workspace, stream, result string)
}

// Transmitter delivers the events of every stream. It is safe for concurrent use.
type Transmitter struct {
	Config
	log   *slog.Logger
	keys  *keys
	http  *http.Client
	slots chan struct{} // of long polls
}

// maxLongPolls bounds the polls that wait in this process. The others are answered at once.
const maxLongPolls = 200

// New makes a Transmitter. It delivers by itself only while Run runs.
func New(c Config) (*Transmitter, error) {
	if c.Feed == nil || c.State == nil {
		return nil, errors.New("events: Feed and State are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.GiveUpAfter == 0 {
		c.GiveUpAfter = 3 * 24 * time.Hour
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	t := &Transmitter{Config: c, log: c.Logger, slots: make(chan struct{}, maxLongPolls)}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.keys = &keys{kv: c.State.KV("events.keys"), now: c.Now}
	t.http = outbound(c.AllowNetworks)
	var errs []error
	for i := range t.Streams {
		t.Streams[i].Configured = true
		if err := t.validate(&t.Streams[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return t, errors.Join(errs...)
}
