package storetest

import (
	"slices"
	"testing"
	"time"

	"rollcall/scim"
	"rollcall/store"
)

// Vandal writes to a backend past all its rules, in the default workspace.
type Vandal interface {
	SetRecord(ref scim.Ref, record []byte) // nil removes it
	SetClaim(space, key, value string)     // "" removes it
	SetEdge(d store.Direction, from, to scim.Ref, there bool)
	RemoveEntry(n uint64)
	GarbleEntry(n uint64)
	SwapImages(a, b uint64)
	SetNumber(n uint64)
	SetFence(lock string, n uint64)
	AddKey()
}

// Damage checks that Fsck finds each kind of damage.
func Damage(t *testing.T, open func(t testing.TB) (store.Backend, Vandal)) {
	for _, c := range damages {
		t.Run(c.code+" "+c.name, func(t *testing.T) {
			backend, vandal := open(t)
			f := &fixture{TB: t, ctx: t.Context(), backend: backend, store: store.New(store.Config{Backend: backend})}
			f.Workspace = f.open(store.DefaultWorkspace)
			s := f.scene()
			CheckClean(t, f.ctx, f.store)
			c.plant(vandal, s)
			report, err := f.Fsck(f.ctx)
			checkError(f, "Fsck()", err, nil)
			if !slices.ContainsFunc(report.Findings, func(x store.Finding) bool { return x.Code == c.code }) {
				t.Errorf("Fsck() found %v, want %s", report.Findings, c.code)
			}
			if len(report.Findings) > 4 {
				t.Errorf("Fsck() found %d things, want few for one damage: %v", len(report.Findings), report.Findings)
			}
			f.repairs(report, c.repaired)
		})
	}
}

// scene is what there is to damage: two users in a group, a third beside it.
type scene struct {
	ada, bob, eve *scim.Stored
	staff         *scim.Stored
	record        func(s *scim.Stored, version uint64, payload string) []byte
	name          func(group scim.Ref, name string) // kept beside it
	deleted       func(ref scim.Ref, value string)  // what is kept of it
}

func (f *fixture) scene() *scene {
	f.Helper()
	s := &scene{
		ada: f.create(owned(user("ada"), "source:corp", "1")),
		bob: f.create(user("bob")),
		eve: f.create(user("eve")),
	}
	s.staff = f.create(group("staff"), s.ada.Ref, s.bob.Ref)
	s.eve = f.commit(replace(s.eve, set("title", "x"))).Stored
	f.lock("run", "me", time.Minute)
	s.name = f.setName
	s.deleted = func(ref scim.Ref, value string) {
		err := f.backend.KVPut(f.ctx, f.Workspace.Name(), store.DeletedSpace, ref.String(), []byte(value), nil)
		checkError(f, "deleted()", err, nil)
	}
	s.record = func(r *scim.Stored, version uint64, payload string) []byte {
		raws, err := f.backend.Read(f.ctx, f.Workspace.Name(), []scim.Ref{r.Ref}, false)
		checkError(f, "Read()", err, nil)
		head := store.AppendHeader(nil, scim.Version(version), r.LastModified, raws[0].Nonce, r.Created)
		return append(head, payload...)
	}
	return s
}

func (f *fixture) setName(group scim.Ref, name string) {
	err := f.backend.KVPut(f.ctx, f.Workspace.Name(), store.NamesSpace, group.String(), []byte(name), nil)
	checkError(f, "setName()", err, nil)
}

const noPayload = "J\x00\x00"

// repairs repairs what was found, and holds that everything is right again, or that there was
// nothing to repair.
func (f *fixture) repairs(report *store.Report, whole bool) {
	f.Helper()
	total := 0
	for range 3 {
		n, err := f.Repair(f.ctx, report)
		checkError(f, "Repair()", err, nil)
		total += n
		report, err = f.Fsck(f.ctx)
		checkError(f, "Fsck()", err, nil)
	}
	if whole != report.Clean() || whole != (total > 0) {
		f.Errorf("%d findings were repaired, and there are %v, want everything repaired: %v", total, report.Findings, whole)
	}
}

var damages = []struct {
	code, name string
	plant      func(v Vandal, s *scene)
	repaired   bool
}{
	{store.RecordUnreadable, "short", func(v Vandal, s *scene) { v.SetRecord(s.eve.Ref, []byte("xyz")) }, false},
	{store.RecordUnreadable, "no digits", func(v Vandal, s *scene) {
		v.SetRecord(s.eve.Ref, append([]byte("x"), s.record(s.eve, 5, noPayload)[1:]...))
	}, false},
	{store.RecordUnreadable, "unknown format", func(v Vandal, s *scene) { v.SetRecord(s.eve.Ref, s.record(s.eve, 5, "?")) }, true},
	{store.RecordUnreadable, "cut short", func(v Vandal, s *scene) { v.SetRecord(s.eve.Ref, s.record(s.eve, 5, "J\x40abc")) }, true},
	{store.RecordUnreadable, "no JSON", func(v Vandal, s *scene) { v.SetRecord(s.eve.Ref, s.record(s.eve, 5, noPayload+"{")) }, true},
	{store.RecordType, "", func(v Vandal, s *scene) {
		v.SetRecord(scim.Ref{Type: "Printer", ID: "p"}, s.record(s.eve, 5, noPayload+"{}"))
	}, false},
	{store.RecordVersion, "", func(v Vandal, s *scene) {
		v.SetRecord(s.eve.Ref, s.record(s.eve, 99, noPayload+`{"userName":"eve"}`))
	}, false},
	{store.RecordTime, "", func(v Vandal, s *scene) {
		s.eve.Created = s.eve.LastModified.Add(time.Hour)
		v.SetRecord(s.eve.Ref, s.record(s.eve, 5, noPayload+`{"userName":"eve"}`))
	}, false},
	{store.RecordFeed, "", func(v Vandal, s *scene) {
		v.SetRecord(s.eve.Ref, s.record(s.eve, 4, noPayload+`{"userName":"eve"}`))
	}, false},
	{store.ClaimMissing, "userName", func(v Vandal, s *scene) { v.SetClaim("User.userName", "eve", "") }, true},
	{store.ClaimMissing, "externalId", func(v Vandal, s *scene) { v.SetClaim("User.externalId/source:corp", "1", "") }, true},
	{store.ClaimMissing, "another value", func(v Vandal, s *scene) {
		v.SetRecord(s.eve.Ref, s.record(s.eve, 5, noPayload+`{"userName":"eva"}`))
	}, true},
	{store.ClaimTaken, "", func(v Vandal, s *scene) { v.SetClaim("User.userName", "eve", s.bob.ID) }, true},
	{store.ClaimStale, "nobody", func(v Vandal, s *scene) { v.SetClaim("User.userName", "mia", scim.NewID()) }, true},
	{store.ClaimStale, "somebody else", func(v Vandal, s *scene) { v.SetClaim("User.userName", "mia", s.bob.ID) }, true},
	{store.ClaimStale, "not folded", func(v Vandal, s *scene) { v.SetClaim("User.userName", "EVE", s.eve.ID) }, true},
	{store.ClaimStale, "externalId", func(v Vandal, s *scene) { v.SetClaim("User.externalId/source:corp", "2", s.ada.ID+" mark") }, true},
	{store.ClaimSpace, "attribute", func(v Vandal, s *scene) { v.SetClaim("User.title", "x", s.eve.ID) }, false},
	{store.ClaimSpace, "type", func(v Vandal, s *scene) { v.SetClaim("Printer.id", "x", s.eve.ID) }, false},
	{store.EdgeOneWay, "no way back", func(v Vandal, s *scene) { v.SetEdge(store.Groups, s.ada.Ref, s.staff.Ref, false) }, true},
	{store.EdgeOneWay, "no way there", func(v Vandal, s *scene) { v.SetEdge(store.Members, s.staff.Ref, s.ada.Ref, false) }, true},
	{store.EdgeOneWay, "one too many", func(v Vandal, s *scene) { v.SetEdge(store.Groups, s.eve.Ref, s.staff.Ref, true) }, true},
	{store.EdgeDangling, "member", func(v Vandal, s *scene) {
		ghost := scim.Ref{Type: "User", ID: scim.NewID()}
		v.SetEdge(store.Members, s.staff.Ref, ghost, true)
		v.SetEdge(store.Groups, ghost, s.staff.Ref, true)
	}, true},
	{store.EdgeDangling, "group", func(v Vandal, s *scene) {
		ghost := scim.Ref{Type: "Group", ID: scim.NewID()}
		v.SetEdge(store.Members, ghost, s.eve.Ref, true)
		v.SetEdge(store.Groups, s.eve.Ref, ghost, true)
	}, true},
	{store.EdgeType, "", func(v Vandal, s *scene) {
		v.SetEdge(store.Members, s.eve.Ref, s.bob.Ref, true)
		v.SetEdge(store.Groups, s.bob.Ref, s.eve.Ref, true)
	}, true},
	{store.FeedGap, "", func(v Vandal, s *scene) { v.RemoveEntry(2) }, false},
	{store.FeedHead, "an entry too few", func(v Vandal, s *scene) { v.RemoveEntry(5) }, false},
	{store.FeedHead, "a number too high", func(v Vandal, s *scene) { v.SetNumber(6) }, false},
	{store.FeedHead, "a number too low", func(v Vandal, s *scene) { v.SetNumber(4) }, true},
	{store.DeletedUnreadable, "cut short", func(_ Vandal, s *scene) { s.deleted(scim.Ref{Type: "User", ID: scim.NewID()}, "0000000000000001x") }, true},
	{store.DeletedUnreadable, "no record", func(_ Vandal, s *scene) {
		s.deleted(scim.Ref{Type: "User", ID: scim.NewID()}, string(store.AppendDeleted(nil, 3, time.Now(), "", "", []byte("xyz"))))
	}, true},
	{store.DeletedVersion, "", func(_ Vandal, s *scene) {
		ref := scim.Ref{Type: "User", ID: scim.NewID()}
		s.deleted(ref, string(store.AppendDeleted(nil, 77, time.Now(), "", "", s.record(s.eve, 5, noPayload+`{"userName":"mia"}`))))
	}, false},
	{store.FeedUnreadable, "", func(v Vandal, s *scene) { v.GarbleEntry(3) }, false},
	{store.FeedRecord, "older", func(v Vandal, s *scene) {
		v.SetRecord(s.eve.Ref, s.record(s.eve, 3, noPayload+`{"userName":"eve"}`))
	}, false},
	{store.FeedRecord, "gone", func(v Vandal, s *scene) { v.SetRecord(s.eve.Ref, nil) }, true},
	{store.ImageFeed, "", func(v Vandal, s *scene) { v.SwapImages(1, 2) }, false},
	{store.ImageUnreadable, "", func(v Vandal, s *scene) { v.SwapImages(1, 0) }, false},
	{store.LockFence, "", func(v Vandal, s *scene) { v.SetFence("run", 9) }, false},
	{store.NameStale, "another", func(_ Vandal, s *scene) { s.name(s.staff.Ref, "stuff") }, true},
	{store.NameStale, "of nobody", func(_ Vandal, s *scene) { s.name(scim.Ref{Type: "Group", ID: scim.NewID()}, "x") }, true},
	{store.KeyUnknown, "", func(v Vandal, s *scene) { v.AddKey() }, false},
}
