package events

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// What a delivery may take.
const (
	sendTimeout = 10 * time.Second
	dialTimeout = 5 * time.Second
	maxAnswer   = 16 << 10 // bytes of an answer that are read
)

// outbound is the client of every delivery. Whoever may make a stream chooses where we
// connect to, so the address is judged after the name was resolved, at each connection, and no
// redirect and no proxy of the environment leads elsewhere.
func outbound(allow []netip.Prefix) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return errAddress
		}
		return judge(at.Addr(), allow)
	}}
	return &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
			ResponseHeaderTimeout: sendTimeout, IdleConnTimeout: 90 * time.Second,
			MaxIdleConnsPerHost: 2, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type addressError struct{ why string }

func (e *addressError) Error() string { return e.why }

var errAddress = &addressError{"the address of the endpoint cannot be judged"}

// never are addresses that no setting opens: metadata services live there.
var never = prefixes("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32", "0.0.0.0/8", "::/128",
	"224.0.0.0/4", "ff00::/8", "240.0.0.0/4")

// private are addresses that are nobody's on the internet (RFC 6890): they need a setting.
var private = prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10",
	"100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")

// embedding are IPv6 networks whose addresses stand for one of IPv4, and at which byte it begins.
var embedding = []struct {
	netip.Prefix
	at int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},   // RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12}, // RFC 8215
	{netip.MustParsePrefix("2002::/16"), 2},       // RFC 3056
	{netip.MustParsePrefix("::/96"), 12},          // RFC 4291 §2.5.5.1
}

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, text := range list {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

func within(addr netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// judge refuses an address that deliveries may not go to.
func judge(addr netip.Addr, allow []netip.Prefix) error {
	addr = addr.Unmap().WithZone("")
	if within(addr, never) {
		return &addressError{fmt.Sprintf("the endpoint resolves to %s, which is never delivered to", addr)}
	}
	if within(addr, private) {
		if within(addr, allow) {
			return nil
		}
		return &addressError{fmt.Sprintf("the endpoint resolves to %s, which is private: events.allow_networks does not have it", addr)}
	}
	for _, e := range embedding {
		if e.Contains(addr) {
			b := addr.As16()
			return judge(netip.AddrFrom4([4]byte(b[e.at:e.at+4])), allow)
		}
	}
	return nil
}
