package ldapsrc

import (
	"errors"
	"strings"
)

// The kinds of error that end a read; errors.Is finds them in a *ReadError. Of none of
// them may anything be concluded about who is missing.
var (
	ErrUnreachable = errors.New("source unreachable")      // no connection, or no file
	ErrUntrusted   = errors.New("source not trusted")      // TLS was refused, or the certificate is not what it must be
	ErrCredentials = errors.New("source refused our bind") // wrong name or password, or none to offer
	ErrNoBase      = errors.New("base does not exist")     // noSuchObject (32)
	ErrIncomplete  = errors.New("read was not whole")      // it began and did not prove that it ended
)

// ReadError says why a read ended before it was whole, and what to do.
type ReadError struct {
	Kind   error  // one of the above
	Where  string // URL or path
	Search string // "users" or "groups" where one was under way
	Code   int    // LDAP result code (RFC 4511 appendix A), 0 where the server sent none
	Reason string
	Remedy string
	Err    error // what lay below, if anything
}

func (e *ReadError) Error() string {
	var b strings.Builder
	b.WriteString("ldap: " + e.Where)
	if e.Search != "" {
		b.WriteString(": " + e.Search)
	}
	b.WriteString(": " + e.Reason)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Remedy != "" {
		b.WriteString(" (" + e.Remedy + ")")
	}
	return b.String()
}

// Unwrap gives the kind and the cause.
func (e *ReadError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
