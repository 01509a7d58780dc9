package account

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"

	"rollcall/scim"
)

// SecretInfo is a secret as lists show it: never what it is.
type SecretInfo struct {
	Name       string    `json:"name"`
	LastUpdate time.Time `json:"lastUpdate"`
}

const (
	secretsSpace     = "secrets"     // keys are "<user id>/<name>"
	credentialsSpace = "credentials" // keys are "<user id>/<key>"
	maxSecret        = 64 << 10      // bytes
	maxSecrets       = 1000          // of one account
)

var validSecret = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// vault is a right to somebody's secrets.
type vault int

const (
	vaultList vault = iota
	vaultRead
	vaultWrite
)

// mayOpen tells whether the actor may do something with an account's secrets: their own, where they
// are there in person; others' by secrets:write, or, to read them, as a token with secrets:read.
func (w *Workspace) mayOpen(ctx context.Context, id string, what vault) error {
	a := scim.ActorFrom(ctx)
	if a != nil && a.By != "" {
		return errActing
	}
	own := a != nil && a.User.ID == id && id != "" && a.Session != ""
	needs := map[vault]scim.Permission{vaultList: SecretsRead, vaultRead: SecretsRead, vaultWrite: SecretsWrite}[what]
	switch {
	case own && what == vaultWrite:
		needs = SelfUpdate
	case own:
		needs = SelfRead
	case what == vaultList && a.Can(SecretsWrite):
		needs = SecretsWrite
	}
	if err := w.may(ctx, needs); err != nil {
		return err
	}
	if what == vaultRead && !own && a.Session != "" {
		return scim.Errorf(scim.ErrForbidden, "a secret is read by the person alone, or by a token with %s", SecretsRead)
	}
	ref := scim.Ref{Type: "User", ID: id}
	if err := w.hide(ctx, ref, scim.With{}); err != nil {
		return err
	}
	_, err := w.store.Get(ctx, ref, scim.With{})
	return err
}

var errNoSecret = scim.Errorf(scim.ErrNotFound, "there is no such secret")

// PutSecret keeps a secret of an account, encrypted.
func (w *Workspace) PutSecret(ctx context.Context, id, name, value string) error {
	if err := w.mayOpen(ctx, id, vaultWrite); err != nil {
		return err
	}
	if !validSecret.MatchString(name) {
		return scim.Errorf(scim.ErrInvalidValue, "the name of a secret has 1 to 100 of A-Z, a-z, 0-9, dot, hyphen and underscore, and begins with a letter or digit")
	}
	return w.lockAway(ctx, secretsSpace, id, name, value, nil)
}

// lockAway encrypts a value and keeps it. note is what is kept beside it in the clear.
func (w *Workspace) lockAway(ctx context.Context, space, id, name, value string, note *Credential) error {
	if value == "" || len(value) > maxSecret {
		return scim.Errorf(scim.ErrInvalidValue, "a secret has 1 to %d bytes", maxSecret)
	}
	n := 0
	if err := w.kv(space).Scan(ctx, func(key string, _ []byte) error {
		if strings.HasPrefix(key, id+"/") && key != id+"/"+name {
			n++
		}
		return nil
	}); err != nil {
		return err
	}
	if n >= maxSecrets {
		return scim.Errorf(scim.ErrTooLarge, "an account has at most %d", maxSecrets)
	}
	if err := w.noteVault(ctx, eventSecretWritten, space, id, name); err != nil {
		return err
	}
	for {
		s, err := w.dir.keys.seal(w.dir.now(), value, w.name, id, space, name)
		if err != nil {
			return err
		}
		text, err := json.Marshal(locked{s, note})
		if err != nil {
			return err
		}
		if err := w.kv(space).Put(ctx, id+"/"+name, text, nil); err != nil {
			return err
		}
		// A rotation that began meanwhile may have passed here before the write.
		if newest, err := w.dir.keys.key(""); err != nil || newest.ID == s.Key {
			return err
		}
	}
}

// locked is what is kept of a secret.
type locked struct {
	sealed
	Note *Credential `json:"note,omitempty"`
}

// Secret reads a secret back.
func (w *Workspace) Secret(ctx context.Context, id, name string) (string, error) {
	if err := w.mayOpen(ctx, id, vaultRead); err != nil {
		return "", err
	}
	if !validSecret.MatchString(name) {
		return "", errNoSecret
	}
	text, err := w.kv(secretsSpace).Get(ctx, id+"/"+name)
	if errors.Is(err, scim.ErrNotFound) {
		return "", errNoSecret
	}
	if err != nil {
		return "", err
	}
	var l locked
	if err := json.Unmarshal(text, &l); err != nil {
		return "", scim.Errorf(scim.ErrCorrupt, "a secret: %v", err)
	}
	if err := w.noteVault(ctx, eventSecretRead, secretsSpace, id, name); err != nil {
		return "", err
	}
	return w.dir.keys.open(l.sealed, w.name, id, secretsSpace, name)
}

// Secrets lists an account's secrets by name.
func (w *Workspace) Secrets(ctx context.Context, id string) ([]SecretInfo, error) {
	if err := w.mayOpen(ctx, id, vaultList); err != nil {
		return nil, err
	}
	list := []SecretInfo{}
	err := w.kv(secretsSpace).Scan(ctx, func(key string, text []byte) error {
		name, ok := strings.CutPrefix(key, id+"/")
		if !ok {
			return nil
		}
		var l locked
		if err := json.Unmarshal(text, &l); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "a secret: %v", err)
		}
		list = append(list, SecretInfo{name, l.LastUpdate})
		return nil
	})
	return list, err
}

// DeleteSecret removes a secret.
func (w *Workspace) DeleteSecret(ctx context.Context, id, name string) error {
	if err := w.mayOpen(ctx, id, vaultWrite); err != nil {
		return err
	}
	return w.discard(ctx, secretsSpace, id, name)
}

func (w *Workspace) discard(ctx context.Context, space, id, name string) error {
	if _, err := w.kv(space).Get(ctx, id+"/"+name); errors.Is(err, scim.ErrNotFound) {
		return errNoSecret
	} else if err != nil {
		return err
	}
	if err := w.noteVault(ctx, eventSecretDeleted, space, id, name); err != nil {
		return err
	}
	return w.kv(space).Delete(ctx, id+"/"+name)
}

// noteVault tells the audit what is done with a secret or a credential: its name, never what it is.
func (w *Workspace) noteVault(ctx context.Context, typ, space, id, name string) error {
	return w.note(ctx, AuditEvent{Type: typ, Subject: userRef(id), Detail: map[string]any{"kind": space}, Personal: map[string]string{"name": name}})
}

// dropSecrets removes everything secret of an account that is gone.
func (w *Workspace) dropSecrets(ctx context.Context, id string) error {
	for _, space := range []string{secretsSpace, credentialsSpace} {
		var keys []string
		err := w.kv(space).Scan(ctx, func(key string, _ []byte) error {
			if strings.HasPrefix(key, id+"/") {
				keys = append(keys, key)
			}
			return nil
		})
		for _, key := range keys {
			err = errors.Join(err, w.kv(space).Delete(ctx, key))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
