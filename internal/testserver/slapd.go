package testserver

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
)

// SlapdOptions say what a slapd holds and how it behaves.
type SlapdOptions struct {
	// Seed is LDIF, loaded offline. Where it does not begin with the suffix itself, the
	// suffix, ou=people and ou=groups are put before it. Overlays see none of it:
	// memberOf of seeded groups must be in the seed.
	Seed   string
	Suffix string // "" for dc=example,dc=org
	CA     *CA    // signs the server's certificate; nil for a new one
	// ACL replaces the access rules (olcAccess values). The default lets everybody read all but passwords.
	ACL []string
	// Limits are olcLimits values, such as
	// `dn.exact="cn=reader,dc=example,dc=org" size.soft=5 size.hard=5`. By default nothing is limited.
	Limits []string
	Global []string // more lines for cn=config, such as "olcAttributeOptions: lang- range="
	// Database has more lines for the database, Extra more entries of the configuration.
	Database []string
	Extra    string
	NoSync   bool // leaves out syncprov, and with it the cost of its session log
}

// Slapd is a running OpenLDAP server with the overlays memberof, refint, syncprov and
// ppolicy, StartTLS and ldaps.
type Slapd struct {
	*Proc
	URL, TLSURL string
	SocketURL   string // ldapi
	Addr        string // host and port of URL
	Suffix      string
	AdminDN     string // may do everything, is limited by nothing
	ConfigDN    string // the same for cn=config: change ACLs, limits and indexes live
	Password    string // of both
	CA          *CA
	dir         string
	args        []string
	port        int
}

// StartSlapd starts a server and waits until it answers.
func StartSlapd(t testing.TB, o SlapdOptions) *Slapd {
	t.Helper()
	Need(t, "slapd")
	slapadd := Need(t, "slapadd")
	if o.Suffix == "" {
		o.Suffix = "dc=example,dc=org"
	}
	if o.CA == nil {
		o.CA = NewCA(t)
	}
	s := &Slapd{Suffix: o.Suffix, AdminDN: "cn=admin," + o.Suffix, ConfigDN: "cn=config", Password: "secret", CA: o.CA, dir: t.TempDir()}
	cert, key := o.CA.Issue(t, "localhost", "127.0.0.1")
	conf, db := filepath.Join(s.dir, "conf"), filepath.Join(s.dir, "db")
	for _, d := range []string{conf, db} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var config bytes.Buffer
	err := slapdConfig.Execute(&config, map[string]any{"O": o, "S": s, "Dir": s.dir, "DB": db, "Cert": cert, "Key": key})
	if err != nil {
		t.Fatal(err)
	}
	s.load(t, slapadd, "0", conf, config.String())
	s.load(t, slapadd, "1", conf, seed(o))
	s.port = FreePort(t)
	tlsPort := FreePort(t)
	s.Addr = fmt.Sprintf("127.0.0.1:%d", s.port)
	s.URL, s.TLSURL = "ldap://"+s.Addr, fmt.Sprintf("ldaps://127.0.0.1:%d", tlsPort)
	s.SocketURL = "ldapi://" + strings.ReplaceAll(filepath.Join(s.dir, "ldapi"), "/", "%2F")
	s.args = []string{"-d", "0", "-h", s.URL + "/ " + s.TLSURL + "/ " + s.SocketURL, "-F", conf}
	s.Restart(t)
	return s
}

// Restart starts the server again on its data, after a Kill.
func (s *Slapd) Restart(t testing.TB) {
	t.Helper()
	s.Proc = Start(t, filepath.Join(s.dir, "log"), Need(t, "slapd"), s.args...)
	s.WaitTCP(t, s.port)
}

func (s *Slapd) load(t testing.TB, slapadd, database, conf, ldif string) {
	t.Helper()
	if ldif == "" {
		return
	}
	file := filepath.Join(s.dir, "load"+database+".ldif")
	if err := os.WriteFile(file, []byte(ldif), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(slapadd, "-q", "-n", database, "-F", conf, "-l", file).CombinedOutput(); err != nil {
		t.Fatalf("slapadd -n %s: %v\n%s", database, err, out)
	}
}

// seed puts the tree's trunk before a seed that has none.
func seed(o SlapdOptions) string {
	first, _, _ := strings.Cut(strings.TrimSpace(o.Seed), "\n")
	if strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(first, "dn:")), o.Suffix) {
		return o.Seed
	}
	rdn, _, _ := strings.Cut(strings.TrimPrefix(o.Suffix, "dc="), ",")
	return fmt.Sprintf(`dn: %[1]s
objectClass: dcObject
objectClass: organization
dc: %[2]s
o: Example

dn: ou=people,%[1]s
objectClass: organizationalUnit
ou: people

dn: ou=groups,%[1]s
objectClass: organizationalUnit
ou: groups

`, o.Suffix, rdn) + o.Seed
}

// slapdConfig is cn=config. Nothing is synced to disk, since nothing outlives a test.
var slapdConfig = template.Must(template.New("config").Parse(`dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {{.Dir}}/pid
olcArgsFile: {{.Dir}}/args
olcTLSCACertificateFile: {{.O.CA.File}}
olcTLSCertificateFile: {{.Cert}}
olcTLSCertificateKeyFile: {{.Key}}
olcThreads: 4
olcServerID: 1
{{range .O.Global}}{{.}}
{{end}}
dn: cn=module{0},cn=config
objectClass: olcModuleList
cn: module{0}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: memberof
olcModuleLoad: refint
olcModuleLoad: syncprov
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/nis.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif

dn: olcDatabase={-1}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {-1}frontend
olcSizeLimit: size.soft=unlimited size.hard=unlimited size.prtotal=unlimited

dn: olcDatabase={0}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {0}config
olcRootDN: {{.S.ConfigDN}}
olcRootPW: {{.S.Password}}

dn: olcDatabase={1}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {1}mdb
olcDbDirectory: {{.DB}}
olcSuffix: {{.S.Suffix}}
olcRootDN: {{.S.AdminDN}}
olcRootPW: {{.S.Password}}
olcDbMaxSize: 4294967296
olcDbEnvFlags: nosync
olcDbMultival: member 200,100
olcDbIndex: objectClass,entryCSN,entryUUID,modifyTimestamp eq
olcDbIndex: uid,mail,cn,sn,member,memberOf,uniqueMember eq
{{range .O.Database}}{{.}}
{{end}}{{range .O.Limits}}olcLimits: {{.}}
{{end}}{{range .O.ACL}}olcAccess: {{.}}
{{else}}olcAccess: to attrs=userPassword by self write by anonymous auth by * none
olcAccess: to * by * read
{{end}}
dn: olcOverlay=memberof,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcMemberOfConfig
olcOverlay: memberof
olcMemberOfRefInt: FALSE

dn: olcOverlay=refint,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcRefintConfig
olcOverlay: refint
olcRefintAttribute: member
olcRefintAttribute: manager
olcRefintNothing: {{.S.AdminDN}}

dn: olcOverlay=ppolicy,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: ppolicy
olcPPolicyDefault: cn=default,ou=policies,{{.S.Suffix}}
{{if not .O.NoSync}}
dn: olcOverlay=syncprov,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: syncprov
olcSpCheckpoint: 100 10
olcSpSessionlog: 10000
{{end}}
{{.O.Extra}}
`))
