package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"rollcall/internal/testserver"

	"github.com/go-ldap/ldap/v3"
)

// zone is what the DNS says: "_ldap._tcp.example.com" to servers.
type zone map[string][]string

func (z zone) lookup(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	full := fmt.Sprintf("_%s._%s.%s", service, proto, name)
	servers, ok := z[full]
	if !ok {
		return "", nil, &net.DNSError{Err: "no such host", Name: full, IsNotFound: true}
	}
	var records []*net.SRV
	for _, s := range servers {
		host, port, _ := net.SplitHostPort(s)
		n, _ := strconv.ParseUint(port, 10, 16)
		records = append(records, &net.SRV{Target: host, Port: uint16(n)})
	}
	return full, records, nil
}

func TestSRV(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(20)})
	_, port, _ := net.SplitHostPort(s.Addr)
	_, tlsPort, _ := net.SplitHostPort(strings.TrimPrefix(s.TLSURL, "ldaps://"))
	dead := fmt.Sprintf("localhost.:%d", testserver.FreePort(t))
	for _, c := range []struct {
		name string
		url  string
		zone zone
		ca   string
		kind error
		says string
	}{
		{"one server", "ldap+srv://localhost", zone{"_ldap._tcp.localhost": {"localhost.:" + port}}, "", nil, ""},
		{"the first is off", "ldap+srv://localhost", zone{"_ldap._tcp.localhost": {dead, "localhost.:" + port}}, "", nil, ""},
		{"ldaps has records of its own", "ldaps+srv://localhost", zone{"_ldaps._tcp.localhost": {"localhost.:" + tlsPort}}, s.CA.File, nil, ""},
		{"the certificate has to be the host's", "ldaps+srv://localhost", zone{"_ldaps._tcp.localhost": {"localhost.:" + tlsPort}}, testserver.NewCA(t).File, ErrUntrusted, "ca_file"},
		{"ldaps at the port of ldaps where ldap alone is known", "ldaps+srv://localhost", zone{"_ldap._tcp.localhost": {"localhost.:" + port}}, s.CA.File, ErrUnreachable, "636"},
		{"a server of another domain", "ldap+srv://example.com", zone{"_ldap._tcp.example.com": {"evil.example.org.:" + port}}, "", ErrUntrusted, "outside"},
		{"no record", "ldap+srv://localhost", zone{}, "", ErrUnreachable, "SRV"},
		{"a domain without the service", "ldap+srv://localhost", zone{"_ldap._tcp.localhost": {".:0"}}, "", ErrUnreachable, "no such service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := readAll(t, reader(t, s, func(cfg *Config) { cfg.URLs, cfg.CAFile, cfg.LookupSRV = []string{c.url}, c.ca, c.zone.lookup }))
			if c.kind == nil {
				r.expect(t, 20, 11)
			} else if !errors.Is(r.end, c.kind) || !strings.Contains(r.end.Error(), c.says) {
				t.Errorf("read ended with %v, want %v that says %q", r.end, c.kind, c.says)
			}
		})
	}
	for _, bad := range []string{"ldap+srv://example.com:389", "ldapi+srv://x", "http+srv://x"} {
		if _, err := parseURL(bad); err == nil {
			t.Errorf("parseURL(%q) = nil, want an error", bad)
		}
	}
	for host, in := range map[string]bool{"dc1.example.com": true, "example.com": true, "DC1.Example.COM": true, "badexample.com": false, "example.com.evil.org": false} {
		if inDomain(host, "example.com") != in || inDomain(host, "dc._msdcs.example.com") != in {
			t.Errorf("inDomain(%q) = %v, want %v", host, !in, in)
		}
	}
}

func TestBindExternal(t *testing.T) {
	ca := testserver.NewCA(t)
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(20), CA: ca, Global: []string{"olcTLSVerifyClient: try"}, ACL: []string{
		`to * by dn.exact="cn=rollcall" read by dn.regex="^gidNumber=[0-9]+\+uidNumber=[0-9]+,cn=peercred,cn=external,cn=auth$" read by anonymous auth by * none`}})
	cert, key := ca.Issue(t, "rollcall")
	stranger, strangerKey := testserver.NewCA(t).Issue(t, "rollcall")
	external := func(c *Config) { c.Bind, c.BindDN, c.Password = BindExternal, "", nil }
	for _, c := range []struct {
		name   string
		change func(*Config)
		kind   error
	}{
		{"a certificate, ldaps", func(c *Config) {
			c.URLs, c.CAFile, c.ClientCert, c.ClientKey = []string{s.TLSURL}, ca.File, cert, key
		}, nil},
		{"a certificate, StartTLS", func(c *Config) {
			c.TLS, c.CAFile, c.ClientCert, c.ClientKey = TLSOn, ca.File, cert, key
		}, nil},
		{"who we are to a local socket", func(c *Config) { c.URLs = []string{s.SocketURL} }, nil},
		{"a stranger's certificate", func(c *Config) {
			c.URLs, c.CAFile, c.ClientCert, c.ClientKey = []string{s.TLSURL}, ca.File, stranger, strangerKey
		}, ErrUnreachable}, // the server ends the connection, and says no more
	} {
		t.Run(c.name, func(t *testing.T) {
			r := readAll(t, reader(t, s, external, c.change))
			if c.kind == nil {
				r.expect(t, 20, 11)
			} else if !errors.Is(r.end, c.kind) {
				t.Errorf("read ended with %v, want %v", r.end, c.kind)
			}
		})
	}
	for name, change := range map[string]func(*Config){
		"client_cert":            func(c *Config) { external(c); c.ClientCert, c.ClientKey = "", "" },
		"bind: external":         func(c *Config) { external(c); c.BindDN = "cn=x"; c.ClientCert, c.ClientKey = cert, key },
		"bind: \"gssapi\"":       func(c *Config) { c.Bind = "gssapi" },
		"client_cert: it takes":  func(c *Config) { c.ClientCert = cert },
		"client_cert: open /nix": func(c *Config) { c.ClientCert, c.ClientKey = "/nix", "/nix" },
	} {
		c := configOf(s)
		if change(&c); c.Validate() == nil || !strings.Contains(c.Validate().Error(), name) {
			t.Errorf("Validate = %v, want it to say %q", c.Validate(), name)
		}
	}
}

// A reference leads to a server that is named in the configuration, or nowhere.
func TestReferrals(t *testing.T) {
	far := testserver.StartSlapd(t, testserver.SlapdOptions{
		Seed: "dn: ou=far,ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: far\n\n" +
			"dn: uid=far,ou=far,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: far\ncn: Far\nsn: Away\nentryUUID: c0000000-0000-4000-8000-000000000001\n"})
	decoy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer decoy.Close()
	var visits atomic.Int32
	go func() {
		for {
			c, err := decoy.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			c.Close()
		}
	}()
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(20)})
	a := admin(t, s, s.AdminDN)
	refer := func(name, ref string) {
		t.Helper()
		add := ldap.NewAddRequest("ou="+name+",ou=people,dc=example,dc=org", []ldap.Control{ldap.NewControlManageDsaIT(true)})
		add.Attribute("objectClass", []string{"referral", "extensibleObject"})
		add.Attribute("ou", []string{name})
		add.Attribute("ref", []string{ref})
		if err := a.Add(add); err != nil {
			t.Fatal(err)
		}
	}
	refer("far", far.URL+"/ou=far,ou=people,dc=example,dc=org")
	allow := func(c *Config) { c.Referrals = []string{far.URL} }
	t.Run("none is followed", func(t *testing.T) {
		if r := readAll(t, reader(t, s)); !errors.Is(r.end, ErrIncomplete) {
			t.Errorf("read ended with %v, want ErrIncomplete", r.end)
		}
	})
	t.Run("an allowed one is, with the same name and password", func(t *testing.T) {
		r := readAll(t, reader(t, s, allow))
		if r.expect(t, 21, 11); r.users["far"].DN != "uid=far,ou=far,ou=people,dc=example,dc=org" {
			t.Errorf("far = %+v", r.users["far"])
		}
	})
	t.Run("the base itself is elsewhere", func(t *testing.T) {
		elsewhere := func(c *Config) { c.Users.Base = "ou=far,ou=people,dc=example,dc=org" }
		if r := readAll(t, reader(t, s, elsewhere)); !errors.Is(r.end, ErrIncomplete) || !strings.Contains(r.end.Error(), "referrals") {
			t.Errorf("read ended with %v, want ErrIncomplete that names referrals", r.end)
		}
		readAll(t, reader(t, s, allow, elsewhere)).expect(t, 1, 11)
	})
	t.Run("two that lead to one another end", func(t *testing.T) {
		tr := &trail{allowed: []endpoint{{host: "a", addr: "a:389"}}, req: request{base: "dc=x", scope: ScopeSub}}
		for range 3 {
			if !tr.take([]string{"ldap://a/dc=y"}) {
				t.Error("take = false, want true")
			}
		}
		if len(tr.left) != 1 {
			t.Errorf("%d searches are to follow, want 1", len(tr.left))
		}
		if tr.take([]string{"ldap://b/dc=y"}) || tr.take([]string{"ldap://a:390/dc=y"}) || tr.take([]string{"nonsense"}) || tr.take(nil) {
			t.Error("take of another server = true, want false")
		}
	})
	t.Run("another one is not", func(t *testing.T) {
		refer("decoy", "ldap://"+decoy.Addr().String()+"/ou=decoy")
		if r := readAll(t, reader(t, s, allow)); r.end == nil {
			t.Error("read was whole, want an end")
		}
		if visits.Load() != 0 {
			t.Errorf("the decoy was visited %d times, want 0", visits.Load())
		}
	})
}

func TestEntryLimit(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(50)})
	r := readAll(t, reader(t, s, func(c *Config) { c.MaxEntries = 30 }))
	if !errors.Is(r.end, ErrIncomplete) || !strings.Contains(r.end.Error(), "limits.entries") || len(r.users) != 30 {
		t.Errorf("read of %d users ended with %v, want 30 and ErrIncomplete that names limits.entries", len(r.users), r.end)
	}
}
