package testserver

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

// Samba is a running Samba AD domain controller. Its ports cannot be chosen, so it lives in a
// network namespace of its own and is reached through a local socket.
type Samba struct {
	*Proc
	URL      string // ldapi
	Base     string
	AdminDN  string // a userPrincipalName, which AD takes in place of a DN
	Password string
	dir      string
}

// StartSamba provisions a domain, loads the seed (LDIF) offline and waits until the server answers.
func StartSamba(t testing.TB, seed string) *Samba {
	t.Helper()
	server, tool := Need(t, "samba"), Need(t, "samba-tool")
	ldbadd, unshare := Need(t, "ldbadd"), Need(t, "unshare")
	// A short path: that of a socket has 107 bytes at the most.
	dir, err := os.MkdirTemp("", "ad")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Samba{Base: "DC=ad,DC=test", AdminDN: "Administrator@ad.test", Password: "Passw0rd!", dir: dir}
	s.must(t, exec.Command(tool, "domain", "provision", "--realm=AD.TEST", "--domain=AD", "--host-name=dc1", "--host-ip=127.0.0.1",
		"--adminpass="+s.Password, "--server-role=dc", "--dns-backend=NONE", "--targetdir="+dir))
	var config bytes.Buffer
	if err := sambaConfig.Execute(&config, dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "etc", "run.conf")
	for _, d := range []string{"run", "log", "ncalrpc", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, config.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if seed != "" {
		ldif := filepath.Join(dir, "seed.ldif")
		if err := os.WriteFile(ldif, []byte(seed), 0o600); err != nil {
			t.Fatal(err)
		}
		s.must(t, exec.Command(ldbadd, "-H", filepath.Join(dir, "private", "sam.ldb"), "--configfile="+file, ldif))
	}
	args := []string{"-n"}
	if os.Getuid() != 0 {
		args = append(args, "-r")
	}
	args = append(args, "sh", "-c", `ip link set lo up; exec "$0" -i -M single -s "$1" --debug-stdout -d 1`, server, file)
	s.Proc = Start(t, filepath.Join(dir, "output"), unshare, args...)
	socket := filepath.Join(dir, "private", "ldapi")
	s.URL = "ldapi://" + strings.ReplaceAll(socket, "/", "%2F")
	s.waitSocket(t, socket)
	return s
}

func (s *Samba) must(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out[max(0, len(out)-2000):])
	}
}

func (s *Samba) waitSocket(t testing.TB, socket string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.done:
			text, _ := os.ReadFile(filepath.Join(s.dir, "output"))
			t.Fatalf("samba ended before it answered:\n%s", text[max(0, len(text)-2000):])
		default:
		}
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal(fmt.Errorf("samba did not answer on %s in 60 s", socket))
}

var sambaConfig = template.Must(template.New("samba").Parse(`[global]
	netbios name = DC1
	realm = AD.TEST
	workgroup = AD
	server role = active directory domain controller
	server services = ldap
	private dir = {{.}}/private
	state directory = {{.}}/state
	cache directory = {{.}}/cache
	lock directory = {{.}}
	pid directory = {{.}}/run
	ncalrpc dir = {{.}}/ncalrpc
	binddns dir = {{.}}/bind-dns
	winbindd socket directory = {{.}}/wb
	ntp signd socket directory = {{.}}/ntp
	log file = {{.}}/log/log.%m
	interfaces = lo
	bind interfaces only = yes
	ldap server require strong auth = no
	load printers = no
	disable spoolss = yes
`))
