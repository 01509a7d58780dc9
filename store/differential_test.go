package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
	"rollcall/store/redisdb"
)

// TestBackendsAgree gives both backends the same random Txs: they must answer alike, and
// hold the same afterwards.
func TestBackendsAgree(t *testing.T) { backendsAgree(t, 0) }

// TestStagedChangesAgree has every change of more than one edge staged (redisdb/stage.go).
func TestStagedChangesAgree(t *testing.T) { backendsAgree(t, 1) }

func backendsAgree(t *testing.T, maxEdges int) {
	server := testserver.StartRedis(t, "--appendfsync", "no")
	onRedis, err := redisdb.Open(t.Context(), redisdb.Config{Addr: server.Addr(), MaxEdges: maxEdges})
	if err != nil {
		t.Fatal(err)
	}
	defer onRedis.Close()
	onBolt, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer onBolt.Close()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		p := &pair{staged: maxEdges > 0, T: rt, ctx: t.Context(), ws: fmt.Sprint("w", n), bolt: onBolt, redis: onRedis}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			p.step()
		}
		if b, r := p.dump(onBolt), p.dump(onRedis); b != r {
			rt.Fatalf("the backends hold different things:\nbolt  %s\nredis %s", b, r)
		}
	})
}

// pair is one workspace on both backends.
type pair struct {
	*rapid.T
	ctx         context.Context
	ws          string
	bolt, redis store.Backend
	staged      bool
	sent        []*store.Tx
}

var (
	users  = refs("User", 4)
	groups = refs("Group", 3)
	spaces = []string{"User.userName", "Group.displayName", "User.externalId/o"}
)

func refs(typ string, n int) []scim.Ref {
	all := make([]scim.Ref, n)
	for i := range all {
		all[i] = scim.Ref{Type: typ, ID: fmt.Sprintf("%c%d", typ[0]+'a'-'A', i)}
	}
	return all
}

func pick[T any](p *pair, what string, from ...T) T { return rapid.SampledFrom(from).Draw(p.T, what) }

// step sends one Tx, new or again, or takes a lock.
func (p *pair) step() {
	switch kind := rapid.IntRange(0, 9).Draw(p.T, "kind"); {
	case kind == 0:
		for _, b := range []store.Backend{p.bolt, p.redis} {
			if _, _, _, err := b.LockTake(p.ctx, p.ws, "run", "token", "me", time.Millisecond); err != nil {
				p.Fatal(err)
			}
		}
		time.Sleep(2 * time.Millisecond)
		return
	case kind == 1 && len(p.sent) > 0:
		p.apply(pick(p, "again", p.sent...))
		return
	}
	tx := p.tx()
	p.sent = append(p.sent, tx)
	p.apply(tx)
}

func (p *pair) tx() *store.Tx {
	everyone := slices.Concat(users, groups)
	tx := &store.Tx{
		Workspace: p.ws, Ref: pick(p, "ref", everyone...), Op: pick(p, "op", store.OpPut, store.OpPut, store.OpTouch, store.OpDelete),
		Expect:        pick(p, "expect", scim.MustNotExist, scim.MustNotExist, scim.MustExist, scim.MustExist, 1, 2, 3),
		Nonce:         fmt.Sprintf("%0*d", store.NonceLen, len(p.sent)+1),
		RefuseUnknown: rapid.Bool().Draw(p.T, "refuse"), WantPayload: rapid.Bool().Draw(p.T, "want"), Actor: "token:a",
		KeepDeleted: rapid.IntRange(0, 3).Draw(p.T, "keep deleted") > 0, Restores: rapid.Bool().Draw(p.T, "restores"), Created: time.UnixMilli(1234567890123),
		KeepImages: pick(p, "images", uint64(0), 100, 100, 100, 100),
	}
	if tx.Op == store.OpPut {
		tx.Payload = fmt.Appendf(nil, "payload %d", len(p.sent))
	}
	if tx.Ref.Type == "Group" {
		tx.Named, tx.Name = true, pick(p, "name", "", "a", "b c")
	}
	if tx.Op != store.OpPut && tx.Expect == scim.MustNotExist {
		tx.Expect = scim.MustExist
	}
	if rapid.IntRange(0, 5).Draw(p.T, "fenced") == 0 {
		tx.Fence = &scim.Fence{Lock: "run", Number: uint64(rapid.IntRange(0, 3).Draw(p.T, "number"))}
	}
	key := func() string { return pick(p, "key", "a", "b", "c d") }
	for range rapid.IntRange(0, 2).Draw(p.T, "claims") {
		c := store.Claim{Space: pick(p, "space", spaces...), Key: key(), ID: tx.Ref.ID, Mark: pick(p, "mark", "", "", "m1", "m 2")}
		c.From = pick(p, "from", "", c.Key, key())
		if !slices.ContainsFunc(tx.Claims, func(o store.Claim) bool { return o.Space == c.Space }) {
			tx.Claims = append(tx.Claims, c)
		}
	}
	for range rapid.IntRange(0, 2).Draw(p.T, "releases") {
		r := store.Claim{Space: pick(p, "space", spaces...), Key: key()}
		if !slices.ContainsFunc(tx.Claims, func(c store.Claim) bool { return c.Space == r.Space && c.Key == r.Key }) {
			tx.Releases = append(tx.Releases, r)
		}
	}
	p.edges(tx)
	// Of several reasons to refuse, a staged change may tell another.
	tx.RefuseUnknown = tx.RefuseUnknown && !p.staged
	return tx
}

// edges adds changes of members, and for most deletions all edges that there are.
func (p *pair) edges(tx *store.Tx) {
	if tx.Op == store.OpDelete && rapid.IntRange(0, 3).Draw(p.T, "all edges") > 0 {
		for _, d := range []store.Direction{store.Members, store.Groups} {
			ends, err := p.bolt.Edges(p.ctx, p.ws, tx.Ref, d, scim.Ref{}, 100)
			if err != nil {
				p.Fatal(err)
			}
			for _, end := range ends {
				e := store.Edge{Remove: true, Group: tx.Ref, Member: end}
				if d == store.Groups {
					e.Group, e.Member = end, tx.Ref
				}
				tx.Edges = append(tx.Edges, e)
			}
		}
		return
	}
	if tx.Ref.Type != "Group" {
		return
	}
	for range rapid.IntRange(0, 4).Draw(p.T, "edges") {
		member := pick(p, "member", slices.Concat(users, groups)...)
		if member == tx.Ref {
			continue
		}
		if rapid.Bool().Draw(p.T, "untyped") {
			member.Type = ""
		}
		tx.Edges = append(tx.Edges, store.Edge{
			Remove: rapid.IntRange(0, 2).Draw(p.T, "remove") == 0, Group: tx.Ref, Member: member, Types: []string{"User", "Group"},
		})
	}
}

func (p *pair) apply(tx *store.Tx) {
	b, r := answer(p.bolt.Apply(p.ctx, []*store.Tx{tx})[0]), answer(p.redis.Apply(p.ctx, []*store.Tx{tx})[0])
	if b != r {
		p.Fatalf("the backends answer differently to %s:\nbolt  %s\nredis %s", text(tx), b, r)
	}
}

// answer is a result without its times.
func answer(res store.TxResult) string {
	if res.Err != nil {
		return "error: " + res.Err.Error()
	}
	res.Created, res.Modified = time.Time{}, time.Time{}
	payload := string(res.Payload)
	res.Payload = nil // "" or nil
	return text(res) + payload
}

// deletedText is what is kept of a resource that was deleted, without times, its edges in order.
func deletedText(value []byte) []any {
	parts, rest := []any{string(value[:16])}, string(value[29:])
	for range 2 {
		digits, text, _ := strings.Cut(rest, ":")
		n, err := strconv.Atoi(digits)
		if err != nil {
			panic(err)
		}
		edges := strings.Fields(text[:n])
		slices.Sort(edges)
		parts, rest = append(parts, edges), text[n:]
	}
	return append(parts, timeless([]byte(rest)))
}

// timeless is a record without its times.
func timeless(record []byte) string {
	if len(record) == 0 {
		return ""
	}
	return string(record[:16]) + string(record[29:store.TouchLen]) + string(record[store.HeaderLen:])
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// dump is everything that a backend holds, without times.
func (p *pair) dump(b store.Backend) string {
	var lines []string
	add := func(v any) error { lines = append(lines, text(v)); return nil }
	check := func(err error) {
		if err != nil {
			p.Fatal(err)
		}
	}
	check(b.ScanRecords(p.ctx, p.ws, func(raws []store.Raw) error {
		for _, raw := range raws {
			raw.Created, raw.Modified = time.Time{}, time.Time{}
			add(raw)
		}
		return nil
	}))
	found, err := b.Spaces(p.ctx, p.ws, "")
	check(err)
	for _, space := range found {
		check(b.ScanClaims(p.ctx, p.ws, space, func(claims []store.Claim) error {
			for _, c := range claims {
				add(c)
			}
			return nil
		}))
	}
	for _, d := range []store.Direction{store.Members, store.Groups} {
		check(b.ScanEdges(p.ctx, p.ws, d, func(edges []store.EdgeAt) error {
			for _, e := range edges {
				add([]any{d, e})
			}
			return nil
		}))
	}
	check(b.KVScan(p.ctx, p.ws, store.DeletedSpace, func(key string, value []byte) error {
		return add([]any{key, deletedText(value)})
	}))
	check(b.KVScan(p.ctx, p.ws, store.NamesSpace, func(key string, value []byte) error { return add([]string{key, string(value)}) }))
	raws, err := b.Read(p.ctx, p.ws, slices.Concat(users, groups), true)
	check(err)
	for _, raw := range raws {
		add([]any{raw.Ref, raw.Groups})
		one, err := b.Read(p.ctx, p.ws, []scim.Ref{raw.Ref}, true)
		check(err)
		if text(one[0].Groups) != text(raw.Groups) {
			p.Fatalf("Read(%s) alone = %s, want as among others: %s", raw.Ref, text(one[0].Groups), text(raw.Groups))
		}
	}
	entries, head, err := b.Feed(p.ctx, p.ws, 0, 1000)
	check(err)
	for _, e := range entries {
		e.Time = time.Time{}
		// Staged edges are told in the order of the resources, others in that in which they came.
		slices.SortFunc(e.Edges, func(a, b scim.EdgeChange) int { return strings.Compare(a.Member.String(), b.Member.String()) })
		slices.SortFunc(e.Groups, func(a, b scim.Ref) int { return strings.Compare(a.String(), b.String()) })
		add(e)
	}
	add(head)
	numbers := make([]scim.Version, head)
	for i := range numbers {
		numbers[i] = scim.Version(i + 1)
	}
	images, err := b.ImagesAt(p.ctx, p.ws, numbers)
	check(err)
	for _, i := range images {
		add([]any{i.Version, i.Ref, timeless(i.Old), timeless(i.New)})
	}
	check(b.ScanStrays(p.ctx, p.ws, func(s store.Stray) error { return add(s) }))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
