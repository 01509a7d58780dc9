package testserver

import (
	"embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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
	o := &OIDC{ClientID: "rollcall", ClientSecret: "the secret of rollcall", dir: NPMFolder(t, oidcFiles, "testdata/oidc")}
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
