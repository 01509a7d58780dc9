package events

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

func TestJudge(t *testing.T) {
	allow := prefixes("10.1.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "::/0", "0.0.0.0/0")
	for _, c := range []struct {
		addr          string
		plain, opened bool // allowed without a setting, and with one that opens everything
	}{
		{"93.184.216.34", true, true},
		{"2606:2800:220:1::1", true, true},
		{"127.0.0.1", false, true},
		{"127.8.8.8", false, true},
		{"::1", false, true},
		{"::ffff:127.0.0.1", false, true},
		{"10.1.2.3", false, true},
		{"172.16.0.1", false, true},
		{"172.32.0.1", true, true},
		{"192.168.1.1", false, true},
		{"100.64.0.1", false, true},
		{"fd12::1", false, true},
		{"64:ff9b::10.1.2.3", false, true},
		{"64:ff9b::8.8.8.8", true, true},
		{"2002:a01:203::1", false, true}, // 10.1.2.3 by 6to4
		{"::127.0.0.1", false, true},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"64:ff9b::169.254.169.254", false, false},
		{"2002:a9fe:a9fe::1", false, false},
		{"fe80::1", false, false},
		{"fe80::1%eth0", false, false},
		{"fd00:ec2::254", false, false},
		{"100.100.100.200", false, false},
		{"0.0.0.0", false, false},
		{"::", false, false},
		{"224.0.0.1", false, false},
		{"ff02::1", false, false},
		{"255.255.255.255", false, false},
	} {
		addr := netip.MustParseAddr(c.addr)
		if err := judge(addr, nil); (err == nil) != c.plain {
			t.Errorf("judge(%s) = %v, want allowed %v", c.addr, err, c.plain)
		}
		if err := judge(addr, allow); (err == nil) != c.opened {
			t.Errorf("judge(%s) with networks opened = %v, want allowed %v", c.addr, err, c.opened)
		}
	}
	if err := judge(netip.MustParseAddr("10.2.0.1"), prefixes("10.1.0.0/16")); err == nil {
		t.Error("judge() allows a private network beside the one that was opened")
	}
}

// TestOutboundIsGuarded holds that the guard sits where the connection is made.
func TestOutboundIsGuarded(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	closed := w.transmitter(func(c *Config) { c.AllowNetworks = nil })
	w.create(closed, Stream{Name: "a", Method: Push, Endpoint: strings.Replace(r.URL, "127.0.0.1", "localhost", 1)})
	w.users(1)
	w.step(closed, "a")
	want(t, "deliveries", len(r.deliveries()), 0)
	if s := w.status(closed, "a"); s.State != "failing" || !strings.Contains(s.LastError, "allow_networks") {
		t.Errorf("status = %+v, want failing for a private address", s)
	}
	if result, err := closed.Try(w.ctx, "default", "a"); err != nil || result.Delivered {
		t.Errorf("Try() = %+v, %v, want refused", result, err)
	}
}

func TestNoRedirects(t *testing.T) {
	w, target := newWorld(t, 0), receive(t)
	from := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer from.Close()
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: from.URL, Authorization: "Bearer x"})
	w.users(1)
	w.step(tr, "a")
	want(t, "deliveries behind a redirect", len(target.deliveries()), 0)
	want(t, "error", w.status(tr, "a").LastError, "the endpoint answered 307")
}

// TestCertificateIsChecked holds RFC 8935 §6: nothing is told to who cannot show a certificate that is
// trusted here.
func TestCertificateIsChecked(t *testing.T) {
	w := newWorld(t, 0)
	var asked atomic.Bool
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: stranger.URL, Authorization: "Bearer x"})
	w.users(1)
	w.step(tr, "a")
	want(t, "whether the stranger was told", asked.Load(), false)
	if s := w.status(tr, "a"); s.State != "failing" || !strings.Contains(s.LastError, "certificate") {
		t.Errorf("status = %+v, want failing for the certificate", s)
	}
}

func TestEndpoints(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://example.com/hook?x=1": true, "http://127.0.0.1:80/": true, "http://localhost": true, "http://[::1]:1": true,
		"http://example.com": false, "ftp://example.com": false, "https://user:pw@example.com": false, "https://example.com/#x": false,
		"": false, "example.com": false, "https://": false, "file:///etc/passwd": false, "https://e.com/" + strings.Repeat("x", 3000): false,
	} {
		if err := checkEndpoint(text); (err == nil) != ok {
			t.Errorf("checkEndpoint(%.60q) = %v, want allowed %v", text, err, ok)
		}
	}
}
