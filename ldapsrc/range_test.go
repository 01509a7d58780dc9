package ldapsrc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"
)

// A slapd that takes ranges for options sends groups as Active Directory does: "member" is not there, and its
// values are in "member;range=0-1499" and what follows, though at once.
func TestSlapdRanges(t *testing.T) {
	const people = 3001
	var seed strings.Builder
	for i := range people {
		fmt.Fprintf(&seed, "dn: uid=u%[1]d,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: u%[1]d\ncn: Person\nsn: Number\n"+
			"entryUUID: a0000000-0000-4000-8000-%012[1]d\n\n", i)
	}
	for name, ranges := range map[string][][2]int{
		"1501":           {{0, 1500}, {1500, 1501}},
		"3001":           {{0, 1500}, {1500, 3000}, {3000, 3001}},
		"1500 of many":   {{0, 1500}},
		"without middle": {{0, 1500}, {3000, 3001}},
		"without first":  {{1500, 3001}},
	} {
		fmt.Fprintf(&seed, "dn: cn=%[1]s,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\nobjectClass: extensibleObject\ncn: %[1]s\n", name)
		for _, r := range ranges {
			last := fmt.Sprint(r[1] - 1)
			if r[1]%1500 != 0 || name == "without first" {
				last = "e" // for "*", which it does not store: see star
			}
			for i := r[0]; i < r[1]; i++ {
				fmt.Fprintf(&seed, "member;range=%d-%s: uid=u%d,ou=people,dc=example,dc=org\n", r[0], last, i)
			}
		}
		seed.WriteString("\n")
	}
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: seed.String(), Global: []string{"olcAttributeOptions: lang- range="}, NoSync: true})
	w := startWire(t, s.Addr)
	var at starred
	w.reply = at.star
	r := readAll(t, reader(t, s, func(c *Config) { c.URLs = []string{w.url} }))
	r.expect(t, people, 5)
	for name, want := range map[string]int{"1501": 1501, "3001": 3001} {
		if g := r.groups[name]; g.MembersUnknown || len(g.Members) != want {
			t.Errorf("%s has %d members, unknown %v, want %d", name, len(g.Members), g.MembersUnknown, want)
		}
	}
	for _, name := range []string{"1500 of many", "without middle", "without first"} {
		if g := r.groups[name]; !g.MembersUnknown {
			t.Errorf("%s has %d members, want them unknown: the server did not send all", name, len(g.Members))
		}
	}
	if len(r.parts) != 3 {
		t.Errorf("faults about members = %v, want three", r.parts)
	}
}

// starred is how much of ";range=N-" was read.
type starred int

// star writes the "*" of a last range where slapd has an "e".
func (at *starred) star(text []byte) {
	const option = ";range="
	for i, c := range text {
		switch n := int(*at); {
		case n < len(option) && c == option[n], n == len(option) && c == '-':
			*at++
		case n == len(option) && '0' <= c && c <= '9':
		default:
			if n > len(option) && c == 'e' {
				text[i] = '*'
			}
			*at = 0
			if c == option[0] {
				*at = 1
			}
		}
	}
}

// checkRanges holds that a real Active Directory which is asked for members from some number on sends the rest,
// as it would be asked after its first 1,500: here after four.
func checkRanges(t *testing.T, src *Source) {
	ctx := t.Context()
	c, err := src.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	got := map[string]dirsync.Entry{}
	r := src.reading.start(func(e dirsync.Entry, err error) bool {
		if err != nil {
			t.Error(err)
		} else if e.Type == "Group" {
			got[e.ID] = e
		}
		return true
	})
	cut := 0
	first := func(m *mapper, raw *rawEntry) bool {
		for i, a := range raw.attrs {
			if strings.EqualFold(string(a.name), "member") && len(a.values) > 4 {
				raw.attrs[i] = rawAttr{[]byte("member;range=0-3"), a.values[:4]}
				cut++
			}
		}
		return r.group(m, raw)
	}
	err = errors.Join(src.readAll(ctx, c, r, src.reading.users, r.user), src.readAll(ctx, c, r, src.reading.groups, first), src.finishRanges(ctx, c, r.roster))
	if err != nil || cut == 0 {
		t.Fatalf("%d groups were cut, %v", cut, err)
	}
	r.finish()
	for _, want := range readAll(t, src).groups {
		if g := got[want.ID]; g.MembersUnknown || !slices.Equal(g.Members, want.Members) {
			t.Errorf("%s read by ranges has %d members, unknown %v, want %d", want.DN, len(g.Members), g.MembersUnknown, len(want.Members))
		}
	}
}
