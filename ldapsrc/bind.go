package ldapsrc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Ways to bind, of Config.
const (
	BindSimple   = ""         // by BindDN and Password
	BindExternal = "external" // SASL EXTERNAL (RFC 4422 appendix A): by a client certificate, or by who we are to a local socket
)

// bindProblems reports what is wrong with how a configuration binds.
func (c Config) bindProblems(wrong func(bad bool, format string, args ...any)) {
	wrong((c.ClientCert == "") != (c.ClientKey == ""), "client_cert: it takes client_cert and client_key, or neither")
	if c.ClientCert != "" && c.ClientKey != "" {
		_, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
		wrong(err != nil, "client_cert: %w", err)
	}
	switch c.Bind {
	case BindSimple:
		// An empty name or password is an anonymous or unauthenticated bind (RFC 4513 §5.1), which
		// succeeds, shows less of the directory than a real one, and so looks like people leaving.
		wrong(c.BindDN == "", "bind_dn: is missing: an anonymous bind is never tried")
		wrong(c.Password == nil, "bind_password: is missing")
		// Active Directory also takes a userPrincipalName or DOMAIN\name here: not only a DN.
		wrong(len(c.BindDN) > maxDN, "bind_dn: is longer than %d bytes", maxDN)
	case BindExternal:
		wrong(c.BindDN != "" || c.Password != nil, "bind: external binds by a certificate or a local socket: leave bind_dn and bind_password out")
		for _, u := range c.URLs {
			wrong(!strings.HasPrefix(u, "ldapi://") && c.ClientCert == "", "client_cert: is missing: %s knows an external bind by it alone", u)
		}
		wrong(c.TLS == TLSOff, "tls: is off, and an external bind needs it")
	default:
		wrong(true, "bind: %q is neither simple nor external", c.Bind)
	}
}

// clientCertificate is ours, read anew for each connection; none where none is configured.
func (c Config) clientCertificate() ([]tls.Certificate, error) {
	if c.ClientCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
	if err != nil {
		return nil, fmt.Errorf("client_cert: %w", err)
	}
	return []tls.Certificate{pair}, nil
}

// bind authenticates the connection. A failed one is of no more use.
func (s *Source) bind(ctx context.Context, e endpoint, c *conn, password string) error {
	var err error
	if s.config.Bind == BindExternal {
		err = c.ldap.ExternalBind()
	} else {
		err = c.ldap.Bind(s.config.BindDN, password)
	}
	if err != nil {
		return bindError(ctx, e, c.tap, err)
	}
	return nil
}

// password asks for the password, before anything is sent. One that is empty would make
// the bind an unauthenticated one, which succeeds (RFC 4513 §5.1.2).
func (s *Source) password(e endpoint) (string, error) {
	if s.config.Bind == BindExternal {
		return "", nil
	}
	p, err := s.config.Password()
	switch {
	case err != nil:
		return "", &ReadError{Kind: ErrCredentials, Where: e.url, Reason: "the bind password cannot be read", Err: err}
	case p == "" || strings.ContainsRune(p, 0):
		return "", &ReadError{Kind: ErrCredentials, Where: e.url, Reason: "the bind password is empty", Remedy: "set bind_password_file"}
	}
	return p, nil
}

func bindError(ctx context.Context, e endpoint, t *tap, err error) error {
	var r *ldap.Error
	switch {
	case over(ctx):
		return &ReadError{Kind: ErrUnreachable, Where: e.url, Reason: "the server does not answer", Err: context.Cause(ctx)}
	case t.cause() != nil:
		return &ReadError{Kind: ErrUnreachable, Where: e.url, Reason: "the connection was lost while binding", Err: t.cause()}
	case errors.As(err, &r) && unavailable[int(r.ResultCode)]:
		return &ReadError{Kind: ErrUnreachable, Where: e.url, Code: int(r.ResultCode), Reason: "the server does not take binds now", Err: err}
	case errors.As(err, &r) && r.ResultCode < ldap.ErrorNetwork:
		return &ReadError{Kind: ErrCredentials, Where: e.url, Code: int(r.ResultCode), Reason: "the bind was refused",
			Remedy: "check bind_dn and the password, and that the account is not locked", Err: err}
	}
	return &ReadError{Kind: ErrUnreachable, Where: e.url, Reason: "the bind failed", Err: err}
}

// unavailable are the results of a bind that say nothing of name and password: busy, unavailable,
// other.
var unavailable = map[int]bool{51: true, 52: true, 80: true}
