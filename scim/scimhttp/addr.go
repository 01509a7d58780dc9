package scimhttp

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how many proxies in a row are looked through.
const maxHops = 32

// ClientAddr is the address that a request comes from: that of the peer, or, where the peer
// is a trusted proxy, the last one in X-Forwarded-For that is none. What stands further in
// front is what the client claims, and does not count (security.md R40). It is the zero Addr
// where the address cannot be known.
func (h *Handler) ClientAddr(r *http.Request) netip.Addr {
	addr := peerAddr(r)
	if !h.trusts(addr) {
		return addr
	}
	forwarded := strings.Join(r.Header["X-Forwarded-For"], ",")
	for range maxHops {
		if forwarded == "" {
			return addr
		}
		cut := strings.LastIndexByte(forwarded, ',')
		addr = forwardedAddr(forwarded[cut+1:])
		if !h.trusts(addr) {
			return addr
		}
		forwarded = forwarded[:max(cut, 0)]
	}
	return netip.Addr{}
}

// trusts tells whether an address is a trusted proxy's.
func (h *Handler) trusts(addr netip.Addr) bool {
	for _, p := range h.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// peerAddr is the other end of the connection.
func peerAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

// forwardedAddr reads one element of X-Forwarded-For, which some proxies give a port.
func forwardedAddr(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return addr.Unmap().WithZone("")
	}
	if peer, err := netip.ParseAddrPort(text); err == nil {
		return peer.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
