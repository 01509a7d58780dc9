package ldapsrc

import (
	"fmt"
	"strings"
	"testing"

	"rollcall/internal/testserver"

	"github.com/go-ldap/ldap/v3"
)

// DirSync and uSNChanged, told by a Samba AD.
func TestFollowAD(t *testing.T) {
	testserver.Long(t)
	const people, base = ",OU=People,DC=ad,DC=test", "DC=ad,DC=test"
	var seed, members strings.Builder
	for i := range 15 {
		fmt.Fprintf(&seed, "dn: CN=u%02d%s\nobjectClass: user\ncn: u%02d\nsAMAccountName: u%02d\nuserPrincipalName: u%02d@ad.test\nuserAccountControl: 544\n\n", i, people, i, i, i)
		fmt.Fprintf(&members, "member: CN=u%02d%s\n", i, people)
	}
	s := testserver.StartSamba(t, "dn: OU=People,DC=ad,DC=test\nobjectClass: organizationalUnit\n\ndn: OU=Away,DC=ad,DC=test\nobjectClass: organizationalUnit\n\n"+
		seed.String()+"dn: CN=all"+people+"\nobjectClass: group\ncn: all\n"+members.String()+"\n"+
		"dn: CN=above"+people+"\nobjectClass: group\ncn: above\nmember: CN=all"+people+"\n\n")
	src, err := New(Config{Preset: "ad", URLs: []string{s.URL}, BindDN: s.AdminDN, Password: password(s.Password),
		Users: Users{Base: people[1:]}, Groups: Groups{Base: base}})
	if err != nil {
		t.Fatal(err)
	}
	a := bound(t, s.URL, s.AdminDN, s.Password)
	person := func(name string) func(*ldap.Conn) error {
		return addEntry("CN="+name+people, "objectClass: user", "cn: "+name, "sAMAccountName: "+name, "userPrincipalName: "+name+"@ad.test", "userAccountControl: 544")
	}
	steps := func(n int) []change {
		u := func(i int) string { return fmt.Sprintf("CN=u%02d%s", n+i, people) }
		return []change{
			{"a change", modify(u(0), func(m *ldap.ModifyRequest) { m.Replace("givenName", []string{fmt.Sprint("Given ", n)}) })},
			{"an attribute taken away", modify(u(0), func(m *ldap.ModifyRequest) { m.Replace("givenName", nil) })},
			{"disabled", modify(u(1), func(m *ldap.ModifyRequest) { m.Replace("userAccountControl", []string{"546"}) })},
			{"a rename", moveEntry(u(2), fmt.Sprint("CN=renamed", n), "")},
			{"a newcomer", person(fmt.Sprint("new", n))},
			{"a member more", modify("CN=all"+people, func(m *ldap.ModifyRequest) { m.Add("member", []string{fmt.Sprintf("CN=new%d%s", n, people)}) })},
			{"a member less", modify("CN=all"+people, func(m *ldap.ModifyRequest) { m.Delete("member", []string{u(1)}) })},
		}
	}
	t.Run("ranges", func(t *testing.T) { checkRanges(t, src) })
	t.Run("present", func(t *testing.T) { checkPresent(t, src) })
	t.Run("DirSync", func(t *testing.T) {
		m := follow(t, src, FollowAuto)
		if _, ok := m.f.track.way.(*dirSync); !ok {
			t.Fatalf("the way is %T, want DirSync", m.f.track.way)
		}
		if d := m.update(); !d.Empty() {
			t.Errorf("nothing changed, and Changes = %+v", d)
		}
		m.walk(a, append(steps(0),
			change{"a deletion", deleteEntry("CN=u03" + people)},
			change{"out of the scope", moveEntry("CN=u04"+people, "CN=u04", "OU=Away,DC=ad,DC=test")},
			change{"a group deleted", deleteEntry("CN=above" + people)}))
	})
	t.Run("uSNChanged", func(t *testing.T) {
		m := follow(t, src, FollowUSN)
		if d := m.update(); !d.Empty() {
			t.Errorf("nothing changed, and Changes = %+v", d)
		}
		m.walk(a, steps(7))
	})
	t.Run("a cookie that is garbage", func(t *testing.T) {
		m := follow(t, src, FollowDirSync)
		m.f.track.way.(*dirSync).cookie = []byte("no such thing")
		if d, err := m.f.Changes(t.Context()); err == nil && len(d.Gone) > 0 {
			t.Errorf("%d are gone, want none", len(d.Gone))
		}
	})
}

// 389-DS has no entryUUID here and is followed by its times.
func TestFollow389(t *testing.T) {
	const people, groups = ",ou=people,dc=example,dc=org", ",ou=groups,dc=example,dc=org"
	seed := "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\ndn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: people\n\n" +
		"dn: ou=groups,dc=example,dc=org\nobjectClass: organizationalUnit\nou: groups\n\n"
	for i := range 10 {
		seed += fmt.Sprintf("dn: uid=u%02d%s\nobjectClass: inetOrgPerson\nuid: u%02d\ncn: Person\nsn: %d\n\n", i, people, i, i)
	}
	s := testserver.Start389(t, seed+"dn: cn=g"+groups+"\nobjectClass: groupOfNames\ncn: g\nmember: uid=u00"+people+"\n\n")
	src, err := New(Config{Preset: "389ds", URLs: []string{s.URL}, BindDN: s.AdminDN, Password: password(s.Password),
		Users: Users{Base: people[1:]}, Groups: Groups{Base: groups[1:]}})
	if err != nil {
		t.Fatal(err)
	}
	a := bound(t, s.URL, s.AdminDN, s.Password)
	m := follow(t, src, FollowAuto)
	if _, ok := m.f.track.way.(*timestamp); !ok {
		t.Fatalf("the way is %T, want timestamp", m.f.track.way)
	}
	m.quiet()
	m.walk(a, []change{
		{"a change", modify("uid=u01"+people, func(m *ldap.ModifyRequest) { m.Replace("cn", []string{"Changed"}) })},
		{"a lock", modify("uid=u02"+people, func(m *ldap.ModifyRequest) { m.Add("nsAccountLock", []string{"true"}) })},
		{"a rename", moveEntry("uid=u00"+people, "uid=renamed", "")},
		{"a newcomer", addEntry("uid=new"+people, "objectClass: inetOrgPerson", "uid: new", "cn: New", "sn: Comer")},
		{"a member", modify("cn=g"+groups, func(m *ldap.ModifyRequest) { m.Add("member", []string{"uid=new" + people}) })},
		{"another", modify("cn=g"+groups, func(m *ldap.ModifyRequest) { m.Add("member", []string{"uid=u03" + people}) })},
	})
}
