package scim

import "net/netip"

// Credential is what a request signs in with, as it came, and where it came from.
type Credential struct {
	Scheme string // SchemeBearer, SchemeBasic
	Value  string // what stands behind the scheme: a secret
	// Addr is the client's address as far as trusted proxies vouch for it; the zero Addr
	// where it is not known, which no list of addresses holds.
	Addr netip.Addr
}

// The schemes of a Credential.
const (
	SchemeBearer = "Bearer" // RFC 6750
	SchemeBasic  = "Basic"  // RFC 7617
)
