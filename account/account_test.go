package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/scim"
)

// fakeKV is a scim.KV in memory.
type fakeKV struct {
	mu         sync.Mutex // guards data
	data       map[string][]byte
	gets, puts int
}

func (k *fakeKV) Get(_ context.Context, key string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gets++
	v, ok := k.data[key]
	if !ok {
		return nil, scim.ErrNotFound
	}
	return v, nil
}

func (k *fakeKV) Put(_ context.Context, key string, value, old []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.puts++
	if old != nil && !bytes.Equal(k.data[key], old) {
		return scim.ErrVersionMismatch
	}
	k.data[key] = value
	return nil
}

func (k *fakeKV) Delete(_ context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.data, key)
	return nil
}

func (k *fakeKV) Scan(_ context.Context, fn func(string, []byte) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(k.data)) {
		if err := fn(key, k.data[key]); err != nil {
			return err
		}
	}
	return nil
}

// fakeState keeps tokens in kv, and all else beside it.
type fakeState struct {
	kv     *fakeKV
	others map[string]*fakeKV
}

func (s fakeState) KV(space string) scim.KV {
	if space == "tokens" {
		return s.kv
	}
	if s.others[space] == nil {
		s.others[space] = &fakeKV{data: map[string][]byte{}}
	}
	return s.others[space]
}

func (s fakeState) Lock(context.Context, string, string, time.Duration) (scim.Lock, error) {
	return nil, scim.ErrLocked
}

// fakeStore remembers what reached it.
type fakeStore struct{ calls []string }

func (s *fakeStore) saw(what string) { s.calls = append(s.calls, what) }
func (s *fakeStore) Get(context.Context, scim.Ref, scim.With) (*scim.Stored, error) {
	s.saw("get")
	return &scim.Stored{}, nil
}
func (s *fakeStore) Lookup(context.Context, string, string, string, scim.With) (*scim.Stored, error) {
	s.saw("lookup")
	return &scim.Stored{}, nil
}
func (s *fakeStore) Query(context.Context, *scim.Query) (*scim.Page, error) {
	s.saw("query")
	return &scim.Page{}, nil
}
func (s *fakeStore) Commit(_ context.Context, c *scim.Commit) (*scim.Committed, error) {
	s.saw("commit " + c.Ref.String())
	return &scim.Committed{}, nil
}
func (s *fakeStore) CommitMany(ctx context.Context, cs []*scim.Commit) []scim.CommitResult {
	out := make([]scim.CommitResult, len(cs))
	for i, c := range cs {
		out[i].Committed, out[i].Err = s.Commit(ctx, c)
	}
	return out
}
func (s *fakeStore) Members(context.Context, scim.Ref, scim.Ref) iter.Seq2[scim.Ref, error] {
	s.saw("members")
	return func(func(scim.Ref, error) bool) {}
}
func (s *fakeStore) Owned(context.Context, string, string) iter.Seq2[scim.Owned, error] {
	s.saw("owned")
	return func(func(scim.Owned, error) bool) {}
}
func (s *fakeStore) Changes(context.Context, scim.Version, int) ([]scim.Change, error) {
	s.saw("changes")
	return nil, nil
}

func (s *fakeStore) Images(_ context.Context, versions []scim.Version) ([]scim.Images, error) {
	s.saw("images")
	images := make([]scim.Images, len(versions))
	for i, v := range versions {
		old := &scim.Resource{Attributes: map[string]any{"userName": "a", "password": "hash", "urn:gone": map[string]any{"x": "y"}}}
		old.Type = "User"
		images[i] = scim.Images{Version: v, Kept: true, Old: old}
	}
	return images, nil
}

type bench struct {
	*Directory
	kv    *fakeKV
	state fakeState
	store *fakeStore
	now   time.Time
}

func newBench(t testing.TB, clients ...Client) *bench {
	t.Helper()
	b := &bench{kv: &fakeKV{data: map[string][]byte{}}, store: &fakeStore{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.state = fakeState{b.kv, map[string]*fakeKV{}}
	d, err := New(Config{
		Open: func(_ context.Context, name string) (scim.Store, error) {
			if name != "default" && name != "other" {
				return nil, scim.ErrNotFound
			}
			return b.store, nil
		},
		State:   b.state,
		Clients: clients,
		Now:     func() time.Time { return b.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Directory = d
	return b
}

func as(a *scim.Actor) context.Context { return scim.WithActor(context.Background(), a) }

var operator = &scim.Actor{Kind: "operator", ID: "cli", All: true}

func TestTokenLifecycle(t *testing.T) {
	b := newBench(t)
	tok, text, err := b.CreateToken(as(operator), NewToken{Name: "okta", Workspace: "default", Client: "okta"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "rc_"+tok.ID+"_") {
		t.Errorf("token %q does not start with its id %q", text, tok.ID)
	}
	a, err := b.Authenticate(context.Background(), text)
	if err != nil {
		t.Fatal(err)
	}
	if a.Workspace != "default" || a.Owner() != "client:okta" || !a.Can(UsersCreate) || a.Can(TokensManage) {
		t.Errorf("actor = %+v", a)
	}
	for _, v := range b.kv.data {
		if bytes.Contains(v, []byte(text)) || bytes.Contains(v, []byte(text[15:])) {
			t.Error("the token's secret is kept")
		}
	}
	list, err := b.Tokens(as(operator))
	if err != nil || len(list) != 1 || list[0].LastUsed.IsZero() {
		t.Errorf("Tokens() = %+v, %v; want one, used", list, err)
	}
	if err := b.RevokeToken(as(operator), tok.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authenticate(context.Background(), text); !errors.Is(err, scim.ErrUnauthenticated) {
		t.Errorf("after revocation: %v, want ErrUnauthenticated", err)
	}
	if err := b.RevokeToken(as(operator), tok.ID); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("second revocation: %v, want ErrNotFound", err)
	}
}

func TestTokenRevokedElsewhereDiesWithinHalfASecond(t *testing.T) {
	b := newBench(t)
	tok, text, err := b.CreateToken(as(operator), NewToken{Name: "x", Workspace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authenticate(context.Background(), text); err != nil {
		t.Fatal(err)
	}
	gets := b.kv.gets
	for range 100 {
		if _, err := b.Authenticate(context.Background(), text); err != nil {
			t.Fatal(err)
		}
	}
	if b.kv.gets != gets {
		t.Errorf("a fresh token was read %d times more", b.kv.gets-gets)
	}
	b.kv.Delete(context.Background(), tok.ID)
	b.now = b.now.Add(cacheTime)
	if _, err := b.Authenticate(context.Background(), text); !errors.Is(err, scim.ErrUnauthenticated) {
		t.Errorf("err = %v, want ErrUnauthenticated", err)
	}
	if len(b.kv.data) != 0 {
		t.Error("noting the last use brought a revoked token back")
	}
}

func TestTokenExpires(t *testing.T) {
	b := newBench(t)
	_, text, err := b.CreateToken(as(operator), NewToken{Name: "x", Workspace: "default", Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Hour - time.Second)
	if _, err := b.Authenticate(context.Background(), text); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	b.now = b.now.Add(time.Second)
	if _, err := b.Authenticate(context.Background(), text); !errors.Is(err, scim.ErrUnauthenticated) {
		t.Errorf("at its end: %v, want ErrUnauthenticated", err)
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	b := newBench(t)
	_, text, err := b.CreateToken(as(operator), NewToken{Name: "x", Workspace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Bootstrap(context.Background(), strings.Repeat("b", 32)); err != nil {
		t.Fatal(err)
	}
	for name, bearer := range map[string]string{
		"empty":          "",
		"short":          "rc_",
		"no id":          "rc__" + strings.Repeat("0", secretLen+crcLen),
		"unknown id":     mintToken("0123456789"),
		"secret cut":     text[:len(text)-1],
		"one wrong":      text[:20] + "!" + text[21:],
		"bootstrap's id": mintToken(bootstrapID),
		"near bootstrap": strings.Repeat("b", 31) + "c",
		"huge":           strings.Repeat("b", 1<<20),
	} {
		if _, err := b.Authenticate(context.Background(), bearer); !errors.Is(err, scim.ErrUnauthenticated) {
			t.Errorf("%s: err = %v, want ErrUnauthenticated", name, err)
		}
	}
}

func TestBootstrap(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	minted, err := b.Bootstrap(ctx, "")
	if err != nil || minted == "" {
		t.Fatalf("Bootstrap() = %q, %v; want a token", minted, err)
	}
	if again, err := b.Bootstrap(ctx, ""); again != "" || err != nil {
		t.Errorf("second Bootstrap() = %q, %v; want nothing", again, err)
	}
	a, err := b.Authenticate(ctx, minted)
	if err != nil || a.Kind != "bootstrap" || a.Workspace != "" || !a.Can(WorkspacesManage) || a.Owner() != "" {
		t.Fatalf("actor = %+v, %v", a, err)
	}
	chosen := "any string of 32 characters or more"
	if shown, err := b.Bootstrap(ctx, chosen); shown != "" || err != nil {
		t.Errorf("a chosen token is shown: %q, %v", shown, err)
	}
	if _, err := b.Authenticate(ctx, chosen); err != nil {
		t.Errorf("chosen token: %v", err)
	}
	if _, err := b.Authenticate(ctx, minted); !errors.Is(err, scim.ErrUnauthenticated) {
		t.Errorf("replaced token: %v, want ErrUnauthenticated", err)
	}
	if _, err := b.Bootstrap(ctx, "too short"); !errors.Is(err, scim.ErrInvalidValue) {
		t.Errorf("short token: %v, want ErrInvalidValue", err)
	}
}

func TestTokenRights(t *testing.T) {
	b := newBench(t)
	manager := &scim.Actor{Kind: "token", ID: "m", Workspace: "default",
		Permissions: map[scim.Permission]bool{TokensManage: true, UsersRead: true}}
	tests := map[string]struct {
		actor *scim.Actor
		ask   NewToken
		want  error
	}{
		"what it holds":      {manager, NewToken{Name: "n", Workspace: "default", Scopes: []scim.Permission{UsersRead}}, nil},
		"more than it holds": {manager, NewToken{Name: "n", Workspace: "default", Scopes: []scim.Permission{UsersDelete}}, scim.ErrForbidden},
		"other workspace":    {manager, NewToken{Name: "n", Workspace: "other", Scopes: []scim.Permission{UsersRead}}, scim.ErrNotFound},
		"no right":           {&scim.Actor{Workspace: "default"}, NewToken{Name: "n", Workspace: "default"}, scim.ErrForbidden},
		"nobody":             {nil, NewToken{Name: "n", Workspace: "default"}, scim.ErrUnauthenticated},
		"unknown workspace":  {operator, NewToken{Name: "n", Workspace: "nowhere"}, scim.ErrNotFound},
		"unknown scope":      {operator, NewToken{Name: "n", Workspace: "default", Scopes: []scim.Permission{"users:*"}}, scim.ErrInvalidValue},
		"no scope":           {operator, NewToken{Name: "n", Workspace: "default", Scopes: []scim.Permission{}}, scim.ErrInvalidValue},
		"no name":            {operator, NewToken{Workspace: "default"}, scim.ErrInvalidValue},
		"for ever":           {operator, NewToken{Name: "n", Workspace: "default", Life: MaxTokenLife + 1}, scim.ErrInvalidValue},
	}
	for name, tt := range tests {
		if _, _, err := b.CreateToken(as(tt.actor), tt.ask); !errors.Is(err, tt.want) {
			t.Errorf("%s: err = %v, want %v", name, err, tt.want)
		}
	}
}

func TestWorkspaceAsksForRights(t *testing.T) {
	user, group := scim.Ref{Type: "User", ID: "u"}, scim.Ref{Type: "Group", ID: "g"}
	do := map[string]func(context.Context, *Workspace) error{
		"get user":  func(c context.Context, w *Workspace) error { _, err := w.Get(c, user, scim.With{}); return err },
		"get group": func(c context.Context, w *Workspace) error { _, err := w.Get(c, group, scim.With{}); return err },
		"lookup user": func(c context.Context, w *Workspace) error {
			_, err := w.Lookup(c, "User", "userName", "x", scim.With{})
			return err
		},
		"query both": func(c context.Context, w *Workspace) error {
			_, err := w.Query(c, &scim.Query{Types: []string{"User", "Group"}})
			return err
		},
		"create user": func(c context.Context, w *Workspace) error {
			_, err := w.Commit(c, &scim.Commit{Ref: user, Put: &scim.Resource{}})
			return err
		},
		"update user": func(c context.Context, w *Workspace) error {
			_, err := w.Commit(c, &scim.Commit{Ref: user, Expect: 3})
			return err
		},
		"delete user": func(c context.Context, w *Workspace) error {
			_, err := w.Commit(c, &scim.Commit{Ref: user, Expect: 3, Delete: true})
			return err
		},
		"add member": func(c context.Context, w *Workspace) error {
			_, err := w.Commit(c, &scim.Commit{Ref: group, Expect: scim.MustExist})
			return err
		},
		"many": func(c context.Context, w *Workspace) error {
			return w.CommitMany(c, []*scim.Commit{{Ref: user, Expect: 3}})[0].Err
		},
		"members": func(c context.Context, w *Workspace) error { return first(w.Members(c, group, scim.Ref{})) },
		"owned":   func(c context.Context, w *Workspace) error { return first(w.Owned(c, "source:x", "User")) },
		"changes": func(c context.Context, w *Workspace) error { _, err := w.Changes(c, 0, 1); return err },
		"images": func(c context.Context, w *Workspace) error {
			images, err := w.Images(c, []scim.Version{1})
			if err == nil && (len(images) != 1 || len(images[0].Old.Attributes) != 1) {
				return fmt.Errorf("Images() = %v, want what is returned alone", images)
			}
			return err
		},
	}
	needs := map[string][]scim.Permission{
		"get user": {UsersRead}, "get group": {GroupsRead}, "lookup user": {UsersList}, "query both": {UsersList, GroupsRead},
		"create user": {UsersCreate}, "update user": {UsersUpdate}, "delete user": {UsersDelete}, "add member": {GroupsUpdate},
		"many": {UsersUpdate}, "members": {GroupsRead}, "owned": {UsersList}, "changes": {AuditRead}, "images": {AuditRead},
	}
	for name, call := range do {
		b := newBench(t)
		w, err := b.Workspace(context.Background(), "default")
		if err != nil {
			t.Fatal(err)
		}
		all := map[scim.Permission]bool{}
		for _, p := range Permissions() {
			all[p] = !slices.Contains(needs[name], p)
		}
		enough := map[scim.Permission]bool{}
		for _, p := range needs[name] {
			enough[p] = true
		}
		cases := []struct {
			who   string
			actor *scim.Actor
			want  error
		}{
			{"everything but the right", &scim.Actor{Permissions: all}, scim.ErrForbidden},
			{"another workspace", &scim.Actor{Workspace: "other", All: true}, scim.ErrNotFound},
			{"nobody", nil, scim.ErrUnauthenticated},
			{"the right alone", &scim.Actor{Workspace: "default", Permissions: enough}, nil},
		}
		for _, c := range cases {
			b.store.calls = nil
			err := call(as(c.actor), w)
			if !errors.Is(err, c.want) {
				t.Errorf("%s by %s: err = %v, want %v", name, c.who, err, c.want)
			}
			if reached := len(b.store.calls) > 0; reached != (c.want == nil) {
				t.Errorf("%s by %s: reached the store: %v", name, c.who, b.store.calls)
			}
		}
	}
}

func first[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		return err
	}
	return nil
}

func TestOwnerIsWhoCreates(t *testing.T) {
	b := newBench(t)
	w, err := b.Workspace(context.Background(), "default")
	if err != nil {
		t.Fatal(err)
	}
	put := &scim.Resource{Header: scim.Header{Owner: "source:forged"}}
	ctx := as(&scim.Actor{Kind: "token", Client: "okta", All: true})
	if _, err := w.Commit(ctx, &scim.Commit{Ref: scim.Ref{Type: "User", ID: "u"}, Put: put}); err != nil {
		t.Fatal(err)
	}
	if put.Owner != "client:okta" {
		t.Errorf("owner = %q, want client:okta", put.Owner)
	}
	old := &scim.Stored{Header: scim.Header{Owner: "source:corp"}, Body: []byte("{}")}
	if _, err := w.Commit(ctx, &scim.Commit{Ref: scim.Ref{Type: "User", ID: "u"}, Expect: 3, Old: old, Put: put}); err != nil {
		t.Fatal(err)
	}
	if put.Owner != "source:corp" {
		t.Errorf("owner after an update = %q, want source:corp", put.Owner)
	}
}
