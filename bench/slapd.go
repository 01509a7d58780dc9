package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// slapd is an OpenLDAP server with a tree of some size.
type slapd struct {
	*proc
	url          string
	password     string // of readerDN
	passwordFile string
}

// readerDN may read everything.
const readerDN = "cn=reader," + suffix

// slapdConfig is cn=config: one database, with the indexes that a reader needs. Nothing is
// synced to disk, since nothing outlives the run.
var slapdConfig = template.Must(template.New("slapd").Parse(`dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {{.Dir}}/pid
olcArgsFile: {{.Dir}}/args
olcToolThreads: 2
olcThreads: 4

dn: cn=module{0},cn=config
objectClass: olcModuleList
cn: module{0}
olcModulePath: {{.Modules}}
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy
olcModuleLoad: syncprov

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema
{{range .Schemas}}
include: file://{{.}}
{{end}}
dn: olcDatabase={-1}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {-1}frontend
olcSizeLimit: size.soft=unlimited size.hard=unlimited size.prtotal=unlimited

dn: olcDatabase={1}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {1}mdb
olcDbDirectory: {{.Dir}}/db
olcSuffix: {{.Suffix}}
olcRootDN: {{.Reader}}
olcRootPW: {{.Password}}
olcDbMaxSize: 4294967296
olcDbEnvFlags: nosync
olcDbMultival: member 200,100
olcDbIndex: objectClass,entryUUID,entryCSN,uid,cn eq
olcAccess: to * by * read

dn: olcOverlay=syncprov,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: syncprov
olcSpSessionlog: 10000
`))

// Where the packages of the distributions keep what slapd needs.
var (
	slapdModules = []string{"/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap"}
	slapdSchemas = []string{"/etc/ldap/schema", "/etc/openldap/schema"}
)

func (w *workshop) startSlapd(ctx context.Context, t tree) (*slapd, error) {
	name := fmt.Sprintf("slapd-%d", t.people)
	dir := w.path(name)
	for _, d := range []string{dir, filepath.Join(dir, "conf"), filepath.Join(dir, "db")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	s := &slapd{password: secret()}
	var err error
	// No line end: ldapsearch -y takes the whole file.
	if s.passwordFile, err = w.write(name+".password", s.password); err != nil {
		return nil, err
	}
	if err := w.seedSlapd(ctx, dir, s.password, t); err != nil {
		return nil, err
	}
	path, err := program("slapd")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s.url = "ldap://" + addr
	cmd := exec.Command(path, "-d", "0", "-h", s.url+"/", "-F", filepath.Join(dir, "conf"))
	s.proc, err = w.start(ctx, name, cmd, answers(addr))
	return s, err
}

// seedSlapd loads configuration and tree while no server runs.
func (w *workshop) seedSlapd(ctx context.Context, dir, password string, t tree) error {
	slapadd, err := program("slapadd")
	if err != nil {
		return err
	}
	modules, err := firstFolder(slapdModules)
	if err != nil {
		return err
	}
	schemas, err := firstFolder(slapdSchemas)
	if err != nil {
		return err
	}
	var files []string
	for _, s := range []string{"core", "cosine", "nis", "inetorgperson"} {
		files = append(files, filepath.Join(schemas, s+".ldif"))
	}
	var config strings.Builder
	err = slapdConfig.Execute(&config, map[string]any{
		"Dir": dir, "Modules": modules, "Schemas": files, "Suffix": suffix, "Reader": readerDN, "Password": password,
	})
	if err != nil {
		return err
	}
	for i, write := range []func(*bufio.Writer) error{
		func(b *bufio.Writer) error { _, err := b.WriteString(config.String()); return err },
		func(b *bufio.Writer) error { return t.writeLDIF(b) },
	} {
		ldif := filepath.Join(dir, fmt.Sprintf("seed%d.ldif", i))
		if err := writeFile(ldif, write); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, slapadd, "-q", "-n", fmt.Sprint(i), "-F", filepath.Join(dir, "conf"), "-l", ldif)
		if _, err := w.output(ctx, cmd); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(*bufio.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(write(b), b.Flush(), f.Close())
}

func firstFolder(paths []string) (string, error) {
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			return p, nil
		}
	}
	return "", fmt.Errorf("none of %v is there: apt-get install slapd", paths)
}
