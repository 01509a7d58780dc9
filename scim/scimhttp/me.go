package scimhttp

import "rollcall/scim"

var errNobody = scim.Errorf(scim.ErrNotFound, "the token belongs to no person, so there is no /Me")

// me is the alias of the person who asks (RFC 7644 §3.11): every method does what it does at
// the person's own URL, which is what Location, in every answer, and meta.location name. Who is no person has
// none, whatever the method (design.md §2.3).
func (x *exchange) me() error {
	user := x.actor.User
	t := x.model.byType[user.Type]
	if user.ID == "" || t == nil {
		return errNobody
	}
	x.typ, x.id, x.self = t, user.ID, true
	x.w.Header()["Location"] = []string{x.location(t, user.ID)}
	return x.run(single)
}
