package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// How a stream delivers.
const (
	Push    = "push"    // SETs, posted (RFC 8935)
	Poll    = "poll"    // SETs, fetched by the receiver (RFC 8936)
	Webhook = "webhook" // signed JSON, posted
)

// What can happen to a resource, as a stream's filter names it.
const (
	Create     = "create"
	Update     = "update"
	Delete     = "delete"
	Activate   = "activate"
	Deactivate = "deactivate"
)

// Kinds are all that a stream can ask for.
func Kinds() []string { return []string{Create, Update, Delete, Activate, Deactivate} }

// Stream is who is told of the changes of a workspace, and how.
type Stream struct {
	Name      string `json:"name"` // unique in the workspace
	Workspace string `json:"workspace"`
	Method    string `json:"method"`
	Endpoint  string `json:"endpoint,omitempty"` // where to post
	// Audience is the claim aud of the SETs: who the receiver is.
	Audience []string `json:"audience,omitempty"`
	Events   []string `json:"events,omitempty"` // Kinds to tell of; none for all
	// Client is the client whose tokens may poll the stream; "" for every token with the right.
	Client     string    `json:"client,omitempty"`
	Paused     bool      `json:"paused,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	Configured bool      `json:"configured,omitempty"` // by the configuration

	Authorization Secret `json:"-"` // the header Authorization of a push
	Secret        Secret `json:"-"` // that a webhook is signed with
}

// Secret is a text that nothing prints.
type Secret string

// Format prints "redacted" for every verb of fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// LogValue keeps it out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("redacted") }

// storedStream is a stream at rest. Its secrets are as safe as the store is.
type storedStream struct {
	Stream
	Authorization string `json:"authorization,omitempty"`
	Secret        string `json:"secret,omitempty"`
}

func (t *Transmitter) definitions() scim.KV { return t.State.KV("events.streams") }

// key names a stream among those of all workspaces.
func key(workspace, name string) string { return workspace + "/" + name }

func (s *Stream) key() string { return key(s.Workspace, s.Name) }

// find returns a stream, or scim.ErrNotFound.
func (t *Transmitter) find(ctx context.Context, workspace, name string) (*Stream, error) {
	for _, s := range t.Streams {
		if s.Workspace == workspace && s.Name == name {
			return &s, nil
		}
	}
	value, err := t.definitions().Get(ctx, key(workspace, name))
	if errors.Is(err, scim.ErrNotFound) {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no stream %q", name)
	}
	if err != nil {
		return nil, err
	}
	return decodeStream(name, value)
}

func decodeStream(name string, value []byte) (*Stream, error) {
	var at storedStream
	if err := json.Unmarshal(value, &at); err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "the stream %s: %v", name, err)
	}
	at.Stream.Authorization, at.Stream.Secret = Secret(at.Authorization), Secret(at.Secret)
	return &at.Stream, nil
}

// all lists every stream of every workspace. One that the configuration has hides a stored one.
func (t *Transmitter) all(ctx context.Context) ([]*Stream, error) {
	var list []*Stream
	seen := map[string]bool{}
	for _, s := range t.Streams {
		seen[s.key()] = true
		list = append(list, &s)
	}
	err := t.definitions().Scan(ctx, func(at string, value []byte) error {
		s, err := decodeStream(at, value)
		if err == nil && !seen[at] {
			list = append(list, s)
		}
		return err
	})
	slices.SortFunc(list, func(a, b *Stream) int { return strings.Compare(a.key(), b.key()) })
	return list, err
}

// put stores a stream. old is what is there, as in scim.KV.Put.
func (t *Transmitter) put(ctx context.Context, s *Stream, old []byte) error {
	value, err := json.Marshal(storedStream{Stream: *s, Authorization: string(s.Authorization), Secret: string(s.Secret)})
	if err != nil {
		return err
	}
	return t.definitions().Put(ctx, s.key(), value, old)
}

var nameText = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// The most that a stream may have.
const (
	maxText     = 2048 // of an endpoint, a secret, an audience
	maxAudience = 20
	minSecret   = 24
)

// validate refuses a stream that Problems finds something wrong with.
func (t *Transmitter) validate(s *Stream) error {
	if wrong := Problems(s, t.Issuer); wrong != nil {
		return scim.Errorf(scim.ErrInvalidValue, "stream %q: %s", s.Name, strings.Join(wrong, "; "))
	}
	return nil
}

// Problems tells everything that is wrong with a stream. Each begins with the key that it is
// about, as in "endpoint: ".
func Problems(s *Stream, issuer string) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if !nameText.MatchString(s.Name) {
		bad("name: %q is no name of a-z, 0-9 and -", s.Name)
	}
	if len(s.Events) > len(Kinds()) {
		bad("events: there are %d kinds, and it names %d", len(Kinds()), len(s.Events))
	}
	for _, kind := range s.Events[:min(len(s.Events), len(Kinds()))] {
		if !slices.Contains(Kinds(), kind) {
			bad("events: %q is none of %s", kind, strings.Join(Kinds(), ", "))
		}
	}
	switch s.Method {
	case Push, Webhook:
		if err := checkEndpoint(s.Endpoint); err != nil {
			bad("endpoint: %v", err)
		}
		if s.Client != "" {
			bad("client: it is for a stream that is polled")
		}
	case Poll:
		if s.Endpoint != "" {
			bad("endpoint: a stream that is polled has none")
		}
		if s.Authorization != "" {
			bad("authorization: a stream that is polled has none")
		}
	default:
		bad("method: %q is none of push, poll, webhook", s.Method)
	}
	wrong = append(wrong, signatureProblems(s, issuer)...)
	for name, text := range map[string]string{"authorization": string(s.Authorization), "secret": string(s.Secret), "client": s.Client,
		"audience": strings.Join(s.Audience, "")} {
		if len(text) > maxText || strings.ContainsAny(text, "\r\n\x00") {
			bad("%s: it is longer than %d bytes or has a line break", name, maxText)
		}
	}
	slices.Sort(wrong)
	return wrong
}

// signatureProblems are about what a stream's receiver knows its sender by.
func signatureProblems(s *Stream, issuer string) (wrong []string) {
	switch {
	case s.Method == Webhook:
		if _, err := webhookKey(s.Secret); err != nil {
			wrong = append(wrong, "secret: "+err.Error())
		}
		if len(s.Audience) > 0 {
			wrong = append(wrong, "audience: it is for SETs")
		}
	case s.Method == Push || s.Method == Poll:
		if issuer == "" {
			wrong = append(wrong, "method: SETs need an issuer: set events.issuer or server.base_url")
		}
		if len(s.Audience) == 0 || len(s.Audience) > maxAudience {
			wrong = append(wrong, fmt.Sprintf("audience: a stream of SETs names 1 to %d", maxAudience))
		}
		if s.Secret != "" {
			wrong = append(wrong, "secret: it is for webhooks: SETs are signed by the key at /.well-known/jwks.json")
		}
	}
	return wrong
}

// checkEndpoint judges a URL by itself; what its name resolves to is judged at each
// connection (guard.go). RFC 8935 §2 and §6 ask for TLS.
func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxText || err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it must be an absolute https URL")
	case u.User != nil || u.Fragment != "":
		return errors.New("it must have no user and no fragment: use authorization")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("it must be https: plain http is for this machine alone")
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}
