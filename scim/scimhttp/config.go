package scimhttp

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"rollcall/scim"
)

// Config is what a Handler is built from. Directory and Auth are required; the zero
// value of everything else means its default.
type Config struct {
	// Model gives the schemas and resource types of a workspace: scim.DefaultModel
	// for each where Model is nil. It must return the same pointer until they change.
	Model func(workspace string) *scim.Model
	// Directory gives the resources of a workspace, or scim.ErrNotFound.
	Directory func(ctx context.Context, workspace string) (scim.Store, error)
	Auth      Authenticator
	// OAuth2 and Basic say that Auth, a CredentialAuthenticator then, takes tokens of an OAuth 2.0
	// token endpoint, or a user and password: ServiceProviderConfig and challenges tell of them.
	OAuth2, Basic bool
	// BaseURL is what clients see in front of /scim/v2 and /w/…: scheme, host and
	// perhaps a path. "" takes it from each request.
	BaseURL string
	// TrustedProxies are the peers whose X-Forwarded-Proto, -Host and -For count.
	TrustedProxies []netip.Prefix
	// EventURIs are the events of RFC 9967 that can be subscribed to; none claims none.
	EventURIs []string
	// Policy gives the settings of the client that calls; nil is the zero Policy for all.
	Policy func(*scim.Actor) Policy
	// Complete is what a workspace puts into the body of a new resource before it is read; nil for nothing.
	Complete func(ctx context.Context, workspace, typ string, body map[string]any) (map[string]any, error)
	// Computed sets the attributes of a resource that are worked out for those who ask for
	// them by name (scim.Attribute.Computed, returned "request"); nil where there are none.
	Computed func(ctx context.Context, workspace string, r *scim.Resource) error
	// CursorKey seals the cursors of lists: 16, 24 or 32 secret bytes, the same for all
	// replicas and after a restart. Without one, cursors end with the process.
	CursorKey []byte
	// CursorTimeout is how long a cursor is good for; an hour.
	CursorTimeout time.Duration
	// Quirk is told of each tolerance that a client used, by name (see quirks.go).
	Quirk func(client, quirk string)
	// Observe is told of each answer, once it is over; nil for nobody.
	Observe func(context.Context, Observed)
	// NewRequestID makes the id of a request that brought none.
	NewRequestID func() string
	Logger       *slog.Logger // nil logs nothing
	Limits       Limits
	RetryAfter   time.Duration // of a 503 that knows no better; 5 s
}

// Limits bound what one request may ask for. Zero fields mean the default.
type Limits struct {
	Body int64 // bytes of a body; 4 MiB
	URL  int   // bytes of path and query; 384 KiB, so that a filter far too long is told so itself
	// Bulk is how many operations a /Bulk may have, and BulkBody how many bytes; 1000 and 1 MiB.
	Bulk     int
	BulkBody int64
	// BulkTime is how long a /Bulk goes on with operations, so that there is time left to
	// tell of those that were made; 30 s.
	BulkTime    time.Duration
	Filter      scim.FilterLimits
	Names       int // names in attributes and excludedAttributes; 200
	PageDefault int // resources of a page where the client does not say; 100
	PageMax     int // resources of a page at most; 1000
	// LargeBodies is how many bodies above 64 KiB may be held decoded at once: one of
	// 4 MiB decodes into twenty times as much. The others wait; 8.
	LargeBodies int
}

// Policy is what may differ from client to client.
type Policy struct {
	PatchResponse        PatchResponse
	RefuseUnknownMembers bool // 400 for a member that does not exist, which is else dropped
	UserNameEmail        bool // 400 for a new userName that is no e-mail address
}

// PatchResponse is how a PATCH that succeeded is answered (RFC 7644 §3.5.2 allows both).
type PatchResponse string

// The answers to a PATCH. Auto is 200 with the resource, but 204 for a resource type
// that has members: it is what both Okta and Entra take.
const (
	PatchAuto      PatchResponse = "" // also "auto"
	PatchBody      PatchResponse = "200"
	PatchNoContent PatchResponse = "204"
)

// ParsePatchResponse reads the setting patch_response.
func ParsePatchResponse(s string) (PatchResponse, error) {
	switch s {
	case "", "auto":
		return PatchAuto, nil
	case "200", "204":
		return PatchResponse(s), nil
	}
	return PatchAuto, fmt.Errorf("%q is none of auto, 200, 204", s)
}

// Validate reports everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var errs []error
	if c.Directory == nil {
		errs = append(errs, errors.New("Directory is required"))
	}
	if c.Auth == nil {
		errs = append(errs, errors.New("Auth is required"))
	}
	if err := checkBaseURL(c.BaseURL); err != nil {
		errs = append(errs, err)
	}
	l := c.Limits
	if l.Body < 0 || l.URL < 0 || l.Names < 0 || l.PageDefault < 0 || l.PageMax < 0 || l.LargeBodies < 0 ||
		l.Bulk < 0 || l.BulkBody < 0 || l.BulkTime < 0 || c.RetryAfter < 0 || c.CursorTimeout < 0 {
		errs = append(errs, errors.New("limits, RetryAfter and CursorTimeout must not be negative"))
	}
	if d := l.withDefaults(); d.PageDefault > d.PageMax {
		errs = append(errs, fmt.Errorf("Limits.PageDefault %d is above PageMax %d", d.PageDefault, d.PageMax))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("scimhttp: %w", err)
	}
	return nil
}

func checkBaseURL(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return fmt.Errorf("BaseURL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("BaseURL %q must begin with http:// or https://", base)
	case !validHost(u.Host):
		return fmt.Errorf("BaseURL %q has no valid host", base)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("BaseURL %q must have no user, query or fragment", u.Redacted())
	case strings.ContainsAny(base, "\"\\<> ") || strings.Contains(u.Path, "/scim/v2"):
		return fmt.Errorf("BaseURL %q must end before /scim/v2", base)
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	l.Body = cmp.Or(l.Body, 4<<20)
	l.URL = cmp.Or(l.URL, 384<<10)
	l.Bulk = cmp.Or(l.Bulk, 1000)
	l.BulkBody = cmp.Or(l.BulkBody, 1<<20)
	l.BulkTime = cmp.Or(l.BulkTime, 30*time.Second)
	l.Names = cmp.Or(l.Names, 200)
	l.PageMax = cmp.Or(l.PageMax, 1000)
	l.PageDefault = cmp.Or(l.PageDefault, min(100, l.PageMax))
	l.LargeBodies = cmp.Or(l.LargeBodies, 8)
	return l
}

func (c Config) withDefaults() Config {
	if c.Model == nil {
		c.Model = func(string) *scim.Model { return scim.DefaultModel() }
	}
	if c.Policy == nil {
		c.Policy = func(*scim.Actor) Policy { return Policy{} }
	}
	if c.Quirk == nil {
		c.Quirk = func(string, string) {}
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, Observed) {}
	}
	if c.NewRequestID == nil {
		c.NewRequestID = newRequestID
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	c.RetryAfter = cmp.Or(c.RetryAfter, 5*time.Second)
	c.CursorTimeout = cmp.Or(c.CursorTimeout, time.Hour)
	c.Limits = c.Limits.withDefaults()
	return c
}

// newRequestID tells requests apart in logs; nothing secret depends on it.
func newRequestID() string {
	var b [12]byte
	for i, n := 0, rand.Uint64(); i < 8; i++ {
		b[i] = byte(n >> (8 * i))
	}
	for i, n := 8, rand.Uint32(); i < 12; i++ {
		b[i] = byte(n >> (8 * (i - 8)))
	}
	return hex.EncodeToString(b[:])
}
