package account

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"rollcall/scim"
)

// A token that was cached and is read anew shares nothing with what callers hold, and
// keeps nothing that the record no longer has.
func TestTokenReadAnewStartsFromNothing(t *testing.T) {
	b := newBench(t)
	tok, text, err := b.CreateToken(as(operator), NewToken{Name: "x", Workspace: "default", Client: "okta", Scopes: []scim.Permission{UsersRead, UsersCreate}})
	if err != nil {
		t.Fatal(err)
	}
	held, err := b.tokens.get(context.Background(), tok.ID)
	if err != nil {
		t.Fatal(err)
	}
	changed := held.storedToken
	changed.Client, changed.Scopes = "", []scim.Permission{GroupsRead}
	value, err := json.Marshal(changed)
	if err != nil {
		t.Fatal(err)
	}
	b.kv.data[tok.ID] = value
	b.now = b.now.Add(cacheTime)
	a, err := b.Authenticate(context.Background(), text)
	if err != nil {
		t.Fatal(err)
	}
	if a.Client != "" {
		t.Errorf("Client = %q, want that which the record lost to be gone", a.Client)
	}
	if want := []scim.Permission{UsersRead, UsersCreate}; !slices.Equal(held.Scopes, want) {
		t.Errorf("what a caller holds has become %v, want %v", held.Scopes, want)
	}
}
