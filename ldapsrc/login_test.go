package ldapsrc

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/scim"

	"github.com/go-ldap/ldap/v3"
)

func TestCheckPassword(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(20) +
		"dn: uid=outside,ou=groups,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: outside\ncn: Out\nsn: Side\nuserPassword: outside-secret\nentryUUID: d0000000-0000-4000-8000-000000000001\n\n"})
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	src := reader(t, s, func(c *Config) { c.Logger = logger })
	dead := reader(t, s, func(c *Config) { c.Logger, c.URLs = logger, []string{deadURL(t)} })
	untrusted := reader(t, s, func(c *Config) { c.Logger, c.URLs, c.CAFile = logger, []string{s.TLSURL}, testserver.NewCA(t).File })
	account := reader(t, s, func(c *Config) { c.Logger, c.Password = logger, password("wrong") })
	tls := reader(t, s, func(c *Config) { c.URLs, c.CAFile = []string{s.TLSURL}, s.CA.File })
	logins := Logins{"corp": src, "dead": dead, "untrusted": untrusted, "account": account, "tls": tls}
	a := admin(t, s, s.AdminDN)
	modify := func(dn, attribute, value string) {
		t.Helper()
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace(attribute, []string{value})
		if err := a.Modify(m); err != nil {
			t.Fatal(err)
		}
	}
	const ada, locked, moved = "a0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000002", "a0000000-0000-4000-8000-000000000003"
	modify("uid=u00002,ou=people,dc=example,dc=org", "pwdAccountLockedTime", permanentLock)
	if err := a.ModifyDN(&ldap.ModifyDNRequest{DN: "uid=u00003,ou=people,dc=example,dc=org", NewRDN: "uid=married", DeleteOldRDN: true}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 72)
	modify("uid=u00004,ou=people,dc=example,dc=org", "userPassword", long+"a")
	const right = "never-to-be-seen"
	for _, c := range []struct {
		name, source, id, password string
		want                       error
	}{
		{"right", "corp", ada, right, nil},
		{"over TLS", "tls", ada, right, nil},
		{"wrong", "corp", ada, "wrong-secret", scim.ErrUnauthenticated},
		{"empty", "corp", ada, "", scim.ErrUnauthenticated},
		{"NUL", "corp", ada, "\x00", scim.ErrUnauthenticated},
		{"NUL behind it", "corp", ada, right + "\x00", scim.ErrUnauthenticated},
		{"the 73rd byte counts", "corp", "a0000000-0000-4000-8000-000000000004", long + "b", scim.ErrUnauthenticated},
		{"all bytes count", "corp", "a0000000-0000-4000-8000-000000000004", long + "a", nil},
		{"too long", "corp", ada, strings.Repeat("x", maxPassword+1), scim.ErrUnauthenticated},
		{"no id", "corp", "", right, scim.ErrUnauthenticated},
		{"nobody", "corp", "a0000000-0000-4000-8000-999999999999", right, scim.ErrUnauthenticated},
		{"not an id", "corp", "*", right, scim.ErrUnauthenticated},
		{"an id that would be a filter", "corp", "*)(uid=u00001", right, scim.ErrUnauthenticated},
		{"locked", "corp", locked, right, scim.ErrUnauthenticated},
		{"renamed since the last run", "corp", moved, right, nil},
		{"out of the source's scope", "corp", "d0000000-0000-4000-8000-000000000001", "outside-secret", scim.ErrUnauthenticated},
		{"no such source", "none", ada, right, scim.ErrUnavailable},
		{"server down", "dead", ada, right, scim.ErrUnavailable},
		{"not to be trusted", "untrusted", ada, right, scim.ErrUnavailable},
		{"our own account is refused", "account", ada, right, scim.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := logins.CheckPassword(t.Context(), c.source, c.id, "u00001", c.password)
			if !errors.Is(err, c.want) {
				t.Errorf("CheckPassword = %v, want %v", err, c.want)
			}
			if err != nil && c.password != "" && strings.Contains(err.Error(), c.password) {
				t.Errorf("CheckPassword = %v: it has the password", err)
			}
		})
	}
	for _, secret := range []string{right, "wrong-secret", s.Password + "\""} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// Where StartTLS is stripped, no password crosses the network.
func TestCheckPasswordStripped(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(10)})
	w := startWire(t, s.Addr)
	var mu sync.Mutex
	var seen bytes.Buffer
	w.request = func(b []byte) { mu.Lock(); defer mu.Unlock(); seen.Write(b) }
	w.answer = func(b []byte) []byte {
		if bytes.Contains(b, []byte("1.3.6.1.4.1.1466.20037")) {
			return []byte("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00")
		}
		return nil
	}
	src := reader(t, s, func(c *Config) { c.URLs, c.TLS, c.CAFile = []string{w.url}, TLSOn, s.CA.File })
	err := Logins{"corp": src}.CheckPassword(t.Context(), "corp", "a0000000-0000-4000-8000-000000000001", "u00001", "never-to-be-seen")
	if !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("CheckPassword = %v, want ErrUnavailable", err)
	}
	err = src.bindAs(t.Context(), src.endpoints[0], "uid=u00001,ou=people,dc=example,dc=org", "never-to-be-seen")
	if !errors.Is(err, ErrUntrusted) {
		t.Errorf("bindAs = %v, want ErrUntrusted", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, secret := range []string{"never-to-be-seen", s.Password} {
		if bytes.Contains(seen.Bytes(), []byte(secret)) {
			t.Errorf("%q crossed the network", secret)
		}
	}
}

// The filter finds the entry again, whichever way a server writes its ids.
func TestAssertion(t *testing.T) {
	const id = "6c3e8615-e613-11f1-92ae-f6d7c3f406eb"
	for attribute, want := range map[string]string{
		"entryUUID": id, "ipaUniqueID": id,
		"nsUniqueId":     "6c3e8615-e61311f1-92aef6d7-c3f406eb",
		"objectGUID":     `\15\86\3e\6c\13\e6\f1\11\92\ae\f6\d7\c3\f4\06\eb`,
		"employeeNumber": id,
	} {
		if got, err := assertion(attribute, id); err != nil || got != want {
			t.Errorf("assertion(%s) = %q, %v, want %q", attribute, got, err, want)
		}
	}
	if got, err := assertion("employeeNumber", "a*)(b"); err != nil || got != `a\2a\29\28b` {
		t.Errorf("assertion = %q, %v", got, err)
	}
}
