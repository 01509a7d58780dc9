package account

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"rollcall/scim"
)

// Rotated is what a rotation of keys came to.
type Rotated struct {
	Key         string `json:"key"` // the id of the new key
	Reencrypted int    `json:"reencrypted"`
}

// RotateKeys makes a new key, encrypts every secret of every workspace anew and then removes the old
// keys. Secrets are read and written meanwhile as ever. It takes secrets:write everywhere.
func (d *Directory) RotateKeys(ctx context.Context) (Rotated, error) {
	a := scim.ActorFrom(ctx)
	for _, p := range []scim.Permission{WorkspacesManage, SecretsWrite} {
		if err := may(a, p); err != nil {
			return Rotated{}, err
		}
	}
	if a.By != "" {
		return Rotated{}, errActing
	}
	lock, err := d.lockKeys(ctx, actorName(a))
	if err != nil {
		return Rotated{}, err
	}
	defer func() { _ = lock.Release(context.WithoutCancel(ctx)) }()
	if err := d.Note(ctx, SystemAudit, AuditEvent{Type: "keyring.rotated"}); err != nil {
		return Rotated{}, err
	}
	done := Rotated{}
	if done.Key, err = d.keys.add(d.now()); err != nil {
		return Rotated{}, err
	}
	names, err := d.list(ctx)
	if err != nil {
		return done, err
	}
	for _, name := range names {
		w, err := d.Workspace(ctx, name)
		if err != nil {
			return done, err
		}
		for _, space := range []string{secretsSpace, credentialsSpace} {
			n, err := w.reencrypt(ctx, lock, space, done.Key)
			done.Reencrypted += n
			if err != nil {
				return done, err
			}
		}
	}
	used, err := d.usedKeys(ctx, names)
	if err != nil {
		return done, err
	}
	if err := lock.Renew(ctx); err != nil { // another one has begun: it retires the keys
		return done, err
	}
	return done, d.keys.retire(used)
}

const (
	// rekeyTTL is after how long a rotation that died is no longer waited for, rekeyRenew how often one
	// that lives says so, and rekeyWait how long another waits for it.
	rekeyTTL   = 3 * time.Second
	rekeyRenew = time.Second
	rekeyWait  = 10 * time.Second
)

// lockKeys makes this rotation the only one. It waits for one that may have died.
func (d *Directory) lockKeys(ctx context.Context, holder string) (*keyLock, error) {
	for deadline := time.Now().Add(rekeyWait); ; {
		lock, err := d.state.Lock(ctx, "keyring", holder, rekeyTTL)
		if err == nil {
			return &keyLock{lock, time.Now()}, nil
		}
		if !errors.Is(err, scim.ErrLocked) || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// keyLock is a lock that is renewed now and then.
type keyLock struct {
	scim.Lock
	renewed time.Time
}

func (l *keyLock) keep(ctx context.Context) error {
	if time.Since(l.renewed) < rekeyRenew {
		return nil
	}
	l.renewed = time.Now()
	return l.Renew(ctx)
}

// usedKeys are the keys that there are secrets under still.
func (d *Directory) usedKeys(ctx context.Context, workspaces []string) (map[string]bool, error) {
	used := map[string]bool{}
	for _, name := range workspaces {
		w, err := d.Workspace(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, space := range []string{secretsSpace, credentialsSpace} {
			err := w.kv(space).Scan(ctx, func(_ string, text []byte) error {
				var l locked
				if err := json.Unmarshal(text, &l); err != nil {
					return scim.Errorf(scim.ErrCorrupt, "a secret: %v", err)
				}
				used[l.Key] = true
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return used, nil
}

func (w *Workspace) reencrypt(ctx context.Context, lock *keyLock, space, newest string) (n int, err error) {
	var keys []string
	if err := w.kv(space).Scan(ctx, func(key string, _ []byte) error {
		keys = append(keys, key)
		return nil
	}); err != nil {
		return 0, err
	}
	for _, key := range keys {
		if err := lock.keep(ctx); err != nil {
			return n, err
		}
		changed, err := w.reencryptOne(ctx, space, key, newest)
		if err != nil {
			return n, err
		}
		if changed {
			n++
		}
	}
	return n, nil
}

// reencryptOne encrypts a secret anew. One that was deleted or written meanwhile is as new as can be.
func (w *Workspace) reencryptOne(ctx context.Context, space, key, newest string) (bool, error) {
	for {
		old, err := w.kv(space).Get(ctx, key)
		if errors.Is(err, scim.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		var l locked
		if err := json.Unmarshal(old, &l); err != nil {
			return false, scim.Errorf(scim.ErrCorrupt, "a secret: %v", err)
		}
		if l.Key == newest {
			return false, nil
		}
		id, name, _ := strings.Cut(key, "/")
		text, err := w.dir.keys.open(l.sealed, w.name, id, space, name)
		if err != nil {
			return false, err
		}
		again, err := w.dir.keys.seal(l.LastUpdate, text, w.name, id, space, name)
		if err != nil {
			return false, err
		}
		value, err := json.Marshal(locked{again, l.Note})
		if err != nil {
			return false, err
		}
		if err = w.kv(space).Put(ctx, key, value, old); !errors.Is(err, scim.ErrVersionMismatch) {
			return err == nil, err
		}
	}
}
