package events

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// world is a real store and a clock that stands still until a test moves it.
type world struct {
	*testing.T
	ctx   context.Context
	store *store.Store
	ws    *store.Workspace

	mu    sync.Mutex // guards now: handlers read it
	clock time.Time
	log   strings.Builder
	ids   map[string]string // of SETs that were polled, by what they begin with
}

const issuer = "https://scim.example.com"

func newWorld(t *testing.T, keep uint64) *world {
	t.Helper()
	b, err := boltdb.Open(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	w := &world{T: t, store: store.New(store.Config{Backend: b, FeedKeep: keep}), clock: time.Now(), ids: map[string]string{}}
	w.ctx = scim.WithActor(t.Context(), &scim.Actor{Kind: "operator", ID: "test", All: true, RequestID: "req-1"})
	if w.ws, err = w.store.Workspace(w.ctx, "default"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

type feed struct{ *store.Workspace }

func (feed) Endpoint(_ context.Context, typ string) (string, error) { return "/" + typ + "s", nil }

// transmitter is one more replica on the same store.
func (w *world) transmitter(change ...func(*Config)) *Transmitter {
	w.Helper()
	c := Config{
		Feed: func(ctx context.Context, name string) (Feed, error) {
			ws, err := w.store.Workspace(ctx, name)
			return feed{ws}, err
		},
		State: w.store.State(), Issuer: issuer, AllowNetworks: prefixes("127.0.0.0/8", "::1/128"), Now: w.now,
		Interval: 10 * time.Millisecond, Holder: "test", Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	t, err := New(c)
	if err != nil {
		w.Fatal(err)
	}
	return t
}

// create makes a stream in the default workspace.
func (w *world) create(t *Transmitter, s Stream) *View {
	w.Helper()
	s.Workspace = "default"
	if s.Method != Webhook && s.Audience == nil {
		s.Audience = []string{"https://receiver.example.com"}
	}
	v, secret, err := t.Create(w.ctx, NewStream{Stream: s})
	if err != nil {
		w.Fatalf("Create(%s) = %v", s.Name, err)
	}
	v.Secret = secret
	return v
}

func (w *world) commit(c *scim.Commit) *scim.Stored {
	w.Helper()
	done, err := w.ws.Commit(w.ctx, c)
	if err != nil {
		w.Fatalf("Commit(%s) = %v", c.Ref, err)
	}
	return done.Stored
}

func (w *world) user(name string, attrs map[string]any) *scim.Stored {
	w.Helper()
	r := &scim.Resource{Attributes: map[string]any{"userName": name}}
	r.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
	for k, v := range attrs {
		r.Attributes[k] = v
	}
	return w.commit(&scim.Commit{Ref: r.Ref, Put: r})
}

func (w *world) users(n int) {
	w.Helper()
	commits := make([]*scim.Commit, n)
	for i := range commits {
		r := &scim.Resource{Attributes: map[string]any{"userName": scim.NewID()}}
		r.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
		commits[i] = &scim.Commit{Ref: r.Ref, Put: r}
	}
	for _, res := range w.ws.CommitMany(w.ctx, commits) {
		if res.Err != nil {
			w.Fatal(res.Err)
		}
	}
}

func (w *world) set(old *scim.Stored, name string, value any) *scim.Stored {
	w.Helper()
	r, err := old.Resource()
	if err != nil {
		w.Fatal(err)
	}
	r.Attributes[name] = value
	return w.commit(&scim.Commit{Ref: old.Ref, Expect: old.Version, Old: old, Put: r})
}

// step runs a step that must not fail.
func (w *world) step(t *Transmitter, name string) time.Duration {
	w.Helper()
	wait, err := w.tryStep(w.ctx, t, name)
	if err != nil {
		w.Fatalf("step(%s) = %v", name, err)
	}
	return wait
}

func (w *world) tryStep(ctx context.Context, t *Transmitter, name string) (time.Duration, error) {
	w.Helper()
	s, err := t.find(w.ctx, "default", name)
	if err != nil {
		w.Fatal(err)
	}
	return t.step(ctx, s)
}

func (w *world) status(t *Transmitter, name string) Status {
	w.Helper()
	v, err := t.Show(w.ctx, "default", name)
	if err != nil {
		w.Fatalf("Show(%s) = %v", name, err)
	}
	return v.Status
}

// receiver is a real HTTP server that takes deliveries.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	got    []received
	answer func(n int, w http.ResponseWriter) // of the n-th delivery, from 0; nil for 202
}

type received struct {
	header http.Header
	body   string
}

func receive(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		n, answer := len(r.got), r.answer
		r.got = append(r.got, received{header: req.Header, body: string(body)})
		r.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		answer(n, w)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) deliveries() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *receiver) answers(f func(n int, w http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func always(status int) func(int, http.ResponseWriter) {
	return func(_ int, w http.ResponseWriter) { w.WriteHeader(status) }
}

// set is a SET, verified.
type set struct {
	Iss    string                    `json:"iss"`
	Aud    []string                  `json:"aud"`
	Iat    int64                     `json:"iat"`
	JTI    string                    `json:"jti"`
	Txn    string                    `json:"txn"`
	Toe    int64                     `json:"toe"`
	Sub    *string                   `json:"sub"`
	Exp    *int64                    `json:"exp"`
	SubID  map[string]string         `json:"sub_id"`
	Events map[string]map[string]any `json:"events"`
}

// verify checks the signature of a SET by the keys that t serves.
func verify(t *testing.T, tr *Transmitter, text string) set {
	t.Helper()
	rec := httptest.NewRecorder()
	tr.JWKS(rec, httptest.NewRequest(http.MethodGet, "/.well-known/jwks.json", nil))
	if strings.Contains(rec.Body.String(), `"d"`) {
		t.Fatal("the JWKS holds a private key")
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(rec.Body.Bytes(), &keys); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("the SET %q: %v", text, err)
	}
	if typ := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; typ != "secevent+jwt" {
		t.Errorf("typ = %v, want secevent+jwt", typ)
	}
	payload, err := signed.Verify(keys)
	if err != nil {
		t.Fatalf("the signature of a SET: %v", err)
	}
	var s set
	if err := json.Unmarshal(payload, &s); err != nil {
		t.Fatal(err)
	}
	if s.Iss != issuer || s.Sub != nil || s.Exp != nil || s.Txn == "" || s.Toe == 0 || s.Iat == 0 || s.SubID["format"] != "scim" {
		t.Errorf("claims = %s, want iss %s, txn, toe, iat, a sub_id of format scim, and neither sub nor exp", payload, issuer)
	}
	return s
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
