package account

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"rollcall/scim"
)

// MinBasicPassword is how many characters a password for Basic has at least: nothing slows
// down who guesses.
const MinBasicPassword = 16

// Basic is a user and a password that stand for a client (RFC 7617), for agents that can do
// nothing better.
type Basic struct{ User, Password string }

// Validate reports what is wrong with it.
func (b *Basic) Validate() error {
	switch {
	case b.User == "" || len(b.User) > 200 || strings.ContainsFunc(b.User, func(r rune) bool { return r == ':' || unicode.IsControl(r) }):
		return errors.New("a user for Basic has 1 to 200 characters, and no colon (RFC 7617 §2)")
	case len([]rune(b.Password)) < MinBasicPassword || len(b.Password) > 1000:
		return fmt.Errorf("a password for Basic has %d characters or more", MinBasicPassword)
	}
	return nil
}

type basicClient struct {
	user, hash string
	actor      *scim.Actor
}

func newBasicClient(c *Client) basicClient {
	return basicClient{c.Basic.User, hashToken(c.Basic.Password), clientActor("basic", c, c.Basic.User)}
}

// authenticateBasic tells who has the user and password that stand behind the scheme Basic.
func (d *Directory) authenticateBasic(value string) (*scim.Actor, error) {
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, errBadToken
	}
	user, password, _ := strings.Cut(string(text), ":")
	hash := hashToken(password)
	found := basicClient{} // an unknown user is compared all the same, to take the same time
	for _, c := range d.basics {
		if sameHash(hashToken(c.user), hashToken(user)) {
			found = c
		}
	}
	if !sameHash(found.hash, hash) || found.actor == nil {
		return nil, errBadToken
	}
	return found.actor, nil
}
