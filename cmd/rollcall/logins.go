package main

import (
	"context"

	"rollcall/ldapsrc"
)

// checkPassword asks the directory that a source reads, by a bind: see ldapsrc.Logins. It is what
// package account is given for accounts that log in so.
func (c *core) checkPassword(ctx context.Context, source, externalID, userName, password string) error {
	logins := ldapsrc.Logins{}
	for name, s := range c.sources {
		if directory, ok := s.reader.(*ldapsrc.Source); ok {
			logins[name] = directory
		}
	}
	return logins.CheckPassword(ctx, source, externalID, userName, password)
}
