package events

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// View is a stream as the API shows it: what it is and how it does, without its secrets.
type View struct {
	Stream
	HasAuthorization bool   `json:"hasAuthorization,omitempty"`
	Status           Status `json:"status"`
}

// Status is how a stream does.
type Status struct {
	State        string       `json:"state"` // ok, failing, paused; gap until a replay
	Position     scim.Version `json:"position"`
	Newest       scim.Version `json:"newest"` // in the feed
	FailingSince time.Time    `json:"failingSince,omitzero"`
	NextTry      time.Time    `json:"nextTry,omitzero"`
	LastError    string       `json:"lastError,omitempty"`
	LastDelivery time.Time    `json:"lastDelivery,omitzero"`
	Gap          *Gap         `json:"gap,omitempty"`
	DeadLetters  []Dead       `json:"deadLetters,omitempty"`
}

// may asks for a right in a workspace.
func (t *Transmitter) may(ctx context.Context, workspace string, p scim.Permission) error {
	a := scim.ActorFrom(ctx)
	switch {
	case a == nil:
		return scim.Errorf(scim.ErrUnauthenticated, "no credentials were given")
	case a.Workspace != "" && a.Workspace != workspace:
		return scim.Errorf(scim.ErrNotFound, "workspace %q does not exist", workspace)
	case !a.Can(p):
		return scim.Errorf(scim.ErrForbidden, "this needs the permission %s", p)
	}
	return nil
}

// List shows the streams of a workspace.
func (t *Transmitter) List(ctx context.Context, workspace string) ([]*View, error) {
	if err := t.may(ctx, workspace, account.SettingsRead); err != nil {
		return nil, err
	}
	all, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	views := []*View{}
	for _, s := range all {
		if s.Workspace != workspace {
			continue
		}
		v, err := t.view(ctx, s)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// Show shows one stream.
func (t *Transmitter) Show(ctx context.Context, workspace, name string) (*View, error) {
	if err := t.may(ctx, workspace, account.SettingsRead); err != nil {
		return nil, err
	}
	s, err := t.find(ctx, workspace, name)
	if err != nil {
		return nil, err
	}
	return t.view(ctx, s)
}

func (t *Transmitter) view(ctx context.Context, s *Stream) (*View, error) {
	feed, err := t.Feed(ctx, s.Workspace)
	if err != nil {
		return nil, err
	}
	span, err := feed.Span(ctx)
	if err != nil {
		return nil, err
	}
	p, _, err := t.progressOf(ctx, s)
	if err != nil {
		return nil, err
	}
	v := &View{Stream: *s, HasAuthorization: s.Authorization != "", Status: Status{
		State: "ok", Position: p.Position, Newest: span.Newest, FailingSince: p.FailingSince, NextTry: p.NextTry,
		LastError: p.LastError, LastDelivery: p.LastDelivery, Gap: p.Gap,
	}}
	switch {
	case p.Gap != nil, p.Position+1 < span.Oldest:
		v.Status.State = "gap"
	case s.Paused:
		v.Status.State = "paused"
	case p.Attempts > 0:
		v.Status.State = "failing"
	}
	v.Status.DeadLetters, err = t.dead(ctx, s)
	return v, err
}

// NewStream is what is asked for when a stream is made.
type NewStream struct {
	Stream
	From *scim.Version // the first change to tell of; nil for what changes from now on
}

// Create makes a stream. For a webhook without a secret it makes one, and returns it: this is the
// only time that it can be seen.
func (t *Transmitter) Create(ctx context.Context, n NewStream) (*View, Secret, error) {
	s := n.Stream
	if err := t.may(ctx, s.Workspace, account.SettingsManage); err != nil {
		return nil, "", err
	}
	if _, err := t.Feed(ctx, s.Workspace); err != nil {
		return nil, "", err
	}
	var minted Secret
	if s.Method == Webhook && s.Secret == "" {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails
		minted = Secret(secretPrefix + base64.StdEncoding.EncodeToString(b[:]))
		s.Secret = minted
	}
	s.Configured, s.Created = false, t.Now().UTC().Truncate(time.Second)
	if err := t.validate(&s); err != nil {
		return nil, "", err
	}
	taken := scim.Errorf(scim.ErrUniqueness, "there is a stream %q already", s.Name)
	if _, err := t.find(ctx, s.Workspace, s.Name); !errors.Is(err, scim.ErrNotFound) {
		return nil, "", errors.Join(err, taken)
	}
	if err := t.roomFor(ctx, s.Workspace); err != nil {
		return nil, "", err
	}
	// What a stream of that name left behind would be taken for the new one's.
	if err := t.forget(ctx, &s); err != nil {
		return nil, "", err
	}
	if err := t.begin(ctx, &s, n.From); err != nil {
		return nil, "", err
	}
	err := t.put(ctx, &s, []byte{})
	if errors.Is(err, scim.ErrVersionMismatch) {
		return nil, "", taken
	}
	if err != nil {
		return nil, "", err
	}
	v, err := t.view(ctx, &s)
	return v, minted, err
}

// maxStreams bounds the streams of a workspace: each of them is work in every second.
const maxStreams = 100

// roomFor refuses one stream too many.
func (t *Transmitter) roomFor(ctx context.Context, workspace string) error {
	all, err := t.all(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, s := range all {
		if s.Workspace == workspace {
			n++
		}
	}
	if n >= maxStreams {
		return scim.Errorf(scim.ErrInvalidValue, "the workspace has %d streams already, as many as it may have", n)
	}
	return nil
}

// Patch is a change of a stream: nil leaves a value as it is.
type Patch struct {
	Endpoint      *string   `json:"endpoint"`
	Audience      *[]string `json:"audience"`
	Events        *[]string `json:"events"`
	Client        *string   `json:"client"`
	Paused        *bool     `json:"paused"`
	Authorization *string   `json:"authorization"`
	Secret        *string   `json:"secret"`
}

// Update changes a stream that was made by Create.
func (t *Transmitter) Update(ctx context.Context, workspace, name string, p Patch) (*View, error) {
	s, old, err := t.mine(ctx, workspace, name)
	if err != nil {
		return nil, err
	}
	if p.Endpoint != nil && p.Authorization == nil && s.Authorization != "" && !sameHost(s.Endpoint, *p.Endpoint) {
		return nil, scim.Errorf(scim.ErrInvalidValue,
			"endpoint: it is another server, and authorization is for the one before: send authorization too, \"\" for none")
	}
	assign(&s.Endpoint, p.Endpoint)
	assign(&s.Audience, p.Audience)
	assign(&s.Events, p.Events)
	assign(&s.Client, p.Client)
	assign(&s.Paused, p.Paused)
	assign(&s.Authorization, (*Secret)(p.Authorization))
	assign(&s.Secret, (*Secret)(p.Secret))
	if err := t.validate(s); err != nil {
		return nil, err
	}
	if err := t.put(ctx, s, old); err != nil {
		return nil, err
	}
	return t.view(ctx, s)
}

// sameHost tells whether two URLs lead to one server. A secret that is kept for the one must not be
// sent to another by who changes the URL, and does not know it.
func sameHost(a, b string) bool {
	from, err := url.Parse(a)
	to, err2 := url.Parse(b)
	return err == nil && err2 == nil && from.Scheme == to.Scheme && strings.EqualFold(from.Host, to.Host)
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// mine finds a stored stream that the actor may change, with its text.
func (t *Transmitter) mine(ctx context.Context, workspace, name string) (*Stream, []byte, error) {
	if err := t.may(ctx, workspace, account.SettingsManage); err != nil {
		return nil, nil, err
	}
	s, err := t.find(ctx, workspace, name)
	if err != nil {
		return nil, nil, err
	}
	if s.Configured {
		return nil, nil, scim.Errorf(scim.ErrForbidden, "the stream %s is in the configuration: change it there", name)
	}
	value, err := t.definitions().Get(ctx, s.key())
	if err != nil {
		return nil, nil, err
	}
	s, err = decodeStream(name, value)
	return s, value, err
}

// Delete ends a stream.
func (t *Transmitter) Delete(ctx context.Context, workspace, name string) error {
	s, _, err := t.mine(ctx, workspace, name)
	if err != nil {
		return err
	}
	if err := t.definitions().Delete(ctx, s.key()); err != nil {
		return err
	}
	return t.forget(ctx, s)
}

func (t *Transmitter) forget(ctx context.Context, s *Stream) error {
	return errors.Join(t.exhume(ctx, s, 0), t.positions().Delete(ctx, s.key()))
}

// Replay puts a stream back to the change from, or to its oldest dead letter, and delivers
// everything from there on again: a change by itself, later than what came behind it, would be
// out of order. It clears a gap.
func (t *Transmitter) Replay(ctx context.Context, workspace, name string, from *scim.Version) (*View, error) {
	if err := t.may(ctx, workspace, account.SettingsManage); err != nil {
		return nil, err
	}
	s, err := t.find(ctx, workspace, name)
	if err != nil {
		return nil, err
	}
	feed, err := t.Feed(ctx, workspace)
	if err != nil {
		return nil, err
	}
	span, err := feed.Span(ctx)
	if err != nil {
		return nil, err
	}
	if from == nil {
		all, err := t.dead(ctx, s)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, scim.Errorf(scim.ErrInvalidValue, "the stream %s has no dead letters: say from which change on to replay", name)
		}
		oldest := max(all[0].From, span.Oldest)
		from = &oldest
	}
	if err := inSpan(*from, span); err != nil {
		return nil, err
	}
	for range 20 {
		p, old, err := t.progressOf(ctx, s)
		if err != nil {
			return nil, err
		}
		_, err = t.save(ctx, s, &progress{Position: *from - 1, LastDelivery: p.LastDelivery}, old)
		if errors.Is(err, scim.ErrVersionMismatch) {
			continue // a delivery was noted meanwhile
		}
		if err != nil {
			return nil, err
		}
		if err := t.exhume(ctx, s, *from); err != nil {
			return nil, err
		}
		return t.view(ctx, s)
	}
	return nil, scim.Errorf(scim.ErrUnavailable, "the stream %s moves on too fast: pause it", name)
}

// Test is what came of a test of a stream.
type Test struct {
	Delivered bool   `json:"delivered"`
	Reason    string `json:"reason,omitempty"`
}

// verification is the event of OpenID Shared Signals that a receiver knows for a test.
const verification = "https://schemas.openid.net/secevent/ssf/event-type/verification"

// Try sends something at once that tells of no change, so that an operator sees whether the
// receiver takes it.
func (t *Transmitter) Try(ctx context.Context, workspace, name string) (*Test, error) {
	if err := t.may(ctx, workspace, account.SettingsManage); err != nil {
		return nil, err
	}
	s, err := t.find(ctx, workspace, name)
	if err != nil {
		return nil, err
	}
	id := workspace + ".test." + scim.NewID()
	var body []byte
	switch s.Method {
	case Webhook:
		body, err = json.Marshal(hook{Type: "test", Timestamp: t.Now().UTC(), Data: hookData{Workspace: workspace}})
	case Push:
		var set string
		set, err = t.keys.sign(ctx, map[string]any{
			"iss": t.Issuer, "aud": s.Audience, "iat": t.Now().Unix(), "jti": id,
			"sub_id": map[string]any{"format": "opaque", "id": name},
			"events": map[string]any{verification: map[string]any{"state": id}},
		})
		body = []byte(set)
	default:
		return nil, scim.Errorf(scim.ErrInvalidValue, "the stream %s is polled: there is nowhere to send a test", name)
	}
	if err != nil {
		return nil, fmt.Errorf("events: test of %s: %w", s.key(), err)
	}
	out := t.post(ctx, s, id, body)
	return &Test{Delivered: out.ok, Reason: out.reason}, nil
}

// RotateKeys makes a new signing key. It is shown at once and signs an hour later. The keys are
// those of all workspaces.
func (t *Transmitter) RotateKeys(ctx context.Context) error {
	a := scim.ActorFrom(ctx)
	if err := t.may(ctx, "", account.SettingsManage); err != nil {
		return scim.Errorf(scim.ErrForbidden, "the signing keys are for all workspaces: this needs settings:manage in all of them")
	}
	t.log.InfoContext(ctx, "the signing keys of events are rotated", "actor", a.Kind+":"+a.ID)
	return t.keys.rotate(ctx)
}
