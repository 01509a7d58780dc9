package scimhttp

import (
	"net/mail"

	"rollcall/scim"
)

// checkUserName holds a userName that the client sets to its policy. One that was there before
// may stay, so that people of older days can still be changed.
func (x *exchange) checkUserName(before, after *scim.Resource) error {
	name := after.UserName()
	if name == "" || before != nil && before.UserName() == name || !x.policy().UserNameEmail || isEmail(name) {
		return nil
	}
	return scim.Errorf(scim.ErrInvalidValue, "userName: this client's user names must be e-mail addresses, such as jane@example.com")
}

// isEmail tells an address that is nothing else besides (RFC 5322 §3.4.1).
func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s
}
