package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
	"rollcall/store/redisdb"
)

// onBoth runs a test on each backend.
func onBoth(t *testing.T, run func(t *testing.T, b store.Backend)) {
	t.Run("bolt", func(t *testing.T) {
		b, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		run(t, b)
	})
	t.Run("redis", func(t *testing.T) { run(t, openRedis(t, testserver.StartRedis(t, "--appendfsync", "no"))) })
}

func openRedis(t *testing.T, server *testserver.Redis) *redisdb.Backend {
	b, err := redisdb.Open(t.Context(), redisdb.Config{Addr: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// replica is a store of its own on a backend, as another process has it.
func replica(t testing.TB, c store.Config, ws string) *store.Workspace {
	t.Helper()
	s := store.New(c)
	w, err := s.Workspace(t.Context(), ws)
	if errors.Is(err, scim.ErrNotFound) {
		w, err = s.CreateWorkspace(t.Context(), ws)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestIndexAgreesWithScan makes random commits, and asks an index that follows them the same
// as a scan of all records.
func TestIndexAgreesWithScan(t *testing.T) {
	steps := testserver.Rounds(2000, 100_000)
	onBoth(t, func(t *testing.T, b store.Backend) {
		n, done := 0, 0
		for done < steps {
			rapid.Check(t, func(rt *rapid.T) {
				if done >= steps {
					return
				}
				n++
				ws, c := fmt.Sprint("w", n), store.Config{Backend: b, Model: indexedModel}
				m := &indexModel{T: rt, ctx: t.Context(), writer: replica(t, c, ws), index: replica(t, c, ws), scan: replica(t, c, ws)}
				m.scan.UseScan()
				for range rapid.IntRange(1, 80).Draw(rt, "steps") {
					m.step()
					done++
				}
				m.same(&scim.Query{Types: []string{"User"}, Count: 10}) // all before may have been look-ups
				if !m.index.Indexed() {
					rt.Fatal("lists were answered without an index")
				}
			})
			if t.Failed() {
				return
			}
		}
	})
}

const hrURN = "urn:example:params:scim:schemas:hr:1.0:User"

// markedModel is a model in which a schema marks attributes of every kind as indexed, and the
// workspace some that others define.
var markedModel = sync.OnceValue(func() *scim.Model {
	hr, err := scim.ParseSchema([]byte(`{"id":"` + hrURN + `","attributes":[
		{"name":"badge","caseExact":true,"indexed":true}, {"name":"grade","type":"integer","indexed":true},
		{"name":"weight","type":"decimal","indexed":true}, {"name":"cleared","type":"boolean","indexed":true},
		{"name":"hired","type":"dateTime","indexed":true}, {"name":"tags","multiValued":true,"indexed":true},
		{"name":"desks","type":"complex","multiValued":true,"indexed":true,"subAttributes":[{"name":"value"},{"name":"type"}]}]}`))
	if err != nil {
		panic(err)
	}
	custom := scim.Custom{Schemas: []scim.CustomSchema{{Definition: hr}}, Indexed: map[string][]string{"User": {"title", "phoneNumbers", "department"}}}
	model, err := custom.Model()
	if err != nil {
		panic(err)
	}
	return model
})

func indexedModel(context.Context, string) (*scim.Model, error) { return markedModel(), nil }

// indexModel is one workspace: written by one replica, read by two.
type indexModel struct {
	*rapid.T
	ctx                 context.Context
	writer, index, scan *store.Workspace
	refs                []scim.Ref
	next                int
}

var (
	someNames  = []string{"ada", "Ada", "ADÁ", "bob", "BOB.x", "Straße", "zoë", "a", "", strings.Repeat("long ", 60), strings.Repeat("Long ", 60) + "x"}
	someEmails = []string{"ada@example.com", "ADA@example.com", "bob@example.org", "é@example.com", "x"}
)

func draw[T any](m *indexModel, what string, from ...T) T {
	return rapid.SampledFrom(from).Draw(m.T, what)
}

func (m *indexModel) step() {
	switch kind := rapid.IntRange(0, 9).Draw(m.T, "kind"); {
	case kind < 3 || len(m.refs) == 0:
		m.create()
	case kind == 3:
		m.change(func(r *scim.Resource, old *scim.Stored) *scim.Commit {
			m.refs = slices.DeleteFunc(m.refs, func(ref scim.Ref) bool { return ref == r.Ref })
			return &scim.Commit{Ref: r.Ref, Expect: old.Version, Old: old, Delete: true}
		})
	case kind == 4 && rapid.Bool().Draw(m.T, "move"):
		m.change(func(r *scim.Resource, old *scim.Stored) *scim.Commit {
			if r.Type != "Group" {
				return &scim.Commit{Ref: r.Ref, Expect: old.Version, Old: old, Put: r}
			}
			edge := scim.EdgeChange{Member: draw(m, "member", m.refs...), Remove: rapid.Bool().Draw(m.T, "remove")}
			return &scim.Commit{Ref: r.Ref, Expect: old.Version, Old: old, Edges: []scim.EdgeChange{edge}}
		})
	case kind == 4:
		m.change(func(r *scim.Resource, old *scim.Stored) *scim.Commit {
			m.fill(r)
			return &scim.Commit{Ref: r.Ref, Expect: old.Version, Old: old, Put: r}
		})
	default:
		m.compare()
	}
}

func (m *indexModel) create() {
	m.next++
	r := &scim.Resource{Attributes: map[string]any{}}
	r.Ref = scim.Ref{Type: draw(m, "type", "User", "User", "User", "Group"), ID: scim.NewID()}
	if rapid.IntRange(0, 5).Draw(m.T, "odd id") == 0 {
		r.ID = fmt.Sprint("id-", m.next)
	}
	r.Owner = "client:a"
	m.fill(r)
	c := &scim.Commit{Ref: r.Ref, Put: r}
	if r.Type == "Group" && len(m.refs) > 0 {
		c.Edges = []scim.EdgeChange{{Member: draw(m, "member", m.refs...)}}
	}
	if _, err := m.writer.Commit(m.ctx, c); err == nil {
		m.refs = append(m.refs, r.Ref)
	} else if !errors.Is(err, scim.ErrUniqueness) && !errors.Is(err, scim.ErrInvalidValue) {
		m.Fatalf("Commit(%s) = %v", r.Ref, err)
	}
}

// fill gives a resource random attributes, or takes them away.
func (m *indexModel) fill(r *scim.Resource) {
	m.next++
	name := func() string { return draw(m, "name", someNames...) }
	set := func(attr string, value any) {
		if r.Attributes[attr] = value; rapid.IntRange(0, 3).Draw(m.T, "none") == 0 {
			delete(r.Attributes, attr)
		}
	}
	if r.Type == "Group" {
		r.Attributes["displayName"] = fmt.Sprint(name(), m.next)
		return
	}
	r.Attributes["userName"] = fmt.Sprint(draw(m, "user", "ada", "Ada.", "bob", "Zoë", "x@"), m.next)
	r.ExternalID = draw(m, "external", "", fmt.Sprint("e", m.next), fmt.Sprint("E", m.next))
	set("displayName", name())
	set("name", map[string]any{"familyName": name(), "givenName": name()})
	set("title", name())
	set("userType", draw(m, "user type", "Employee", "employee", "Guest"))
	set("active", rapid.Bool().Draw(m.T, "active"))
	set("roles", []any{map[string]any{"value": draw(m, "role", "admin", "Admin", "user")}, map[string]any{"value": name(), "type": "x"}})
	set("phoneNumbers", []any{map[string]any{"value": draw(m, "phone", "+1", "+12", "x"), "type": draw(m, "kind", "work", "Home")}})
	set(scim.EnterpriseURN, map[string]any{"department": name(), "division": name()})
	set(hrURN, m.hr())
	var emails []any
	for range rapid.IntRange(0, 3).Draw(m.T, "emails") {
		e := map[string]any{"value": draw(m, "email", someEmails...)}
		if t := draw(m, "email type", "", "work", "Home"); t != "" {
			e["type"] = t
		}
		if rapid.IntRange(0, 2).Draw(m.T, "primary") == 0 && !slices.ContainsFunc(emails, func(v any) bool { return v.(map[string]any)["primary"] == true }) {
			e["primary"] = rapid.Bool().Draw(m.T, "is primary")
		}
		emails = append(emails, e)
	}
	if delete(r.Attributes, "emails"); len(emails) > 0 {
		r.Attributes["emails"] = emails
	}
}

// hr is what the schema with marked attributes knows of a person.
func (m *indexModel) hr() map[string]any {
	all := map[string]any{
		"badge": draw(m, "badge", "a", "A", "b-1", "é"), "grade": draw[any](m, "grade", int64(-3), int64(0), int64(7), int64(1)<<53, int64(1)<<53+1),
		"weight": draw[any](m, "weight", -0.5, 0.0, int64(2), 2.5), "cleared": rapid.Bool().Draw(m.T, "cleared"),
		"hired": draw(m, "hired", "2020-02-29T00:00:00Z", "2020-02-29T01:00:00+01:00", "2021-01-01T00:00:00.5Z"),
		"tags":  []any{draw(m, "tag", "Red", "red", "blue"), draw(m, "tag", "green", "é", "")},
		"desks": []any{map[string]any{"value": draw(m, "desk", "d1", "D1", "d2"), "type": "home"}, map[string]any{"type": draw(m, "at", "home", "work")}},
	}
	for name := range all {
		if rapid.IntRange(0, 2).Draw(m.T, "none of "+name) == 0 {
			delete(all, name)
		}
	}
	return all
}

// hrFilter is a random filter of what hr gives.
func (m *indexModel) hrFilter() string {
	order := draw(m, "order", "eq", "ne", "gt", "ge", "lt", "le")
	op := draw(m, "operator", order, "co", "sw", "ew")
	return hrURN + ":" + draw(m, "hr",
		fmt.Sprintf("badge %s %q", op, draw(m, "badge", "a", "A", "b", "é")),
		fmt.Sprintf("grade %s %s", order, draw(m, "grade", "0", "7", "6.5", "-3", "9007199254740992", "9007199254740993")),
		fmt.Sprintf("weight %s %s", order, draw(m, "weight", "0", "-0.0", "2", "2.5", "-1")),
		fmt.Sprintf("cleared %s %s", draw(m, "equal", "eq", "ne"), draw(m, "cleared", "true", "false")),
		fmt.Sprintf("hired %s %q", order, draw(m, "hired", "2020-02-29T00:00:00.000Z", "2021-01-01T00:00:00.500Z")), `hired co "2020"`,
		fmt.Sprintf("tags %s %q", op, draw(m, "tag", "red", "RED", "é", "e")), `tags[value eq "RED"]`, `tags[not (value sw "r")]`,
		fmt.Sprintf("desks.value %s %q", op, "d1"), `desks[type eq "home" and value eq "d1"]`, `desks[type eq "home"].value ne "d1"`, `desks pr`, `desks.type eq "work"`,
		draw(m, "has", "badge", "grade", "weight", "cleared", "hired", "tags", "desks.value")+draw(m, "any", " pr", " eq null", " ne null"))
}

// edgeFilter is a random filter that names a member or a group.
func (m *indexModel) edgeFilter(typ string) string {
	id := "nobody"
	if len(m.refs) > 0 {
		id = draw(m, "end", m.refs...).ID
	}
	if typ == "Group" {
		return draw(m, "edge", fmt.Sprintf("members.value eq %q", id), fmt.Sprintf("members[value eq %q]", id), fmt.Sprintf("not (members eq %q)", id), fmt.Sprintf("members.value ne %q", id))
	}
	return draw(m, "edge", fmt.Sprintf("groups.value eq %q", id), fmt.Sprintf("groups[value eq %q]", id), fmt.Sprintf("groups eq %q", id), fmt.Sprintf("groups.value sw %q", id),
		fmt.Sprintf("groups[value eq %q and type eq %q]", id, draw(m, "reach", "direct", "Indirect", "other")), fmt.Sprintf("groups[type eq %q].value eq %q", draw(m, "reach", "direct", "indirect"), id))
}

func (m *indexModel) change(to func(r *scim.Resource, old *scim.Stored) *scim.Commit) {
	ref := draw(m, "ref", m.refs...)
	old, err := m.writer.Get(m.ctx, ref, scim.With{})
	if err != nil {
		m.Fatalf("Get(%s) = %v", ref, err)
	}
	r, err := old.Resource()
	if err != nil {
		m.Fatal(err)
	}
	if _, err := m.writer.Commit(m.ctx, to(r, old)); err != nil && !errors.Is(err, scim.ErrUniqueness) && !errors.Is(err, scim.ErrInvalidValue) {
		m.Fatalf("Commit(%s) = %v", ref, err)
	}
}

// filter is a random filter of a type.
func (m *indexModel) filter(typ string, depth int) string {
	if depth > 0 && rapid.IntRange(0, 2).Draw(m.T, "deeper") > 0 {
		left, right := m.filter(typ, depth-1), m.filter(typ, depth-1)
		return draw(m, "op", "("+left+") and ("+right+")", "("+left+") or ("+right+")", "not ("+left+")")
	}
	attrs := []string{"userName", "displayName", "name.familyName", "name.givenName", "title", "userType", "emails", "emails.value", "externalId", "id", "emails.type",
		"roles", "roles.value", "roles.type", "phoneNumbers", "phoneNumbers.type", "department", "division"}
	if typ == "Group" {
		attrs = []string{"displayName", "displayName", "externalId", "id"}
	}
	op := draw(m, "operator", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
	text := draw(m, "text", "ada", "A", "bob", "straße", "STRASSE", "ö", "e", "x", "example.com", "Employee", "", "long ", strings.Repeat("long ", 60))
	plain := fmt.Sprintf("%s %s %q", draw(m, "attr", attrs...), op, text)
	if typ == "Group" {
		return draw(m, "leaf", plain, plain, plain, "displayName pr", "members pr", "id pr", m.edgeFilter(typ))
	}
	if typ == "User" && rapid.IntRange(0, 3).Draw(m.T, "of hr") == 0 {
		return draw(m, "leaf", m.hrFilter(), m.edgeFilter(typ))
	}
	return draw(m, "leaf", plain, plain, plain, plain,
		draw(m, "attr", attrs...)+" pr", draw(m, "attr", attrs...)+" eq null", "active eq true", "active ne true", "active eq false", "active pr",
		fmt.Sprintf(`meta.lastModified %s %q`, draw(m, "time", "gt", "ge", "lt", "le", "eq", "ne"), draw(m, "since", "2026-01-01T00:00:00Z", time.Now().UTC().Format(time.RFC3339Nano))),
		fmt.Sprintf(`emails[type eq "work" and value %s %q]`, op, text), `emails[primary eq true]`, `emails.primary ne true`, `roles[value eq "ADMIN"]`,
		fmt.Sprintf(`emails[not (type eq "home")].value %s %q`, op, text), `groups.display pr`)
}

// compare asks the index and the scan the same.
func (m *indexModel) compare() {
	typ := draw(m, "of", "User", "User", "User", "Group", "")
	q := &scim.Query{Types: []string{typ}, Start: rapid.IntRange(0, 9).Draw(m.T, "start"), Count: rapid.IntRange(0, 6).Draw(m.T, "count"), Descending: rapid.Bool().Draw(m.T, "descending")}
	if typ == "" {
		q.Types = []string{"User", "Group"}
	}
	if rapid.IntRange(0, 3).Draw(m.T, "filtered") > 0 {
		text := m.filter(typ, 2)
		filter, err := scim.ParseFilter(text)
		if err != nil {
			m.Fatalf("ParseFilter(%q) = %v", text, err)
		}
		q.Filter = filter
	}
	if sort := draw(m, "sort", "", "id", "userName", "displayName", "name.familyName", "externalId", "emails", "emails.value", "meta.lastModified", "title", "active",
		"department", "phoneNumbers", hrURN+":grade", hrURN+":weight", hrURN+":hired", hrURN+":cleared", hrURN+":tags", hrURN+":desks"); sort != "" && typ != "" {
		if path, err := markedModel().Type(typ).Find(sort); err == nil {
			q.SortBy = path
		}
	}
	for range 3 { // a page, and those behind and before it
		page := m.same(q)
		switch {
		case page.Next != nil && q.Before == nil:
			q.After = page.Next
		case page.Prev != nil:
			q.After, q.Before = nil, page.Prev
		default:
			return
		}
	}
}

func (m *indexModel) same(q *scim.Query) *scim.Page {
	got, err := m.index.Query(m.ctx, q)
	want, err2 := m.scan.Query(m.ctx, q)
	if (err == nil) != (err2 == nil) {
		m.Fatalf("Query(%v) = %v, the scan's %v", q.Filter, err, err2)
	}
	if err != nil {
		return &scim.Page{}
	}
	if g, w := text(got), text(want); g != w {
		filter := ""
		if q.Filter != nil {
			filter = q.Filter.String()
		}
		m.Fatalf("Query(%+v, filter %s) by the index:\n%s\nby the scan:\n%s", q, filter, g, w)
	}
	return got
}

// staleReads writes on one replica and lists on another, and counts lists that miss the write.
func staleReads(t *testing.T, write, read *store.Workspace, writers, rounds int) int64 {
	t.Helper()
	var stale atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				name := scim.NewID()
				r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: scim.NewID()}}, Attributes: map[string]any{"userName": name}}
				if _, err := write.Commit(t.Context(), &scim.Commit{Ref: r.Ref, Put: r}); err != nil {
					t.Error(err)
					return
				}
				filter, _ := scim.ParseFilter(`userName sw "` + name + `" and active eq true`)
				page, err := read.Query(t.Context(), &scim.Query{Types: []string{"User"}, Filter: filter, Count: 1})
				if err != nil {
					t.Error(err)
					return
				}
				if page.Total != 1 {
					stale.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return stale.Load()
}

func TestListsSeeEveryWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		a, other := replica(t, store.Config{Backend: b}, "w"), replica(t, store.Config{Backend: b}, "w")
		staleReads(t, a, other, 1, 1)
		if n := staleReads(t, a, other, 8, testserver.Rounds(60, 2000)); n != 0 {
			t.Errorf("%d lists missed a write that was confirmed before them", n)
		}
		if !other.Indexed() {
			t.Error("lists were answered without an index")
		}
		// The test itself: without the fence it must find stale lists.
		other.SkipFence()
		if n := staleReads(t, a, other, 2, 20); n == 0 {
			t.Error("lists without the fence missed no write: the test sees nothing")
		}
	})
}

func listed(t *testing.T, w *store.Workspace) (names []string) {
	t.Helper()
	filter, _ := scim.ParseFilter(`userName co ""`)
	page, err := w.Query(t.Context(), &scim.Query{Types: []string{"User"}, Filter: filter, Count: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range page.Resources {
		r, err := s.Resource()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r.UserName())
	}
	slices.Sort(names)
	return names
}

// flushAll empties a Redis.
func flushAll(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reply := make([]byte, 5)
	if _, err := fmt.Fprint(conn, "FLUSHALL\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, reply); err != nil || string(reply) != "+OK\r\n" {
		t.Fatalf("FLUSHALL = %q, %v", reply, err)
	}
}

func createUsers(t *testing.T, w *store.Workspace, prefix string, n int) {
	t.Helper()
	for i := range n {
		r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: scim.NewID()}}, Attributes: map[string]any{"userName": fmt.Sprintf("%s%03d", prefix, i)}}
		if _, err := w.Commit(t.Context(), &scim.Commit{Ref: r.Ref, Put: r}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIndexOfTrimmedFeed: what the feed no longer tells is read anew.
func TestIndexOfTrimmedFeed(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		c := store.Config{Backend: b, FeedKeep: 5}
		a, other := replica(t, c, "w"), replica(t, c, "w")
		createUsers(t, a, "a", 3)
		listed(t, other)
		createUsers(t, a, "b", 300)
		if n := len(listed(t, other)); n != 303 || !other.Indexed() {
			t.Errorf("after the feed was trimmed %d are listed, want 303, by the index: %v", n, other.Indexed())
		}
	})
}

// TestIndexNeverStaleWhileTrimmed: lists of a replica that the feed has left behind, again and
// again, see every write all the same.
func TestIndexNeverStaleWhileTrimmed(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		c := store.Config{Backend: b, FeedKeep: 5}
		a, other := replica(t, c, "w"), replica(t, c, "w")
		for n := range testserver.Rounds(3, 50) {
			createUsers(t, a, fmt.Sprint("r", n, "-"), 300)
			if stale := staleReads(t, a, other, 8, 3); stale != 0 {
				t.Errorf("%d lists missed a write that was confirmed before them", stale)
			}
		}
		if !other.Indexed() {
			t.Error("lists were answered without an index")
		}
	})
}

// TestIndexOfReplacedRedis: a Redis that was emptied and filled anew has the same numbers, and
// another history.
func TestIndexOfReplacedRedis(t *testing.T) {
	server := testserver.StartRedis(t, "--appendfsync", "no")
	b := openRedis(t, server)
	for name, after := range map[string]int{"further back": 3, "as far": 10, "further on": 20} {
		t.Run(name, func(t *testing.T) {
			c := store.Config{Backend: b}
			a, other := replica(t, c, store.DefaultWorkspace), replica(t, c, store.DefaultWorkspace)
			createUsers(t, a, name+"-old-", 10)
			listed(t, other)
			flushAll(t, server.Addr())
			createUsers(t, a, name+"-new-", after)
			got := listed(t, other)
			if len(got) != after || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "-old-") }) {
				t.Errorf("the index lists %v, want the %d new ones", got, after)
			}
			flushAll(t, server.Addr())
			if got := listed(t, other); len(got) != 0 {
				t.Errorf("the index lists %v of an empty Redis", got)
			}
		})
	}
}

// TestIdleIndex: an index that nobody uses goes, and comes back when it is needed.
func TestIdleIndex(t *testing.T) {
	b, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w := replica(t, store.Config{Backend: b, IndexIdle: 20 * time.Millisecond}, "w")
	createUsers(t, w, "a", 2)
	listed(t, w)
	for end := time.Now().Add(5 * time.Second); w.Indexed(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an idle index was not dropped in 5 s")
		}
	}
	if n := len(listed(t, w)); n != 2 {
		t.Errorf("after it was dropped %d are listed, want 2", n)
	}
}

// TestExplain: a plan tells what answers a filter.
func TestExplain(t *testing.T) {
	b, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w := replica(t, store.Config{Backend: b}, "w")
	createUsers(t, w, "a", 30)
	for text, want := range map[string]store.Plan{
		`userName eq "a001"`:                            {Type: "User", By: "lookup"},
		`userName sw "a00" and active eq true`:          {Type: "User", By: "index", Filter: "(range userName and set active)", Sort: "order of id", Rows: 30, Matches: 10},
		`userName sw "a00" and title pr`:                {Type: "User", By: "index and records", Filter: "(range userName and records title)", Sort: "order of id", Rows: 30, Records: 10},
		`not (name.familyName co "son")`:                {Type: "User", By: "index", Filter: "not column name.familyName", Sort: "order of id", Rows: 30, Matches: 30},
		`emails[type eq "work"].value eq "x"`:           {Type: "User", By: "index", Filter: "column emails", Sort: "order of id", Rows: 30},
		`roles eq "admin" or not (groups.value eq "g")`: {Type: "User", By: "index", Filter: "(column roles.value or not edges groups)", Sort: "order of id", Rows: 30, Matches: 30},
		`groups[type eq "indirect" and value eq "g"]`:   {Type: "User", By: "index", Filter: "edges groups indirect", Sort: "order of id", Rows: 30},
		`groups.type eq "indirect"`:                     {Type: "User", By: "index and records", Filter: "records", Sort: "order of id", Rows: 30, Records: 30},
		`meta.lastModified gt "2020-01-01T00:00:00Z"`:   {Type: "User", By: "index", Filter: "range meta.lastModified", Sort: "order of id", Rows: 30, Matches: 30},
		`emails[type eq "work" and value ew "x"]`:       {Type: "User", By: "index", Filter: "column emails", Sort: "order of id", Rows: 30},
	} {
		filter, err := scim.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		plans, err := w.Explain(t.Context(), &scim.Query{Types: []string{"User"}, Filter: filter})
		if err != nil || len(plans) != 1 || plans[0] != want {
			t.Errorf("Explain(%s) = %+v, %v, want %+v", text, plans, err, want)
		}
	}
}
