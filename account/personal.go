package account

import (
	"context"

	"rollcall/scim"
)

// personal tells who holds a token that a person made while logged in. It is suspended while their
// account is not active, ends with a change of their role, and never may do more than they.
func (t *tokens) personal(ctx context.Context, tok cachedToken) (*scim.Actor, error) {
	if tok.Use != UseBearer {
		return nil, errBadToken
	}
	who, err := t.live(ctx, tok.Workspace, tok.Person, func(s *subject) bool { return s.tokens == tok.Epoch })
	if err != nil {
		return nil, err
	}
	t.touch(ctx, tok)
	own := *tok.actor
	own.User = scim.Ref{Type: "User", ID: tok.Person}
	own.Permissions = map[scim.Permission]bool{}
	for _, p := range tok.Scopes {
		if who.may[p] {
			own.Permissions[p] = true
		}
	}
	own.Roams = own.Permissions[WorkspacesManage]
	return &own, nil
}

// owned makes a token that a person asks for theirs.
func (d *Directory) owned(ctx context.Context, tok *Token) error {
	a := scim.ActorFrom(ctx)
	switch {
	case a.By != "":
		return errActing
	case a.User.ID == "":
		return nil
	case tok.Use != UseBearer || tok.Client != "":
		return nil // a provider's: it outlives whoever set it up
	}
	who, err := d.people.enter(ctx, a.User.ID, tok.Workspace)
	if err != nil {
		return err
	}
	tok.Person, tok.Epoch = a.User.ID, who.tokenEpoch(tok.Workspace)
	return nil
}
