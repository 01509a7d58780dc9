package redisdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/scim"
)

func trusting(t *testing.T, ca *testserver.CA) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

// TestTLS: a Redis with TLS that asks for a certificate, and an ACL user.
func TestTLS(t *testing.T) {
	ca, other := testserver.NewCA(t), testserver.NewCA(t)
	server := testserver.StartRedisTLS(t, ca, "--user", "default", "off", "--user", "app", "on", ">pw", "~*", "&*", "+@all")
	cert, key := ca.Issue(t, "client")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	good := trusting(t, ca)
	good.Certificates = []tls.Certificate{pair}
	elsewhere, named := good.Clone(), good.Clone()
	elsewhere.RootCAs, named.ServerName = trusting(t, other).RootCAs, "redis.example.com"
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"as it should be", func(*Config) {}, ""},
		{"no TLS", func(c *Config) { c.TLS = nil }, "EOF|reset"},
		{"no certificate", func(c *Config) { c.TLS = trusting(t, ca) }, "certificate required|EOF|reset|broken"},
		{"another authority", func(c *Config) { c.TLS = elsewhere }, "unknown authority"},
		{"another name", func(c *Config) { c.TLS = named }, "redis.example.com"},
		{"another password", func(c *Config) { c.Password = "x" }, "WRONGPASS"},
		{"no password", func(c *Config) { c.User, c.Password = "", "" }, "NOAUTH|NOPERM|WRONGPASS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{Addr: server.Addr(), User: "app", Password: "pw", TLS: good}
			c.change(&config)
			b, err := Open(t.Context(), config)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				if err := b.KVPut(t.Context(), ws, "s", "k", []byte("v"), nil); err != nil {
					t.Error(err)
				}
				return
			}
			matches := false
			for text := range strings.SplitSeq(c.want, "|") {
				matches = matches || err != nil && strings.Contains(err.Error(), text)
			}
			if !errors.Is(err, scim.ErrUnavailable) || !matches {
				t.Errorf("Open() = %v, want %v and %s", err, scim.ErrUnavailable, c.want)
			}
		})
	}
}

// TestSentinelCredentials: sentinels have a user of their own, and so has the master.
func TestSentinelCredentials(t *testing.T) {
	s := testserver.StartSentinel(t)
	for _, r := range s.Sentinels {
		r.Do(t, "ACL", "SETUSER", "watcher", "on", ">sentinel-pw", "&*", "-@all", "+auth", "+hello", "+client", "+ping", "+subscribe", "+psubscribe",
			"+sentinel|get-master-addr-by-name", "+sentinel|sentinels")
		r.Do(t, "ACL", "SETUSER", "default", "resetpass", ">other")
	}
	for _, r := range s.Nodes {
		r.Do(t, "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all")
	}
	c := behind(s)
	c.User, c.Password = "app", "pw"
	if _, err := Open(t.Context(), c); !errors.Is(err, scim.ErrUnavailable) || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("Open() without the sentinels' password = %v, want NOAUTH", err)
	}
	c.SentinelUser, c.SentinelPassword = "watcher", "sentinel-pw"
	if err := connectTo(t, c).KVPut(t.Context(), ws, "s", "k", []byte("v"), nil); err != nil {
		t.Error(err)
	}
}
