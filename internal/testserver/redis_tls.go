package testserver

import (
	"strconv"
	"testing"
)

// StartRedisTLS starts a server that takes TLS alone, with a certificate for 127.0.0.1, and asks its
// clients for one of the same authority.
func StartRedisTLS(t testing.TB, ca *CA, options ...string) *Redis {
	t.Helper()
	cert, key := ca.Issue(t, "127.0.0.1")
	port := FreePort(t)
	r := &Redis{Port: port, Dir: t.TempDir()}
	r.args = append([]string{
		"--port", "0", "--tls-port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", r.Dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca.File, "--tls-auth-clients", "yes",
	}, options...)
	r.Restart(t)
	return r
}
