package storetest

import (
	"fmt"

	"rollcall/scim"
	"rollcall/store"
)

// The same Tx sent twice is done once. What the store above makes of lost replies is
// tested where there is a network (redisdb).
var replayCases = []testCase{
	{name: "a Tx that is sent again is done once", run: func(f *fixture) {
		txs := []*store.Tx{
			f.tx("User", "u1", store.OpPut, scim.MustNotExist),
			f.tx("Group", "g1", store.OpPut, scim.MustNotExist),
			f.tx("User", "u1", store.OpPut, 1),
		}
		txs[0].Claims = []store.Claim{{Space: "User.userName", Key: "u1", ID: "u1"}}
		txs[1].Claims = []store.Claim{{Space: "Group.displayName", Key: "g1", ID: "g1"}}
		touch := f.tx("Group", "g1", store.OpTouch, scim.MustExist)
		touch.Edges = []store.Edge{{Group: touch.Ref, Member: txs[0].Ref}}
		for i, tx := range append(txs, touch) {
			first := f.apply(tx, store.StatusDone)
			second := f.apply(tx, store.StatusReplayed)
			checkEqual(f, fmt.Sprintf("Version of %d", i), first.Version, i+1)
			checkEqual(f, "Version", second.Version, first.Version)
			checkEqual(f, "Created", second.Created, first.Created)
			checkEqual(f, "Modified", second.Modified, first.Modified)
		}
		checkEqual(f, "changes", len(f.changes(0)), 4)
	}},
	{name: "a Tx leaves no trace where it is refused", run: func(f *fixture) {
		a := f.tx("User", "a", store.OpPut, scim.MustNotExist)
		a.Claims = []store.Claim{{Space: "User.userName", Key: "a", ID: "a"}}
		f.apply(a, store.StatusDone)
		b := f.tx("User", "b", store.OpPut, scim.MustNotExist)
		b.Claims = []store.Claim{{Space: "User.displayName", Key: "x", ID: "b"}, {Space: "User.userName", Key: "a", ID: "b"}}
		res := f.apply(b, store.StatusTaken)
		checkEqual(f, "Claim, Holder", []any{res.Claim, res.Holder}, []any{1, "a"})
		g := f.tx("Group", "g", store.OpPut, scim.MustNotExist)
		g.Claims = []store.Claim{{Space: "Group.displayName", Key: "g", ID: "g"}}
		g.Edges = []store.Edge{{Group: g.Ref, Member: a.Ref}, {Group: g.Ref, Member: b.Ref}}
		g.RefuseUnknown = true
		checkEqual(f, "Member", f.apply(g, store.StatusUnknownMember).Member, "b")
		checkEqual(f, "version", f.apply(f.tx("User", "a", store.OpPut, 7), store.StatusVersion).Version, 1)
		checkEqual(f, "changes", len(f.changes(0)), 1)
	}},
	{name: "a deletion that leaves an edge behind is refused", run: func(f *fixture) {
		a := f.tx("User", "a", store.OpPut, scim.MustNotExist)
		a.Claims = []store.Claim{{Space: "User.userName", Key: "a", ID: "a"}}
		g := f.tx("Group", "g", store.OpPut, scim.MustNotExist)
		g.Claims = []store.Claim{{Space: "Group.displayName", Key: "g", ID: "g"}}
		g.Edges = []store.Edge{{Group: g.Ref, Member: a.Ref}}
		f.apply(a, store.StatusDone)
		f.apply(g, store.StatusDone)
		f.apply(f.tx("User", "a", store.OpDelete, 1), store.StatusEdges)
		f.apply(f.tx("Group", "g", store.OpDelete, 2), store.StatusEdges)
	}},
	{name: "what is released twice is released", run: func(f *fixture) {
		a := f.tx("User", "a", store.OpPut, scim.MustNotExist)
		a.Claims = []store.Claim{{Space: "User.userName", Key: "a", ID: "a"}}
		f.apply(a, store.StatusDone)
		gone := f.tx("User", "a", store.OpDelete, 1)
		gone.Releases = []store.Claim{{Space: "User.userName", Key: "a"}, {Space: "User.userName", Key: "a"}}
		f.apply(gone, store.StatusDone)
		held, err := f.backend.Holders(f.ctx, f.Workspace.Name(), "User.userName", []string{"a"})
		checkError(f, "Holders()", err, nil)
		checkEqual(f, "holder", held[0].ID, "")
	}},
	{name: "what is released must be held", run: func(f *fixture) {
		a := f.tx("User", "a", store.OpPut, scim.MustNotExist)
		a.Claims = []store.Claim{{Space: "User.userName", Key: "a", ID: "a"}}
		f.apply(a, store.StatusDone)
		b := f.tx("User", "b", store.OpPut, scim.MustNotExist)
		b.Claims = []store.Claim{{Space: "User.userName", Key: "b", ID: "b"}}
		b.Releases = []store.Claim{{Space: "User.userName", Key: "a"}, {Space: "User.nothing", Key: "a"}}
		f.apply(b, store.StatusDone)
		held, err := f.backend.Holders(f.ctx, f.Workspace.Name(), "User.userName", []string{"a", "b", "c"})
		checkError(f, "Holders()", err, nil)
		checkEqual(f, "holders", []string{held[0].ID, held[1].ID, held[2].ID}, []string{"a", "b", ""})
	}},
}

// tx is a Tx with a payload that decodes: a user or group of that name.
func (f *fixture) tx(typ, id string, op store.Op, expect scim.Version) *store.Tx {
	attr := "userName"
	if typ == "Group" {
		attr = "displayName"
	}
	nonce++
	return &store.Tx{
		Workspace: f.Workspace.Name(), Ref: scim.Ref{Type: typ, ID: id}, Op: op, Expect: expect,
		Nonce: fmt.Sprintf("%0*d", store.NonceLen, nonce), Payload: fmt.Appendf(nil, "J\x00\x00{%q:%q}", attr, id), Keep: 100_000,
	}
}

var nonce int

func (f *fixture) apply(tx *store.Tx, want store.Status) store.TxResult {
	f.Helper()
	res := f.backend.Apply(f.ctx, []*store.Tx{tx})[0]
	if res.Status != want {
		f.Fatalf("Apply(%s) = %+v, want status %d", tx.Ref, res, want)
	}
	return res
}
