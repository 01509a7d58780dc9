package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"rollcall/scim"
)

// Credential is what a person signs in with at a connection, or for a parameter of a plugin preset.
type Credential struct {
	Type string `json:"type"`           // "BASIC" or "OAUTH2"
	User string `json:"user,omitempty"` // login name, of BASIC alone
}

// CredentialInfo is a credential as lists show it: never the secret.
type CredentialInfo struct {
	UserName   string `json:"userName"`
	Key        string `json:"key"` // "connections/<connection>", "plugins/<plugin>/<paramset>/<preset>/<param>"
	Type       string `json:"type"`
	User       string `json:"user,omitempty"`
	LastUpdate int64  `json:"lastUpdate"` // milliseconds since 1970
}

var credentialPart = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._ -]{0,99}$`)

// PutCredential keeps a credential of an account, its secret encrypted. parts are what it is for:
// "connections" and a name, or "plugins" and four.
func (w *Workspace) PutCredential(ctx context.Context, id string, parts []string, c Credential, secret string) error {
	if err := w.mayOpen(ctx, id, vaultWrite); err != nil {
		return err
	}
	for _, p := range parts {
		if !credentialPart.MatchString(p) {
			return scim.Errorf(scim.ErrInvalidValue, "%q cannot be the name of a connection, plugin or parameter", p)
		}
	}
	switch {
	case c.Type != "BASIC" && c.Type != "OAUTH2":
		return scim.Errorf(scim.ErrInvalidValue, "type: it is BASIC or OAUTH2")
	case c.Type == "BASIC" && (c.User == "" || len(c.User) > 200):
		return scim.Errorf(scim.ErrInvalidValue, "user: BASIC has a login name of 1 to 200 bytes")
	case c.Type == "OAUTH2" && c.User != "":
		return scim.Errorf(scim.ErrInvalidValue, "user: OAUTH2 has none")
	}
	return w.lockAway(ctx, credentialsSpace, id, strings.Join(parts, "/"), secret, &c)
}

// DeleteCredential removes a credential.
func (w *Workspace) DeleteCredential(ctx context.Context, id string, parts []string) error {
	if err := w.mayOpen(ctx, id, vaultWrite); err != nil {
		return err
	}
	return w.discard(ctx, credentialsSpace, id, strings.Join(parts, "/"))
}

// Credentials lists everybody's. It takes credentials:list.
func (w *Workspace) Credentials(ctx context.Context) ([]CredentialInfo, error) {
	if a := scim.ActorFrom(ctx); a != nil && a.By != "" {
		return nil, errActing
	}
	if err := w.may(ctx, CredentialsList); err != nil {
		return nil, err
	}
	list, names := []CredentialInfo{}, map[string]string{}
	err := w.kv(credentialsSpace).Scan(ctx, func(key string, text []byte) error {
		id, what, _ := strings.Cut(key, "/")
		var l locked
		if err := json.Unmarshal(text, &l); err != nil || l.Note == nil {
			return scim.Errorf(scim.ErrCorrupt, "a credential cannot be read")
		}
		name, ok := names[id]
		if !ok {
			s, err := w.store.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{})
			if errors.Is(err, scim.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			r, err := s.Resource()
			if err != nil {
				return err
			}
			name = r.UserName()
			names[id] = name
		}
		list = append(list, CredentialInfo{name, what, l.Note.Type, l.Note.User, l.LastUpdate.UnixMilli()})
		return nil
	})
	slices.SortFunc(list, func(a, b CredentialInfo) int {
		return cmp.Or(strings.Compare(a.UserName, b.UserName), strings.Compare(a.Key, b.Key))
	})
	return list, err
}
