package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"
)

// realDirectory is a real server under test, and how its kind writes a person, a group and a lock.
type realDirectory struct {
	preset, url, admin, password string
	people, groups               string // bases
	rdn                          string // of people: uid or CN
	user                         string // userName as it follows from a uid: %s or %s@ad.test
	person                       func(dn, uid, sn string) string
	groupClass                   string // a line of an entry
	disable                      string // lines of a modification
}

func inetOrgPerson(dn, uid, sn string) string {
	return fmt.Sprintf("dn: %s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\ngivenName: Test\nsn: %s\nmail: %s@example.org\n\n", dn, uid, uid, sn, uid)
}

func (d *realDirectory) dn(uid string) string   { return d.rdn + "=" + uid + "," + d.people }
func (d *realDirectory) group(cn string) string { return "cn=" + cn + "," + d.groups }

func (d *realDirectory) newGroup(cn string, members ...string) string {
	text := fmt.Sprintf("dn: %s\n%scn: %s\n", d.group(cn), d.groupClass, cn)
	for _, m := range members {
		text += "member: " + m + "\n"
	}
	return text + "\n"
}

// seed is n people, a group of all of them, one of every seventh, and a place to move to.
func (d *realDirectory) seed(n int) string {
	var b strings.Builder
	var all, some []string
	for i := range n {
		uid := fmt.Sprintf("u%05d", i)
		b.WriteString(d.person(d.dn(uid), uid, fmt.Sprintf("Number %d", i)))
		if all = append(all, d.dn(uid)); i%7 == 0 {
			some = append(some, d.dn(uid))
		}
	}
	fmt.Fprintf(&b, "dn: ou=moved,%s\nobjectClass: organizationalUnit\nou: moved\n\n", d.people)
	return b.String() + d.newGroup("all", all...) + d.newGroup("some", some...)
}

// step is a change of the directory, and the changes that it comes to.
type step struct {
	name    string
	ldif    string
	changes int
}

// steps are what happens in a directory.
func (d *realDirectory) steps() []step {
	people := func(n int) string { return d.dn(fmt.Sprintf("u%05d", n)) }
	modify := func(dn, lines string) string { return "dn: " + dn + "\nchangetype: modify\n" + lines + "\n" }
	add := func(entry string) string { return strings.Replace(entry, "\n", "\nchangetype: add\n", 1) }
	rename := "dn: " + people(3) + "\nchangetype: modrdn\nnewrdn: " + d.rdn + "=renamed\ndeleteoldrdn: 1\n\n"
	newcomer, leaver := 1, 2 // the person, and the group that loses a member
	if d.preset == "ad" {
		newcomer, leaver = 3, 4 // Domain Users and Users, which has that, too
		// Its RDN is not its name.
		rename += modify(d.dn("renamed"), "replace: userPrincipalName\nuserPrincipalName: renamed@ad.test\n")
	}
	return []step{
		{"nothing", "", 0},
		{"add", add(d.person(d.dn("new"), "new", "Comer")), newcomer},
		{"change", modify(people(1), "replace: sn\nsn: Wed\n"), 1},
		{"rename", rename, 1},
		{"move", "dn: " + people(4) + "\nchangetype: modrdn\nnewrdn: " + d.rdn + "=u00004\ndeleteoldrdn: 1\nnewsuperior: ou=moved," + d.people + "\n\n", 0},
		{"disable", modify(people(5), d.disable), 1},
		{"delete", "dn: " + people(6) + "\nchangetype: delete\n\n", leaver},
		{"members of a group", modify(d.group("some"), "add: member\nmember: "+people(8)+"\n-\ndelete: member\nmember: "+people(7)+"\n"), 1},
		{"a group in a group", add(d.newGroup("outer", d.group("some"), people(9))), 1},
		{"a circle of groups", modify(d.group("some"), "add: member\nmember: "+d.group("outer")+"\n"), 1},
		{"a group renamed", "dn: " + d.group("some") + "\nchangetype: modrdn\nnewrdn: cn=several\ndeleteoldrdn: 1\n\n", 1},
	}
}

// plainEntry is an entry of an LDIF that ldapsearch wrote.
type plainEntry map[string][]string

func (e plainEntry) first(name string) string {
	if v := e[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// search reads a directory with ldapsearch: another program, and a reader that shares no code with
// ours.
func (d *realDirectory) search(t *testing.T, base, filter string) []plainEntry {
	t.Helper()
	out, err := exec.Command(testserver.Need(t, "ldapsearch"), "-LLL", "-o", "ldif-wrap=no", "-x", "-H", d.url, "-D", d.admin, "-w", d.password,
		"-b", base, filter, "*", "nsAccountLock", "pwdAccountLockedTime").Output()
	if err != nil {
		t.Fatalf("ldapsearch %s: %v", base, err)
	}
	var entries []plainEntry
	for block := range strings.SplitSeq(string(out), "\n\n") {
		e := plainEntry{}
		for line := range strings.Lines(block) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if ok && !strings.HasPrefix(name, "#") {
				e[strings.ToLower(name)] = append(e[strings.ToLower(name)], value) // none that is compared is in base64
			}
		}
		if e["dn"] != nil {
			entries = append(entries, e)
		}
	}
	return entries
}

func (d *realDirectory) change(t *testing.T, ldif string) {
	t.Helper()
	cmd := exec.Command(testserver.Need(t, "ldapmodify"), "-x", "-H", d.url, "-D", d.admin, "-w", d.password)
	cmd.Stdin = strings.NewReader(ldif)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ldapmodify: %v\n%s\n%s", err, out, ldif)
	}
}

// holdings is people and groups, in words: userName to what is known of it, displayName to the
// userNames of the members.
type holdings struct {
	Users  map[string]string
	Groups map[string][]string
}

// reference is what the directory comes to, worked out as plainly as can be.
func (d *realDirectory) reference(t *testing.T) holdings {
	t.Helper()
	h := holdings{map[string]string{}, map[string][]string{}}
	byDN := map[string]string{}    // of a person: userName
	primary := map[string]string{} // userName to primaryGroupID
	for _, e := range d.search(t, d.people, "(sn=*)") {
		name, active := e.first("uid"), e.first("pwdaccountlockedtime") == "" && e.first("nsaccountlock") == ""
		if d.preset == "ad" {
			name, active = e.first("userprincipalname"), e.first("useraccountcontrol") != "546"
			primary[name] = e.first("primarygroupid")
		}
		byDN[strings.ToLower(e.first("dn"))] = name
		h.Users[name] = fmt.Sprint(e.first("cn"), "/", e.first("givenname"), "/", e.first("sn"), "/", e.first("mail"), "/", active)
	}
	groups := map[string]plainEntry{}
	for _, e := range d.search(t, d.groups, "(|(objectClass=groupOfNames)(objectClass=group))") {
		groups[strings.ToLower(e.first("dn"))] = e
	}
	for _, e := range groups {
		members := map[string]bool{}
		var visit func(e plainEntry, seen map[string]bool)
		visit = func(e plainEntry, seen map[string]bool) {
			seen[e.first("dn")] = true
			for _, m := range e["member"] {
				m = strings.ToLower(m)
				if name := byDN[m]; name != "" {
					members[name] = true
				} else if sub, ok := groups[m]; ok && !seen[sub.first("dn")] {
					visit(sub, seen)
				}
			}
			for name, rid := range primary {
				if e.first("cn") == "Domain Users" && rid == "513" || e.first("cn") == "Domain Guests" && rid == "514" {
					members[name] = true
				}
			}
		}
		visit(e, map[string]bool{})
		names := []string{}
		for name := range members {
			names = append(names, name)
		}
		slices.Sort(names)
		h.Groups[e.first("cn")] = names
	}
	return h
}

// held is the same, of a server of ours.
func (s *served) held() holdings {
	s.t.Helper()
	h := holdings{map[string]string{}, map[string][]string{}}
	name := map[string]string{}
	for _, r := range s.all("/scim/v2/Users") {
		names, _ := r["name"].(map[string]any)
		mail := ""
		if list, _ := r["emails"].([]any); len(list) > 0 {
			mail, _ = list[0].(map[string]any)["value"].(string)
		}
		user := r["userName"].(string)
		name[r["id"].(string)] = user
		h.Users[user] = fmt.Sprint(r["displayName"], "/", names["givenName"], "/", names["familyName"], "/", mail, "/", r["active"])
	}
	for _, r := range s.all("/scim/v2/Groups") {
		members := []string{}
		list, _ := r["members"].([]any)
		for _, m := range list {
			members = append(members, name[m.(map[string]any)["value"].(string)])
		}
		slices.Sort(members)
		h.Groups[r["displayName"].(string)] = members
	}
	return h
}

// all reads every page of a list.
func (s *served) all(path string) (all []map[string]any) {
	s.t.Helper()
	for {
		a := s.want(200, "GET", fmt.Sprintf("%s?count=1000&startIndex=%d", path, len(all)+1), "")
		list, _ := a.body["Resources"].([]any)
		for _, r := range list {
			all = append(all, r.(map[string]any))
		}
		if total, _ := a.body["totalResults"].(float64); len(list) == 0 || len(all) >= int(total) {
			return all
		}
	}
}

func (s *served) runCorp(t *testing.T) *dirsync.Report {
	t.Helper()
	code, out, errs := s.cli("sync", "run", "corp", "-o", "json")
	var r dirsync.Report
	if err := json.NewDecoder(bytes.NewBufferString(out)).Decode(&r); err != nil {
		t.Fatalf("sync run = %d %v\n%s%s", code, err, out, errs)
	}
	return &r
}

// check compares what we hold with the reference. gone are people who are no longer in the
// directory, as they were: disabled, and members of nothing.
func (s *served) check(t *testing.T, d *realDirectory, gone map[string]string) {
	t.Helper()
	want, got := d.reference(t), s.held()
	for name, person := range gone {
		want.Users[name] = person
	}
	for name := range want.Users {
		if got.Users[name] != want.Users[name] {
			t.Errorf("%s = %q, want %q", name, got.Users[name], want.Users[name])
		}
	}
	for name := range want.Groups {
		if !slices.Equal(got.Groups[name], want.Groups[name]) {
			t.Errorf("%s has %d members, want %d\n%.300v\n%.300v", name, len(got.Groups[name]), len(want.Groups[name]), got.Groups[name], want.Groups[name])
		}
	}
	if len(got.Users) != len(want.Users) || len(got.Groups) != len(want.Groups) {
		t.Errorf("%d users and %d groups, want %d and %d", len(got.Users), len(got.Groups), len(want.Users), len(want.Groups))
	}
}

// serve starts a server of ours and does the first run.
func (d *realDirectory) serve(t *testing.T) *served {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", fmt.Sprintf(`sources:
  corp:
    type: ldap
    preset: %s
    url: %q
    bind_dn: %q
    bind_password: %q
    users: { base: %q, filter: "(sn=*)" }
    groups: { base: %q }
`, d.preset, d.url, d.admin, d.password, d.people, d.groups))
	if r := s.runCorp(t); r.Result != dirsync.OK {
		t.Fatalf("the first run was %s: %s %+v", r.Result, r.Error, r.Errors)
	}
	s.check(t, d, nil)
	return s
}

// follow runs through every step, and compares after each.
func (d *realDirectory) follow(t *testing.T, more ...step) {
	s := d.serve(t)
	gone := map[string]string{}
	for _, step := range append(d.steps(), more...) {
		if step.name == "delete" {
			name := fmt.Sprintf(d.user, "u00006")
			gone[name] = strings.TrimSuffix(s.held().Users[name], "true") + "false"
		}
		if step.ldif != "" {
			d.change(t, step.ldif)
		}
		r := s.runCorp(t)
		if r.Result != dirsync.OK || r.ChangeCount != step.changes {
			t.Errorf("%s: the run was %s with %d changes, want ok with %d: %s %+v %+v", step.name, r.Result, r.ChangeCount, step.changes, r.Error, r.Errors, r.Changes)
		}
		s.check(t, d, gone)
		if t.Failed() {
			t.Fatalf("that was after: %s", step.name)
		}
	}
	s.stop()
}

// What is in the store is what the directory says, after every kind of change, on three real servers.
func TestDirectories(t *testing.T) {
	t.Parallel()
	testserver.Long(t)
	const trunk = "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n" +
		"dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: people\n\n" +
		"dn: ou=groups,dc=example,dc=org\nobjectClass: organizationalUnit\nou: groups\n\n"
	d := realDirectory{people: "ou=people,dc=example,dc=org", groups: "ou=groups,dc=example,dc=org", rdn: "uid", user: "%s",
		person: inetOrgPerson, groupClass: "objectClass: groupOfNames\n"}
	t.Run("slapd", func(t *testing.T) {
		d := d
		d.preset, d.disable = "openldap", "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
		s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: d.seed(testserver.Rounds(200, 5000))})
		d.url, d.admin, d.password = s.URL, s.AdminDN, s.Password
		d.follow(t)
	})
	t.Run("389-DS", func(t *testing.T) {
		d := d
		d.preset, d.disable = "389ds", "add: nsAccountLock\nnsAccountLock: true\n"
		s := testserver.Start389(t, trunk+d.seed(testserver.Rounds(200, 5000)))
		d.url, d.admin, d.password = s.URL, s.AdminDN, s.Password
		d.follow(t)
	})
	t.Run("a group of 5,000", func(t *testing.T) {
		d := d
		d.preset = "openldap"
		s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: d.seed(5000)})
		d.url, d.admin, d.password = s.URL, s.AdminDN, s.Password
		ours := d.serve(t)
		d.change(t, "dn: "+d.group("all")+"\nchangetype: modify\ndelete: member\nmember: "+d.dn("u02500")+"\n")
		if r := ours.runCorp(t); r.ChangeCount != 1 || r.Counts.MembersRemoved != 1 || r.Counts.MembersAdded != 0 {
			t.Errorf("the run changed %d and removed %d members, want one each", r.ChangeCount, r.Counts.MembersRemoved)
		}
		ours.check(t, &d, nil)
	})
	t.Run("Samba AD", func(t *testing.T) {
		d := realDirectory{preset: "ad", people: "OU=People,DC=ad,DC=test", groups: "DC=ad,DC=test", rdn: "CN", user: "%s@ad.test",
			groupClass: "objectClass: group\n", disable: "replace: userAccountControl\nuserAccountControl: 546\n",
			person: func(dn, uid, sn string) string {
				return fmt.Sprintf("dn: %s\nobjectClass: user\ncn: %s\nsAMAccountName: %s\nuserPrincipalName: %s@ad.test\nuserAccountControl: 544\n"+
					"givenName: Test\nsn: %s\nmail: %s@example.org\n\n", dn, uid, uid, uid, sn, uid)
			}}
		// Each person takes its offline load some 7 ms.
		s := testserver.StartSamba(t, "dn: OU=People,DC=ad,DC=test\nobjectClass: organizationalUnit\n\n"+d.seed(testserver.Rounds(60, 5000)))
		d.url, d.admin, d.password = s.URL, s.AdminDN, s.Password
		d.follow(t, step{"primary group", "dn: CN=Domain Guests,CN=Users,DC=ad,DC=test\nchangetype: modify\nadd: member\nmember: " + d.dn("u00010") + "\n\n" +
			"dn: " + d.dn("u00010") + "\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: 514\n\n", 2})
	})
}
