package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

func TestManage(t *testing.T) {
	w := newWorld(t, 0)
	configured := Stream{Name: "conf", Workspace: "default", Method: Poll, Audience: []string{"x"}}
	tr := w.transmitter(func(c *Config) { c.Streams = []Stream{configured} })
	w.users(3)
	v := w.create(tr, Stream{Name: "a", Method: Push, Endpoint: "https://example.com/a", Authorization: "Bearer topsecret"})
	if !v.HasAuthorization || v.Status.Position != 3 {
		t.Errorf("Create() = %+v, want authorization and position 3", v)
	}
	_, _, err := tr.Create(w.ctx, NewStream{Stream: v.Stream})
	wantError(t, "Create() twice", err, scim.ErrUniqueness)
	_, _, err = tr.Create(w.ctx, NewStream{Stream: Stream{Name: "conf", Workspace: "default", Method: Poll, Audience: []string{"x"}}})
	wantError(t, "Create() of a configured one", err, scim.ErrUniqueness)
	_, _, err = tr.Create(w.ctx, NewStream{Stream: Stream{Name: "x", Workspace: "nowhere", Method: Poll, Audience: []string{"x"}}})
	wantError(t, "Create() in no workspace", err, scim.ErrNotFound)

	list, err := tr.List(w.ctx, "default")
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "conf" || !list[1].Configured {
		t.Errorf("List() = %+v, %v", list, err)
	}
	if text, err := json.Marshal(list); err != nil || strings.Contains(string(text), "topsecret") {
		t.Errorf("a list shows a secret: %s, %v", text, err)
	}
	paused, endpoint := true, "http://example.com"
	v, err = tr.Update(w.ctx, "default", "a", Patch{Paused: &paused})
	if err != nil || v.Status.State != "paused" || !v.HasAuthorization {
		t.Errorf("Update() = %+v, %v, want paused", v, err)
	}
	_, err = tr.Update(w.ctx, "default", "a", Patch{Endpoint: &endpoint})
	wantError(t, "Update() to plain http", err, scim.ErrInvalidValue)
	_, err = tr.Update(w.ctx, "default", "conf", Patch{Paused: &paused})
	wantError(t, "Update() of a configured one", err, scim.ErrForbidden)
	wantError(t, "Delete() of a configured one", tr.Delete(w.ctx, "default", "conf"), scim.ErrForbidden)
	wantError(t, "Delete()", tr.Delete(w.ctx, "default", "a"), nil)
	_, err = tr.Show(w.ctx, "default", "a")
	wantError(t, "Show() of a deleted one", err, scim.ErrNotFound)
	w.users(1)
	if v := w.create(tr, Stream{Name: "a", Method: Poll}); v.Status.Position != 4 {
		t.Errorf("position of a new stream of an old name = %d, want 4", v.Status.Position)
	}
	from := scim.Version(2)
	v, _, err = tr.Create(w.ctx, NewStream{From: &from, Stream: Stream{Name: "b", Workspace: "default", Method: Poll, Audience: []string{"x"}}})
	if err != nil || v.Status.Position != 1 {
		t.Errorf("Create(from 2) = %+v, %v", v, err)
	}
}

func TestManageRights(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	pollStream(w, tr)
	calls := map[string]func(ctx context.Context) error{
		"Create": func(ctx context.Context) error {
			_, _, err := tr.Create(ctx, NewStream{Stream: Stream{Name: "x", Workspace: "default", Method: Poll, Audience: []string{"x"}}})
			return err
		},
		"List":   func(ctx context.Context) error { _, err := tr.List(ctx, "default"); return err },
		"Show":   func(ctx context.Context) error { _, err := tr.Show(ctx, "default", "p"); return err },
		"Update": func(ctx context.Context) error { _, err := tr.Update(ctx, "default", "p", Patch{}); return err },
		"Delete": func(ctx context.Context) error { return tr.Delete(ctx, "default", "p") },
		"Replay": func(ctx context.Context) error { _, err := tr.Replay(ctx, "default", "p", nil); return err },
		"Try":    func(ctx context.Context) error { _, err := tr.Try(ctx, "default", "p"); return err },
	}
	weak := scim.WithActor(t.Context(), &scim.Actor{Workspace: "default", Permissions: map[scim.Permission]bool{account.AuditRead: true, account.UsersCreate: true}})
	other := scim.WithActor(t.Context(), &scim.Actor{Workspace: "other", All: true})
	for name, call := range calls {
		wantError(t, name+" by nobody", call(t.Context()), scim.ErrUnauthenticated)
		wantError(t, name+" without the right", call(weak), scim.ErrForbidden)
		wantError(t, name+" from another workspace", call(other), scim.ErrNotFound)
	}
	wantError(t, "RotateKeys() by one workspace", tr.RotateKeys(other), scim.ErrForbidden)
}

func TestProblems(t *testing.T) {
	good := Stream{Name: "a", Workspace: "default", Method: Push, Endpoint: "https://example.com", Audience: []string{"x"}}
	for _, c := range []struct {
		name   string
		change func(*Stream)
		issuer string
		want   string
	}{
		{"good", func(*Stream) {}, issuer, ""},
		{"no issuer", func(*Stream) {}, "", "method: SETs need an issuer"},
		{"no audience", func(s *Stream) { s.Audience = nil }, issuer, "audience: "},
		{"unknown event", func(s *Stream) { s.Events = []string{"created"} }, issuer, "events: "},
		{"unknown method", func(s *Stream) { s.Method = "mail" }, issuer, "method: "},
		{"a name with a slash", func(s *Stream) { s.Name = "a/b" }, issuer, "name: "},
		{"a poll with an endpoint", func(s *Stream) { s.Method = Poll }, issuer, "endpoint: "},
		{"a push with a client", func(s *Stream) { s.Client = "x" }, issuer, "client: "},
		{"a push with a secret", func(s *Stream) { s.Secret = "x" }, issuer, "secret: "},
		{"a header in a header", func(s *Stream) { s.Authorization = "a\r\nb: c" }, issuer, "authorization: "},
		{"a webhook without a secret", func(s *Stream) { s.Method, s.Audience = Webhook, nil }, "", "secret: it must have 24 bytes"},
		{"a webhook with a secret that is no base64", func(s *Stream) { s.Method, s.Audience, s.Secret = Webhook, nil, "whsec_%" }, "", "secret: "},
	} {
		s := good
		c.change(&s)
		got := strings.Join(Problems(&s, c.issuer), "; ")
		if (c.want == "") != (got == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: Problems() = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestKeyRotation(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	kid := func(tr *Transmitter) string {
		t.Helper()
		key, err := tr.keys.signer(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return key.KeyID
	}
	shown := func() int {
		t.Helper()
		ring, _, err := tr.keys.load(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(ring)
	}
	want(t, "keys before the first use", shown(), 0)
	first := kid(tr)
	want(t, "key of another replica", kid(w.transmitter()), first)
	if err := tr.RotateKeys(w.ctx); err != nil {
		t.Fatal(err)
	}
	want(t, "keys shown", shown(), 2)
	want(t, "key right after a rotation, which no receiver can know", kid(tr), first)
	w.pass(showBefore)
	second := kid(tr)
	if second == first {
		t.Error("the old key still signs an hour after a rotation")
	}
	want(t, "keys shown, the old one among them", shown(), 2)
	w.pass(keyLife + time.Minute)
	kid(tr)
	w.pass(showBefore + time.Minute)
	if third := kid(tr); third == second || third == first {
		t.Error("a key signs for ever")
	}
	want(t, "keys shown, without the first", shown(), 2)
}

func TestCorruptState(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	pollStream(w, tr)
	if err := w.store.State().KV("events.keys").Put(w.ctx, signingKeys, []byte(`{"d":"private"`), nil); err != nil {
		t.Fatal(err)
	}
	w.users(1)
	_, err := tr.Poll(w.ctx, "default", "p", &PollRequest{ReturnImmediately: true})
	if !errors.Is(err, scim.ErrCorrupt) || strings.Contains(err.Error(), "private") {
		t.Errorf("Poll() = %v, want corrupt and no word of the key", err)
	}
}

// Who may change a stream does not thereby learn what it signs in with elsewhere.
func TestAuthorizationStaysWithItsServer(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: "https://example.com/a", Authorization: "Bearer topsecret"})
	elsewhere, path, none := "https://evil.example/a", "https://Example.com/b", ""
	_, err := tr.Update(w.ctx, "default", "a", Patch{Endpoint: &elsewhere})
	wantError(t, "Update(endpoint) to another server", err, scim.ErrInvalidValue)
	v, err := tr.Update(w.ctx, "default", "a", Patch{Endpoint: &path})
	if err != nil || v.Endpoint != path || !v.HasAuthorization {
		t.Errorf("Update(endpoint) on the same server = %+v, %v", v, err)
	}
	v, err = tr.Update(w.ctx, "default", "a", Patch{Endpoint: &elsewhere, Authorization: &none})
	if err != nil || v.Endpoint != elsewhere || v.HasAuthorization {
		t.Errorf("Update(endpoint, authorization) = %+v, %v", v, err)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	w := newWorld(t, 0)
	var configured []Stream
	for i := range maxStreams {
		configured = append(configured, Stream{Name: fmt.Sprintf("s%d", i), Workspace: "default", Method: Poll, Audience: []string{"x"}})
	}
	tr := w.transmitter(func(c *Config) { c.Streams = configured })
	_, _, err := tr.Create(w.ctx, NewStream{Stream: Stream{Name: "more", Workspace: "default", Method: Poll, Audience: []string{"x"}}})
	wantError(t, "Create() of one too many", err, scim.ErrInvalidValue)
}
