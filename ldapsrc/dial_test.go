package ldapsrc

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// far is a connection that leads beyond this machine.
type far struct {
	net.Conn
	to string
}

func (f far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.to), Port: 389} }

// Beyond loopback an ldap:// URL means StartTLS, or an operator who said tls: off.
func TestTLSModes(t *testing.T) {
	for _, c := range []struct {
		mode, to string
		startTLS bool
		warns    bool
	}{
		{TLSAuto, "127.0.0.1", false, false},
		{TLSAuto, "::1", false, false},
		{TLSAuto, "192.0.2.1", true, false},
		{TLSAuto, "10.0.0.1", true, false},
		{TLSOn, "127.0.0.1", true, false},
		{TLSOn, "192.0.2.1", true, false},
		{TLSOff, "127.0.0.1", false, false},
		{TLSOff, "192.0.2.1", false, true},
	} {
		t.Run(c.mode+" to "+c.to, func(t *testing.T) {
			var log bytes.Buffer
			s, err := New(Config{Preset: "openldap", URLs: []string{"ldap://ldap.example.org"}, BindDN: "cn=r", Password: password("x"),
				TLS: c.mode, Users: Users{Base: "dc=x"}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			here, there := net.Pipe()
			defer here.Close()
			first := make(chan string, 1)
			go func() {
				buf := make([]byte, 64)
				there.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				n, _ := there.Read(buf)
				there.Close()
				first <- string(buf[:n])
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = s.secure(ctx, s.endpoints[0], far{here, c.to})
			sent := <-first
			if (sent == startTLSRequest) != c.startTLS || (err != nil) != c.startTLS {
				t.Errorf("sent %q with error %v, want StartTLS %v", sent, err, c.startTLS)
			}
			if warned := strings.Contains(log.String(), "tls is off"); warned != c.warns {
				t.Errorf("warned = %v, want %v", warned, c.warns)
			}
		})
	}
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"ldap://ldap.example.org":           "tcp ldap.example.org:389",
		"ldap://ldap.example.org/":          "tcp ldap.example.org:389",
		"ldaps://ldap.example.org":          "tcp ldap.example.org:636",
		"ldaps://[2001:db8::1]:1636":        "tcp [2001:db8::1]:1636",
		"ldapi://%2Fvar%2Frun%2Fslapd.sock": "unix /var/run/slapd.sock",
	} {
		e, err := parseURL(text)
		if got := e.network + " " + e.addr; err != nil || got != want {
			t.Errorf("parseURL(%q) = %s, %v, want %s", text, got, err, want)
		}
	}
}
