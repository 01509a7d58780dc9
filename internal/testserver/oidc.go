package testserver

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

//go:embed testdata/oidc
var oidcFiles embed.FS

// OIDC are two OpenID providers that are real: npm's oidc-provider. The first leaves claims out of its ID
// tokens, the second puts them in. ClientID and ClientSecret are good at both, and every loopback URL
// may be come back to.
type OIDC struct {
	Issuers                [2]string
	ClientID, ClientSecret string

	dir  string
	proc *Proc
}

// StartOIDC starts them. Their login form takes `claims`, what is to be said of who logs in, as JSON.
func StartOIDC(t testing.TB) *OIDC {
	t.Helper()
	o := &OIDC{ClientID: "rollcall", ClientSecret: "the secret of rollcall", dir: npmFolder(t, oidcFiles, "testdata/oidc")}
	for i := range o.Issuers {
		o.Issuers[i] = fmt.Sprintf("http://127.0.0.1:%d", FreePort(t))
	}
	o.Start(t, "first")
	return o
}

// Start starts the providers again, after a Stop. key names the key that they sign with.
func (o *OIDC) Start(t testing.TB, key string) {
	t.Helper()
	args := []string{filepath.Join(o.dir, "provider.js")}
	for _, issuer := range o.Issuers {
		args = append(args, issuer[len("http://127.0.0.1:"):])
	}
	log := filepath.Join(t.TempDir(), "oidc.log")
	o.proc = Start(t, log, Need(t, "node"), append(args, key)...)
	for _, issuer := range o.Issuers {
		for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			resp, err := http.Get(issuer + "/.well-known/openid-configuration")
			if err == nil {
				resp.Body.Close()
				break
			}
			if time.Now().After(end) {
				text, _ := os.ReadFile(log)
				t.Fatalf("the OpenID provider does not answer: %v\n%s", err, text)
			}
		}
	}
}

// Stop ends them.
func (o *OIDC) Stop() { o.proc.Kill() }

// npmFolder is a folder with the files of a folder of testdata and the packages that its lock names. It is
// kept from one run to the next.
func npmFolder(t testing.TB, files fs.FS, from string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sub, err := fs.Sub(files, from)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	names, err := fs.Glob(sub, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(sub, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	dir := filepath.Join(cache, "rollcall-tests", fmt.Sprintf("%s-%x", filepath.Base(from), sum.Sum(nil)[:8]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // other tests may want the same
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return dir
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "fresh-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	if err := os.CopyFS(fresh, sub); err != nil {
		t.Fatal(err)
	}
	npm := exec.Command(Need(t, "npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	npm.Dir = fresh
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
