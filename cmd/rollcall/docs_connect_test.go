package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// TestConnectPages types what docs/connect/ says of each provider, against a server with the
// page's settings: where the page plays the provider, nothing may be refused or lost.
func TestConnectPages(t *testing.T) {
	testserver.Need(t, "curl")
	pages := 0
	for name, page := range documents(t) {
		if filepath.Dir(name) != "docs/connect" {
			continue
		}
		pages++
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			config := ""
			for _, settings := range blocks(page, "yaml") {
				checkConfig(t, settings)
				if !strings.Contains(settings, "sources:") { // their files are not there
					config = settings
				}
			}
			s := inProcessServer(t, config)
			dir := t.TempDir()
			for _, table := range blocks(page, "csv") {
				write(t, filepath.Join(dir, "people.csv"), table, 0o600)
			}
			script := strings.ReplaceAll(strings.Join(typedLines(page), "\n"), "https://scim.example.com", s.base)
			out := typeIn(t, dir, script, "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken)
			if plays, well := strings.Count(script, "rollcall simulate"), strings.Count(out, "0 refused; 0 values lost"); plays != well {
				t.Errorf("%d of %d runs of the simulator had nothing refused and nothing lost:\n%s", well, plays, out)
			}
			for want, of := range map[string]string{`"active":false,"userName":"grace@example.com","groups":[{`: "curl.md", "2 created": "google.md", "0 created": "google.md"} {
				if filepath.Base(name) == of && !strings.Contains(out, want) {
					t.Errorf("the page's commands do not print %s:\n%s", want, out)
				}
			}
		})
	}
	if pages < 8 {
		t.Errorf("%d pages were found, want 8 or more", pages)
	}
}

// TestDirectoryPages holds that the configuration of each page of docs/ldap/ is one, and that
// every preset of a directory with a page is used there.
func TestDirectoryPages(t *testing.T) {
	for _, name := range []string{"openldap", "ad", "389ds", "freeipa"} {
		page := documents(t)["docs/ldap/"+name+".md"]
		settings := blocks(page, "yaml")
		if len(settings) != 1 || !strings.Contains(settings[0], "preset: "+name+"\n") {
			t.Fatalf("%s.md has %d configurations, want one with its preset", name, len(settings))
		}
		ca := testserver.NewCA(t)
		checkConfig(t, strings.ReplaceAll(settings[0], "/run/secrets/ca", ca.File))
	}
}

// TestOpenLDAPPage follows docs/ldap/openldap.md on a slapd that ends a search after 500 entries,
// and has more people than that.
func TestOpenLDAPPage(t *testing.T) {
	testserver.Long(t)
	t.Parallel()
	modify := testserver.Need(t, "ldapmodify")
	page := documents(t)["docs/ldap/openldap.md"]
	var people strings.Builder
	for i := range 600 {
		fmt.Fprintf(&people, "dn: uid=p%d,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: p%d\ncn: Person %d\nsn: %d\n\n", i, i, i, i)
	}
	slapd := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: people.String(), NoSync: true,
		ACL: []string{"to attrs=userPassword by anonymous auth by * none", "to * by * none"}, Database: []string{"olcSizeLimit: 500"}})
	dir := t.TempDir()
	change := func(ldif, as string) {
		t.Helper()
		file := write(t, filepath.Join(dir, "change.ldif"), ldif, 0o600)
		if out, err := exec.Command(modify, "-x", "-H", slapd.URL, "-D", as, "-w", slapd.Password, "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("ldapmodify: %v\n%s\n%s", err, out, ldif)
		}
	}
	changes := blocks(page, "ldif")
	if len(changes) != 3 {
		t.Fatalf("the page has %d changes, want 3", len(changes))
	}
	change(changes[0], slapd.AdminDN)
	change(changes[1], slapd.ConfigDN)
	change(changes[2], slapd.ConfigDN)

	secret := write(t, filepath.Join(dir, "secret"), "change-me-change-me\n", 0o600)
	config := strings.NewReplacer("/run/secrets/ldap", secret, "ldaps://ldap.example.org", slapd.TLSURL+"\n    ca_file: "+slapd.CA.File).Replace(blocks(page, "yaml")[0])
	write(t, filepath.Join(dir, "rollcall.yaml"), config, 0o600)
	var printed strings.Builder
	for _, command := range typedLines(page) {
		printed.WriteString(typeIn(t, dir, command))
	}
	if !strings.Contains(printed.String(), "600 created") {
		t.Errorf("the page's commands do not print that 600 were created:\n%s", &printed)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "rollcall.db")); err != nil || strings.Contains(string(data), "change-me") {
		t.Errorf("the store is not there, or has the password of the account: %v", err)
	}
}

// Test389Page gives a 389-DS the account of docs/ldap/389ds.md, which reads all of it.
func Test389Page(t *testing.T) {
	testserver.Long(t)
	t.Parallel()
	modify := testserver.Need(t, "ldapmodify")
	page := documents(t)["docs/ldap/389ds.md"]
	ds := testserver.Start389(t, `dn: dc=example,dc=org
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: Lovelace

`)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "change.ldif"), blocks(page, "ldif")[0], 0o600)
	if out, err := exec.Command(modify, "-x", "-H", ds.URL, "-D", ds.AdminDN, "-w", ds.Password, "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ldapmodify: %v\n%s", err, out)
	}
	secret := write(t, filepath.Join(dir, "secret"), "change-me-change-me\n", 0o600)
	write(t, filepath.Join(dir, "rollcall.yaml"), strings.NewReplacer("/run/secrets/ldap", secret, "ldaps://ds.example.org", ds.URL).Replace(blocks(page, "yaml")[0]), 0o600)
	if out := typeIn(t, dir, "rollcall sync run corp"); !strings.Contains(out, "1 created") {
		t.Errorf("sync run prints %s", out)
	}
}
