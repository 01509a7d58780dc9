package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/internal/audit"
	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
	"rollcall/store/redisdb"
)

// opener opens an empty backend, another one each time.
type opener func(t *testing.T) store.Backend

// onBackends runs a test on the embedded store and on a real Redis.
func onBackends(t *testing.T, test func(t *testing.T, open opener)) {
	t.Run("bolt", func(t *testing.T) {
		test(t, func(t *testing.T) store.Backend {
			b, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			return b
		})
	})
	t.Run("redis", func(t *testing.T) {
		server := testserver.StartRedis(t, "--appendfsync", "no", "--databases", "100")
		db := 0
		test(t, func(t *testing.T) store.Backend {
			b, err := redisdb.Open(t.Context(), redisdb.Config{Addr: server.Addr(), DB: db})
			if err != nil {
				t.Fatal(err)
			}
			db++
			t.Cleanup(func() { b.Close() })
			return b
		})
	})
}

// trail is a workspace with an audit.
type trail struct {
	*testing.T
	ctx     context.Context
	backend store.Backend
	ws      *store.Workspace
	store   *store.Store
	log     *audit.Log
	dir     string         // of the keyring
	ahead   *time.Duration // of the clock
	keep    time.Duration
	feed    uint64
}

func newTrail(t *testing.T, b store.Backend, dir string, change ...func(*trail)) *trail {
	tr := &trail{T: t, backend: b, dir: dir, ahead: new(time.Duration), feed: store.DefaultFeedKeep}
	for _, c := range change {
		c(tr)
	}
	tr.ctx = scim.WithActor(t.Context(), &scim.Actor{Kind: "user", ID: "boss", RequestID: "req-1", Client: "okta", By: "user:chief", All: true})
	tr.store = store.New(store.Config{Backend: b, FeedKeep: tr.feed, ImageKeep: int(tr.feed)})
	var err error
	if tr.ws, err = tr.store.Workspace(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	tr.log = tr.another()
	return tr
}

// another is the audit of the same store in another process.
func (tr *trail) another() *audit.Log {
	keyring := filepath.Join(tr.dir, "audit.json")
	l, err := audit.New(audit.Config{
		Open: func(ctx context.Context, name string) (audit.Store, error) {
			if name == account.SystemAudit {
				return nothing{tr.store.State()}, nil
			}
			return tr.store.Workspace(ctx, name)
		},
		Workspaces: func(context.Context) ([]string, error) { return []string{"default"}, nil },
		Keys:       account.NewKeyring(keyring, "audit.keyring"), Heads: keyring + ".heads", Keep: tr.keep, FeedKeep: tr.feed, ImageKeep: tr.feed,
		Model: func(string) *scim.Model { return scim.DefaultModel() },
		Now:   func() time.Time { return time.Now().Add(*tr.ahead) },
	})
	if err != nil {
		tr.Fatal(err)
	}
	return l
}

type nothing struct{ scim.State }

func (nothing) Evidence(context.Context, scim.Version, int) ([]store.Evidence, scim.Version, error) {
	return nil, 0, nil
}

func (tr *trail) user(name string) *scim.Stored {
	tr.Helper()
	r := &scim.Resource{Attributes: map[string]any{"userName": name, "nickName": "nick of " + name}}
	r.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
	done, err := tr.ws.Commit(tr.ctx, &scim.Commit{Ref: r.Ref, Put: r})
	if err != nil {
		tr.Fatal(err)
	}
	return done.Stored
}

func (tr *trail) event(typ string, subject scim.Ref) {
	tr.Helper()
	err := tr.log.Record(tr.ctx, "default", account.AuditEvent{Type: typ, Subject: subject, Detail: map[string]any{"n": 1}, Personal: map[string]string{"address": "192.0.2.77"}})
	if err != nil {
		tr.Fatal(err)
	}
}

func (tr *trail) verify() *audit.Report {
	tr.Helper()
	r, err := tr.log.Verify(tr.ctx, "default", 0)
	if err != nil {
		tr.Fatalf("Verify() = %v", err)
	}
	return r
}

func (tr *trail) whole() *audit.Report {
	tr.Helper()
	r := tr.verify()
	for _, f := range r.Findings {
		tr.Errorf("Verify() found %v", f)
	}
	return r
}

func (tr *trail) lines(filter string) []audit.Line {
	tr.Helper()
	q := audit.Query{Count: 7}
	if filter != "" {
		f, err := scim.ParseFilter(filter)
		if err != nil {
			tr.Fatal(err)
		}
		q.Filter = f
	}
	var all []audit.Line
	for {
		page, err := tr.log.List(tr.ctx, "default", q)
		if err != nil {
			tr.Fatalf("List(%s) = %v", filter, err)
		}
		all = append(all, page.Lines...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

// fill makes four blocks of changes and events, and returns a user of each kind.
func (tr *trail) fill() (changed, deleted *scim.Stored) {
	tr.Helper()
	changed, deleted = tr.user("changed"), tr.user("deleted")
	tr.event("login.ok", changed.Ref)
	tr.whole()
	for i := range 10 {
		tr.user(fmt.Sprint("u", i))
	}
	old, err := changed.Resource()
	if err != nil {
		tr.Fatal(err)
	}
	put := old.Clone()
	put.Attributes["nickName"] = "another"
	done, err := tr.ws.Commit(tr.ctx, &scim.Commit{Ref: changed.Ref, Expect: changed.Version, Old: changed, Put: put})
	if err != nil {
		tr.Fatal(err)
	}
	changed = done.Stored
	tr.whole()
	tr.event("login.failed", deleted.Ref)
	tr.event("settings.changed", scim.Ref{})
	tr.whole()
	if _, err := tr.ws.Commit(tr.ctx, &scim.Commit{Ref: deleted.Ref, Expect: deleted.Version, Old: deleted, Delete: true}); err != nil {
		tr.Fatal(err)
	}
	tr.event("logout", changed.Ref)
	if r := tr.whole(); r.Blocks != 4 || r.Changes != 14 || r.Events != 4 {
		tr.Fatalf("report = %+v, want 4 blocks, 14 changes, 4 events", r)
	}
	return changed, deleted
}

// tampered is the trail after somebody who can write to the store has changed what is in it.
func (tr *trail) tampered(b store.Backend, change func([]store.Item) []store.Item) *trail {
	tr.Helper()
	for _, ws := range []string{"sys", "default"} {
		var items []store.Item
		if err := tr.backend.Dump(tr.ctx, ws, func(some []store.Item) error { items = append(items, some...); return nil }); err != nil {
			tr.Fatal(err)
		}
		if ws == "default" {
			items = change(items)
		}
		if err := b.Load(tr.ctx, ws, items); err != nil {
			tr.Fatal(err)
		}
	}
	dir := tr.TempDir() // what is noted there stays as it was
	copyFiles(tr.T, tr.dir, dir)
	return newTrail(tr.T, b, dir)
}

// block is the text of a block among items.
func onBlock(n int, change func(map[string]json.RawMessage)) func([]store.Item) []store.Item {
	return on(store.ItemValue, fmt.Sprintf("b%016d", n), func(i *store.Item) {
		var b map[string]json.RawMessage
		if json.Unmarshal(i.Value, &b) != nil {
			panic("no block")
		}
		change(b)
		i.Value, _ = json.Marshal(b)
	})
}

// on changes one item: of a change or its images by number, of a block by its key.
func on(kind store.ItemKind, name string, change func(*store.Item)) func([]store.Item) []store.Item {
	return func(items []store.Item) []store.Item {
		found := false
		for i := range items {
			if is(&items[i], kind, name) {
				change(&items[i])
				found = true
			}
		}
		if !found {
			panic(fmt.Sprintf("there is no %c %s", kind, name))
		}
		return items
	}
}

func without(kind store.ItemKind, names ...string) func([]store.Item) []store.Item {
	return func(items []store.Item) []store.Item {
		var kept []store.Item
		for i := range items {
			gone := false
			for _, name := range names {
				gone = gone || is(&items[i], kind, name)
			}
			if !gone {
				kept = append(kept, items[i])
			}
		}
		if len(kept) == len(items) {
			panic("nothing was removed")
		}
		return kept
	}
}

func is(i *store.Item, kind store.ItemKind, name string) bool {
	if i.Kind != kind {
		return false
	}
	if kind == store.ItemValue {
		return i.Key == "audit" && i.Sub == name
	}
	return i.Key == name
}

func row(number, from, to string) func([]store.Item) []store.Item {
	return on(store.ItemChange, number, func(i *store.Item) {
		if !strings.Contains(string(i.Value), from) {
			panic("the change has no " + from)
		}
		i.Value = []byte(strings.Replace(string(i.Value), from, to, 1))
	})
}

func event(b map[string]json.RawMessage, change func(line map[string]json.RawMessage)) {
	var lines []map[string]json.RawMessage
	_ = json.Unmarshal(b["l"], &lines)
	change(lines[0])
	b["l"], _ = json.Marshal(lines)
}

// tamperings are ways to make the audit tell something else, each by somebody who can write to the store
// and has no key.
var tamperings = map[string]func([]store.Item) []store.Item{
	"who made a change":         row("5", "user:boss", "user:eve!"),
	"who acted as them":         row("5", "user:chief", "user:eve!!"),
	"the client of a change":    row("5", `"c":"okta"`, `"c":"evil"`),
	"the request of a change":   row("5", "req-1", "req-2"),
	"what was done":             row("14", `"delete"`, `"update"`),
	"the time of a change":      on(store.ItemChange, "5", func(i *store.Item) { i.Value = []byte(strings.Replace(string(i.Value), `"t":1`, `"t":2`, 1)) }),
	"which attributes changed":  on(store.ItemChange, "13", func(i *store.Item) { i.Value = []byte(strings.Replace(string(i.Value), `"d":"`, `"d":"title `, 1)) }),
	"what was before and after": on(store.ItemImages, "13", func(i *store.Item) { i.Value[len(i.Value)-1] ^= 1 }),
	"a change is removed":       without(store.ItemChange, "6"),
	"the newest changes":        without(store.ItemChange, "13", "14"),
	"the oldest changes":        without(store.ItemChange, "1", "2"),
	"images are removed":        without(store.ItemImages, "13"),
	"two changes change places": swapChanges,
	"the root of a block": onBlock(2, func(b map[string]json.RawMessage) {
		b["h"] = []byte(strings.Replace(string(b["h"]), `"root":"`, `"root":"AA`, 1))
	}),
	"how many changes are kept": onBlock(4, func(b map[string]json.RawMessage) {
		b["h"] = []byte(strings.Replace(string(b["h"]), `"keep":1000000`, `"keep":1`, 1))
	}),
	"a block is removed": without(store.ItemValue, "b0000000000000002"),
	"the newest block":   without(store.ItemValue, "b0000000000000004"),
	"the newest blocks and the head": func(items []store.Item) []store.Item {
		return on(store.ItemValue, "head", func(i *store.Item) { i.Value = []byte("2") })(without(store.ItemValue, "b0000000000000003", "b0000000000000004")(items))
	},
	"every block":              without(store.ItemValue, "b0000000000000001", "b0000000000000002", "b0000000000000003", "b0000000000000004", "head"),
	"the oldest block":         without(store.ItemValue, "b0000000000000001"),
	"two blocks change places": swapBlocks,
	"what happened": onBlock(3, func(b map[string]json.RawMessage) {
		event(b, func(l map[string]json.RawMessage) {
			l["b"] = []byte(strings.Replace(string(l["b"]), `"n":1`, `"n":2`, 1))
		})
	}),
	"where a login came from": onBlock(3, func(b map[string]json.RawMessage) {
		event(b, func(l map[string]json.RawMessage) { l["v"] = []byte(`{"address":"192.0.2.78"}`) })
	}),
	"where it came from is taken away": onBlock(3, func(b map[string]json.RawMessage) {
		event(b, func(l map[string]json.RawMessage) { delete(l, "v"); delete(l, "s") })
	}),
	"an event is removed": onBlock(3, func(b map[string]json.RawMessage) {
		var l []json.RawMessage
		_ = json.Unmarshal(b["l"], &l)
		b["l"], _ = json.Marshal(l[1:])
	}),
}

func swapChanges(items []store.Item) []store.Item {
	var five, six []byte
	on(store.ItemChange, "5", func(i *store.Item) { five = i.Value })(items)
	on(store.ItemChange, "6", func(i *store.Item) { six, i.Value = i.Value, five })(items)
	return on(store.ItemChange, "5", func(i *store.Item) { i.Value = six })(items)
}

func swapBlocks(items []store.Item) []store.Item {
	var two, three []byte
	on(store.ItemValue, "b0000000000000002", func(i *store.Item) { two = i.Value })(items)
	on(store.ItemValue, "b0000000000000003", func(i *store.Item) { three, i.Value = i.Value, two })(items)
	return on(store.ItemValue, "b0000000000000002", func(i *store.Item) { i.Value = three })(items)
}

// TestVerifyFindsTampering plants each way to tamper with the audit, and holds that it is found; and that
// a copy of the store is as good as the store.
func TestVerifyFindsTampering(t *testing.T) {
	onBackends(t, func(t *testing.T, open opener) {
		tr := newTrail(t, open(t), t.TempDir())
		tr.fill()
		tr.tampered(open(t), func(items []store.Item) []store.Item { return items }).whole()
		for name, tamper := range tamperings {
			t.Run(name, func(t *testing.T) {
				from := *tr
				from.T = t
				if r := from.tampered(open(t), tamper).verify(); len(r.Findings) == 0 {
					t.Errorf("it is not found: %+v", r)
				} else {
					t.Log(r.Findings[0])
				}
			})
		}
	})
}

// TestWithoutTheKey: a keyring that is another one proves nothing, and seals nothing.
func TestWithoutTheKey(t *testing.T) {
	onBackends(t, func(t *testing.T, open opener) {
		tr := newTrail(t, open(t), t.TempDir())
		tr.fill()
		other := newTrail(t, tr.backend, t.TempDir())
		if r := other.verify(); len(r.Findings) != 4 || !strings.Contains(r.Findings[0].What, "keyring") {
			t.Errorf("Verify() with another keyring = %+v", r)
		}
		other.user("new")
		if _, err := other.log.List(other.ctx, "default", audit.Query{Count: 1}); err == nil {
			t.Error("a chain was gone on with whose key is not there")
		}
		if r := tr.whole(); r.Changes != 15 {
			t.Errorf("the change is not sealed by who has the key: %+v", r)
		}
	})
}

func TestKeysAreRotated(t *testing.T) {
	onBackends(t, func(t *testing.T, open opener) {
		tr := newTrail(t, open(t), t.TempDir())
		tr.fill()
		for i := range 3 {
			if _, err := tr.log.Keys.Add(time.Now()); err != nil {
				t.Fatal(err)
			}
			tr.user(fmt.Sprint("after", i))
			tr.whole()
		}
	})
}

// TestListAndFilter reads the audit page by page.
func TestListAndFilter(t *testing.T) {
	onBackends(t, func(t *testing.T, open opener) {
		tr := newTrail(t, open(t), t.TempDir())
		changed, deleted := tr.fill()
		all := tr.lines("")
		if len(all) != 18 || all[len(all)-1].Version != 1 {
			t.Fatalf("%d lines, the last %+v; want 18, the last that of change 1", len(all), all[len(all)-1])
		}
		for filter, want := range map[string]int{
			`type eq "user.create"`: 12, `type eq "user.update"`: 1, `type sw "login."`: 2, `subject eq "` + changed.ID + `"`: 4,
			`subject eq "` + deleted.ID + `" and type eq "user.delete"`: 1, `actor eq "user:boss" and by eq "user:chief"`: 18, `actor eq "user:eve"`: 0,
			`client eq "okta" and requestId eq "req-1"`: 18, `attributes eq "nickName" and type eq "user.update"`: 1, `address pr`: 4,
			`at gt "2020-01-01T00:00:00Z" and not (subjectType eq "User")`: 1, `at gt "2120-01-01T00:00:00Z"`: 0,
		} {
			if got := len(tr.lines(filter)); got != want {
				t.Errorf("%d lines match %s, want %d", got, filter, want)
			}
		}
		update := tr.lines(`type eq "user.update"`)[0]
		if len(update.Changes) != 1 || update.Changes[0] != (audit.Changed{Attribute: "nickName", Before: "nick of changed", After: "another"}) {
			t.Errorf("the change = %+v", update.Changes)
		}
		f, _ := scim.ParseFilter(`nothing eq "x"`)
		if _, err := tr.log.List(tr.ctx, "default", audit.Query{Filter: f, Count: 1}); err == nil {
			t.Error("a filter over an attribute that there is not is taken")
		}
	})
}

// TestTrimmedFeed: what the feed and the audit keep no more is no damage.
func TestTrimmedFeed(t *testing.T) {
	onBackends(t, func(t *testing.T, open opener) {
		const keep = 200
		tr := newTrail(t, open(t), t.TempDir(), func(tr *trail) { tr.feed, tr.keep = keep, time.Hour })
		for i := range 900 {
			tr.user(fmt.Sprint("u", i))
			if i%90 == 0 {
				tr.whole()
			}
		}
		tr.event("login.ok", scim.Ref{})
		r := tr.whole()
		if r.Changes != 900 || r.Trimmed < 300 {
			t.Errorf("report = %+v, want 900 changes, of which 300 or more were trimmed", r)
		}
		if n := len(tr.lines("")); n < keep || n > 600 {
			t.Errorf("%d lines, want those that the feed has", n)
		}
		*tr.ahead = 2 * time.Hour
		tr.log = tr.another()
		last := tr.user("last")
		after := tr.whole()
		tr.log = tr.another() // the anchor is what it goes on from
		again := tr.whole()
		if after.From != r.Blocks+1 || again.From != r.Blocks+1 || again.Blocks != 1 {
			t.Errorf("from %d, then %d with %d blocks: the old ones were not removed", after.From, again.From, again.Blocks)
		}
		if lines := tr.lines(""); len(lines) != 1 || lines[0].Subject.ID != last.ID {
			t.Errorf("lines = %v", lines)
		}
		spoilt := tr.tampered(open(t), on(store.ItemValue, "anchor", func(i *store.Item) {
			i.Value = []byte(strings.Replace(string(i.Value), `"n":`, `"n":1`, 1))
		}))
		if r := spoilt.verify(); len(r.Findings) == 0 {
			t.Error("an anchor that was changed is not found")
		}
	})
}

// TestErase takes what is personal of one person out of the audit, and nothing else.
func TestErase(t *testing.T) {
	onBackends(t, func(t *testing.T, open opener) {
		tr := newTrail(t, open(t), t.TempDir())
		changed, deleted := tr.fill()
		tr.event("login.ok", changed.Ref) // waits in the inbox
		if err := tr.log.Record(tr.ctx, "default", account.AuditEvent{Type: audit.EventErased, Subject: changed.Ref}); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.ws.DropImages(tr.ctx, changed.Ref); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := tr.log.Erase(tr.ctx, "default", changed.Ref); err != nil {
				t.Fatal(err)
			}
		}
		if r := tr.whole(); r.Erased == 0 {
			t.Errorf("report = %+v, want some erased", r)
		}
		for _, l := range tr.lines("") {
			mine := l.Subject != nil && l.Subject.ID == changed.ID
			if l.Erased != mine || mine && l.Address != "" {
				t.Errorf("line %+v: erased is %v, want %v", l, l.Erased, mine)
			}
			for _, c := range l.Changes {
				if mine && (c.Before != nil || c.After != nil) {
					t.Errorf("line %+v still tells values", l)
				}
			}
		}
		if n := len(tr.lines(`subject eq "` + deleted.ID + `" and address pr`)); n != 1 {
			t.Errorf("%d events of somebody else have an address, want 1", n)
		}
		// Who takes somebody's images away without that, is found.
		if _, err := tr.ws.DropImages(tr.ctx, deleted.Ref); err != nil {
			t.Fatal(err)
		}
		if r := tr.verify(); len(r.Findings) == 0 {
			t.Error("images that were removed are not found")
		}
		if err := tr.log.Erase(tr.ctx, "default", deleted.Ref); err != nil {
			t.Fatal(err)
		}
		if r := tr.verify(); len(r.Findings) == 0 {
			t.Error("salts that were removed without an erasure are not found")
		}
	})
}

// TestSealersTakeTurns has several processes seal one chain, each of which may stop anywhere.
func TestSealersTakeTurns(t *testing.T) {
	onBackends(t, func(t *testing.T, open opener) {
		tr := newTrail(t, open(t), t.TempDir())
		var wait sync.WaitGroup
		rounds := testserver.Rounds(12, 200)
		for r := range rounds {
			ctx, stop := context.WithCancel(tr.ctx)
			for range 3 {
				l := tr.another()
				wait.Go(func() { l.Run(ctx) })
				wait.Go(func() { _, _ = l.List(ctx, "default", audit.Query{Count: 1}) })
			}
			for i := range 5 {
				u := tr.user(fmt.Sprintf("u%d-%d", r, i))
				tr.event("login.ok", u.Ref)
			}
			stop()
			wait.Wait()
		}
		r := tr.whole()
		if r.Changes != rounds*5 || r.Events != rounds*5 || r.Unsealed != 0 {
			t.Errorf("report = %+v, want %d changes and as many events", r, rounds*5)
		}
		seen := map[string]bool{}
		for _, l := range tr.lines("") {
			if seen[l.ID] {
				t.Errorf("line %s is there twice", l.ID)
			}
			seen[l.ID] = true
		}
	})
}
