package account

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"rollcall/scim"
)

// DefaultOverlap is for how long a token that is rotated goes on, so that the new one can be
// brought to where it is used.
const DefaultOverlap = 72 * time.Hour

// RotateToken makes a token like the one of that id, good for as long as that was made for,
// and returns it; the old one ends when the overlap is over, or earlier if it would. The actor
// needs what CreateToken asks for.
func (d *Directory) RotateToken(ctx context.Context, id string, overlap time.Duration) (Token, string, error) {
	if overlap < 0 || overlap > MaxTokenLife {
		return Token{}, "", scim.Errorf(scim.ErrInvalidValue, "the overlap is between 0 and %d days", MaxTokenLife/(24*time.Hour))
	}
	old, err := d.visibleToken(ctx, id)
	if err != nil {
		return Token{}, "", err
	}
	if id == bootstrapID {
		return Token{}, "", scim.Errorf(scim.ErrInvalidValue, "the bootstrap token is changed by the setting bootstrap.token")
	}
	made, text, err := d.CreateToken(ctx, NewToken{
		Name: old.Name, Use: old.Use, Workspace: old.Workspace, Client: old.Client, Scopes: old.Scopes, MaxRole: old.MaxRole,
		Life: min(old.Expires.Sub(old.Created), MaxTokenLife),
	})
	if err != nil {
		return Token{}, "", err
	}
	if err := d.noteToken(ctx, "token.rotated", old); err != nil {
		return Token{}, "", errors.Join(err, d.tokens.kv.Delete(ctx, made.ID))
	}
	if err := d.tokens.endBy(ctx, id, d.now().UTC().Add(overlap)); err != nil {
		// The caller never learns the new token's text: it must not stay.
		return Token{}, "", errors.Join(err, d.tokens.kv.Delete(ctx, made.ID))
	}
	return made, text, nil
}

// visibleToken is a token that the actor may manage.
func (d *Directory) visibleToken(ctx context.Context, id string) (Token, error) {
	a := scim.ActorFrom(ctx)
	if err := may(a, TokensManage); err != nil {
		return Token{}, err
	}
	notFound := scim.Errorf(scim.ErrNotFound, "there is no token with the id %q: `rollcall token list` shows them", id)
	if len(id) == accessIDLen {
		return Token{}, notFound
	}
	d.tokens.forget(id)
	tok, err := d.tokens.get(ctx, id)
	if errors.Is(err, scim.ErrNotFound) || err == nil && a.Workspace != "" && a.Workspace != tok.Workspace {
		return Token{}, notFound
	}
	return tok.Token, err
}

// endBy lets a token end at a time, unless it ends before.
func (t *tokens) endBy(ctx context.Context, id string, end time.Time) error {
	for range 10 { // its uses are noted in the same place
		old, err := t.kv.Get(ctx, id)
		if err != nil {
			return err
		}
		var tok storedToken
		if err := json.Unmarshal(old, &tok); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "token %s: %v", id, err)
		}
		if !tok.Expires.After(end) {
			return nil
		}
		tok.Expires = end
		value, err := json.Marshal(tok)
		if err != nil {
			return err
		}
		err = t.kv.Put(ctx, id, value, old)
		t.forget(id)
		if !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
	}
	return scim.Errorf(scim.ErrUnavailable, "the token is being changed by others; try again")
}
