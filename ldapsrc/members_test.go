package ldapsrc

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	dirsync "rollcall/sync"
)

// rosterOf feeds a roster: users u0, u1, ... and groups with their members by name.
func rosterOf(t testing.TB, nested string, users int, groups map[string][]string) map[string]dirsync.Entry {
	t.Helper()
	p, err := loadPreset("openldap")
	if err != nil {
		t.Fatal(err)
	}
	ut, _ := userTable(p, Users{})
	gt, _ := groupTable(p, Groups{})
	um, gm := ut.mapper(), gt.mapper()
	r := newRoster(nested)
	dn := func(name string) string {
		if strings.HasPrefix(name, "u") {
			return "uid=" + name + ",ou=people,dc=x"
		}
		return "cn=" + name + ",ou=groups,dc=x"
	}
	raw := func(name string, attributes ...string) *rawEntry {
		e := &rawEntry{dn: []byte(dn(name))}
		for _, a := range attributes {
			k, v, _ := strings.Cut(a, "=")
			e.add([]byte(k), []byte(v))
		}
		return e
	}
	for n := range users {
		name := fmt.Sprintf("u%d", n)
		if _, fault := r.user(um, raw(name, "uid="+name, "cn="+name, fmt.Sprintf("entryUUID=a0000000-0000-4000-8000-%012d", n))); fault != nil {
			t.Fatal(fault)
		}
	}
	n := 0
	for name, members := range groups {
		n++
		attributes := []string{"cn=" + name, fmt.Sprintf("entryUUID=b0000000-0000-4000-8000-%012d", n)}
		if strings.HasSuffix(name, "-broken") {
			attributes = attributes[1:] // no cn
		}
		if strings.HasSuffix(name, "-nameless") {
			attributes = attributes[:1] // no stable id
		}
		for _, m := range members {
			attributes = append(attributes, "member="+dn(m))
		}
		r.group(gm, raw(name, attributes...))
	}
	all := map[string]dirsync.Entry{}
	for e := range r.entries() {
		all[e.Attributes["displayName"].(string)] = e
	}
	return all
}

func TestNested(t *testing.T) {
	groups := map[string][]string{
		"flat": {"u0", "u1", "u1"}, "over": {"flat", "u2"}, "self": {"self", "u0"},
		"a": {"b"}, "b": {"c", "u1"}, "c": {"a", "u2"},
		"diamond": {"left", "right"}, "left": {"flat"}, "right": {"flat", "u3"},
		"holder": {"g-broken", "u0"}, "above": {"holder"}, "g-broken": {"u1"},
		"namer": {"g-nameless"}, "g-nameless": {"u1"}, "strays": {"u9", "u9", "nosuch", "over"}, "abovestrays": {"strays"},
	}
	for _, c := range []struct{ nested, group, members string }{
		{NestedFlatten, "flat", "0 1"}, {NestedFlatten, "over", "0 1 2"}, {NestedFlatten, "self", "0"},
		{NestedFlatten, "a", "1 2"}, {NestedFlatten, "b", "1 2"}, {NestedFlatten, "c", "1 2"},
		{NestedFlatten, "diamond", "0 1 3"}, {NestedFlatten, "holder", "0 unknown"}, {NestedFlatten, "above", "0 unknown"},
		{NestedFlatten, "strays", "0 1 2 dangling 2"}, {NestedFlatten, "abovestrays", "0 1 2"}, {NestedFlatten, "namer", "unknown"},
		{NestedOff, "over", "2"}, {NestedOff, "a", ""}, {NestedOff, "holder", "0"}, {NestedOff, "strays", "dangling 2"},
		{NestedKeep, "over", "2 flat"}, {NestedKeep, "a", "b"}, {NestedKeep, "self", "0 self"}, {NestedKeep, "diamond", "left right"},
		{NestedKeep, "above", "holder"}, {NestedKeep, "namer", "unknown"},
	} {
		t.Run(c.nested+" "+c.group, func(t *testing.T) {
			all := rosterOf(t, c.nested, 4, groups)
			names := map[string]string{}
			for name, e := range all {
				names[e.ID] = name
			}
			e := all[c.group]
			var got []string
			for _, id := range e.Members {
				if name, ok := names[id]; ok {
					got = append(got, name)
				} else {
					n, err := strconv.Atoi(id[24:])
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, strconv.Itoa(n))
				}
			}
			if c.nested == NestedKeep { // the groups' ids depend on the order of a map
				slices.Sort(got)
			}
			if e.MembersUnknown {
				got = append(got, "unknown")
			}
			if n := len(e.Dangling); n > 0 {
				got = append(got, fmt.Sprintf("dangling %d", n))
			}
			if s := strings.Join(got, " "); s != c.members {
				t.Errorf("members of %s = %q, want %q", c.group, s, c.members)
			}
		})
	}
}

// A chain of groups is the directory's to make, and as long as it likes.
func TestDeepNesting(t *testing.T) {
	groups := map[string][]string{}
	const depth = 2000
	for n := range depth {
		groups[fmt.Sprintf("g%d", n)] = []string{fmt.Sprintf("g%d", (n+1)%depth), fmt.Sprintf("u%d", n%10)}
	}
	if got := len(rosterOf(t, NestedFlatten, 10, groups)["g0"].Members); got != 10 {
		t.Errorf("members of g0 = %d, want 10", got)
	}
}

// What two people bear names neither of them: nobody leaves a group, or joins one, for that.
func TestSharedNames(t *testing.T) {
	person := func(dn, uid string, n int) string {
		return fmt.Sprintf("dn: %s\nobjectClass: inetOrgPerson\nuid: %s\ncn: x\nentryUUID: a0000000-0000-4000-8000-%012d\n\n", dn, uid, n)
	}
	const groups = "dn: cn=names,dc=x\nobjectClass: groupOfNames\ncn: names\nentryUUID: b0000000-0000-4000-8000-000000000001\n" +
		"member: uid=ada,ou=a,dc=x\nmember: uid=bob,ou=a,dc=x\n\n" +
		"dn: cn=uids,dc=x\nobjectClass: posixGroup\ncn: uids\nentryUUID: b0000000-0000-4000-8000-000000000002\n" +
		"memberUid: ada\nmemberUid: bob\n\n"
	const ada, bob = "a0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000002"
	for _, c := range []struct {
		name, third string
		faults      int
		uids        []string
		unknown     bool
	}{
		{"nobody else", person("uid=eve,ou=a,dc=x", "eve", 3), 0, []string{ada, bob}, false},
		{"the same DN", person("UID=ADA,ou=a,dc=x", "ada", 3), 1, []string{ada, bob}, false},
		{"the same uid", person("uid=ada,ou=b,dc=x", "ADA", 3), 1, []string{bob}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := person("uid=ada,ou=a,dc=x", "ada", 1) + person("uid=bob,ou=a,dc=x", "bob", 2) + c.third + groups
			got, faults := map[string]dirsync.Entry{}, 0
			for e, err := range ldifOf(t, text, Users{}, Groups{}).Entries(t.Context()) {
				if err != nil {
					faults++
				}
				got[e.DN] = e
			}
			if faults != c.faults {
				t.Errorf("faults = %d, want %d", faults, c.faults)
			}
			if e := got["cn=names,dc=x"]; !slices.Equal(e.Members, []string{ada, bob}) || e.MembersUnknown {
				t.Errorf("members by DN = %v, unknown %v, want ada and bob", e.Members, e.MembersUnknown)
			}
			if e := got["cn=uids,dc=x"]; !slices.Equal(e.Members, c.uids) || e.MembersUnknown != c.unknown {
				t.Errorf("members by uid = %v, unknown %v, want %v, %v", e.Members, e.MembersUnknown, c.uids, c.unknown)
			}
		})
	}
}

// What is kept of 100,000 people until the groups have come.
func TestRosterMemory(t *testing.T) {
	const people, limit = 100_000, 16 << 20
	p, err := loadPreset("openldap")
	if err != nil {
		t.Fatal(err)
	}
	ut, _ := userTable(p, Users{})
	m := ut.mapper()
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	r := newRoster(NestedFlatten)
	for n := range people {
		e := &rawEntry{dn: fmt.Appendf(nil, "uid=u%d,ou=people,dc=example,dc=org", n)}
		e.add([]byte("uid"), fmt.Appendf(nil, "u%d", n))
		e.add([]byte("cn"), []byte("x"))
		e.add([]byte("entryUUID"), fmt.Appendf(nil, "a0000000-0000-4000-8000-%012d", n))
		if _, fault := r.user(m, e); fault != nil {
			t.Fatal(fault)
		}
	}
	if used := heap() - before; used > limit {
		t.Errorf("%d people take %d KiB, want at most %d", people, used>>10, limit>>10)
	} else {
		t.Logf("%d people take %d KiB", people, used>>10)
	}
	runtime.KeepAlive(r)
}
