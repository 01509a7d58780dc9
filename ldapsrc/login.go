package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"rollcall/scim"

	"github.com/go-ldap/ldap/v3"
)

// errPassword: the directory does not let this person in with this password, whatever the reason.
var errPassword = scim.Errorf(scim.ErrUnauthenticated, "the directory refuses the name or the password")

const maxPassword = 1024 // bytes; compared whole by the directory, never by us

// Logins are the sources, by name, whose people log in with their password in the directory.
type Logins map[string]*Source

// CheckPassword tells whether the password is that of the person whom the source knows by the stable id
// externalID. The directory is asked by a bind; the password is neither kept nor logged. The person must
// still be in the source's scope, and enabled. Errors: scim.ErrUnauthenticated, or scim.ErrUnavailable
// where nobody could be asked. The userName is of no account here: the stable id says who it is.
func (l Logins) CheckPassword(ctx context.Context, source, externalID, userName, password string) error {
	s := l[source]
	if s == nil {
		return scim.Errorf(scim.ErrUnavailable, "source %q is no directory that can check a password: set it up as type ldap", source)
	}
	err := s.checkPassword(ctx, externalID, password)
	if err != nil && !errors.Is(err, scim.ErrUnauthenticated) {
		s.config.Logger.Warn("a password could not be checked", "source", source, "error", err)
		return fmt.Errorf("%w: check a password: %w", scim.ErrUnavailable, err)
	}
	return err
}

// checkPassword refuses what would make the bind an unauthenticated one, which succeeds (RFC 4513
// §5.1.2), before anything is sent.
func (s *Source) checkPassword(ctx context.Context, externalID, password string) error {
	if externalID == "" || password == "" || len(password) > maxPassword || strings.ContainsRune(password, 0) {
		return errPassword
	}
	dn, at, err := s.findPerson(ctx, externalID)
	if err != nil {
		return err
	}
	return s.bindAs(ctx, at, dn, password)
}

// findPerson looks for an enabled person in the scope of the source. at is the server that has it.
func (s *Source) findPerson(ctx context.Context, externalID string) (dn string, at endpoint, err error) {
	users := s.reading.users
	filter, err := users.byID(externalID)
	if err != nil {
		return "", at, errPassword
	}
	c, err := s.connect(ctx)
	if err != nil {
		return "", at, err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.cut)()
	m := users.table.mapper()
	var entries entryReader
	found, active := 0, true
	req := request{name: users.name, base: users.base, scope: users.scope, filter: filter, attributes: users.attributes(),
		countReferences: true}
	err = c.search(ctx, req, func(body []byte) bool {
		raw, err := entries.read(body)
		if err != nil {
			return true
		}
		m.load(raw)
		found++
		dn = string(raw.dn)
		if m.status >= 0 {
			enabled, told, err := statusOf(m.names[m.status], m.values[m.status])
			active = err == nil && (enabled || !told)
		}
		return true
	})
	switch {
	case err != nil:
		return "", at, err
	case found != 1 || !active || dn == "":
		return "", at, errPassword
	}
	return dn, c.endpoint, nil
}

// bindAs tries a name and a password on a connection of their own, with the source's rules for TLS.
func (s *Source) bindAs(ctx context.Context, e endpoint, dn, password string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.ConnectTimeout, errors.New("no answer within timeouts.connect"))
	defer cancel()
	nc, err := s.open(ctx, e)
	if err != nil {
		return timeoutCause(ctx, err)
	}
	t := newTap(nc, s.config.IdleTimeout, s.config.MaxMessage)
	c := &conn{endpoint: e, net: nc, tap: t, ldap: ldap.NewConn(t, true)}
	c.ldap.Start()
	defer c.close()
	defer context.AfterFunc(ctx, c.cut)()
	err = c.ldap.Bind(dn, password)
	if err == nil {
		return nil
	}
	err = bindError(ctx, e, t, err)
	var r *ReadError
	if !errors.As(err, &r) || r.Kind != ErrCredentials {
		return err
	}
	if r.Code == ldap.LDAPResultStrongAuthRequired || r.Code == ldap.LDAPResultConfidentialityRequired {
		return &ReadError{Kind: ErrUntrusted, Where: e.url, Code: r.Code, Reason: "the server wants TLS for a bind", Remedy: "use ldaps:// or StartTLS"}
	}
	return errPassword
}
