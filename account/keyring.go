package account

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rollcall/scim"
)

// keyring holds the keys that secrets are kept under. They are in a file of their own, outside of the
// store: a dump of the store alone gives nothing away. New secrets use the newest key.
type keyring struct {
	path    string
	setting string // that names the file

	mu     sync.Mutex // guards what follows
	loaded time.Time  // the file's time when it was read
	keys   []ringKey  // oldest first
}

type ringKey struct {
	ID      string    `json:"id"`
	Key     []byte    `json:"key"` // 32 bytes
	Created time.Time `json:"created"`
}

type ringFile struct {
	Keys []ringKey `json:"keys"`
}

// sealed is a secret as it is kept.
type sealed struct {
	Key        string    `json:"kid"`
	Data       string    `json:"data"` // base64 of nonce and ciphertext
	LastUpdate time.Time `json:"lastUpdate"`
}

// load reads the file where it has changed, and makes it where there is none.
func (k *keyring) load() error {
	if k.path == "" {
		return scim.Errorf(scim.ErrUnavailable, "the server has no keyring for this (setting %s)", k.setting)
	}
	info, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return k.write([]ringKey{newRingKey(time.Now())}, true)
	}
	if err != nil {
		return ringError(err)
	}
	if info.ModTime().Equal(k.loaded) {
		return nil
	}
	if info.Mode().Perm()&0o077 != 0 {
		return ringError(fmt.Errorf("others can read %s: chmod 400 it", k.path))
	}
	text, err := os.ReadFile(k.path)
	if err != nil {
		return ringError(err)
	}
	var file ringFile
	if err := json.Unmarshal(text, &file); err != nil || len(file.Keys) == 0 {
		return ringError(fmt.Errorf("%s is no keyring", k.path))
	}
	for _, key := range file.Keys {
		if len(key.Key) != 32 || key.ID == "" {
			return ringError(fmt.Errorf("a key of %s has not 32 bytes", k.path))
		}
	}
	k.keys, k.loaded = file.Keys, info.ModTime()
	return nil
}

// ringError tells the operator what is wrong, and the caller that something is.
func ringError(err error) error {
	return fmt.Errorf("%w: keyring: %w", scim.Errorf(scim.ErrUnavailable, "the server's keyring cannot be used now"), err)
}

func newRingKey(now time.Time) ringKey {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return ringKey{ID: randomBase62(8), Key: key, Created: now.UTC().Truncate(time.Second)}
}

// write replaces the file, so that who reads it sees the old or the new one whole. With fresh it must
// not be there: another replica that was first has won.
func (k *keyring) write(keys []ringKey, fresh bool) error {
	text, err := json.MarshalIndent(ringFile{keys}, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(k.path), ".keyring-*")
	if err != nil {
		return ringError(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o400), f.Sync(), f.Close())
	if err == nil && fresh {
		if err = os.Link(f.Name(), k.path); errors.Is(err, fs.ErrExist) {
			return k.load()
		}
	} else if err == nil {
		err = os.Rename(f.Name(), k.path)
	}
	if err != nil {
		return ringError(err)
	}
	info, err := os.Stat(k.path)
	if err != nil {
		return ringError(err)
	}
	k.keys, k.loaded = keys, info.ModTime()
	return nil
}

// add makes a new key, which is the newest from now on, and returns its id.
func (k *keyring) add(now time.Time) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return "", err
	}
	key := newRingKey(now)
	return key.ID, k.write(append(append([]ringKey{}, k.keys...), key), false)
}

// retire removes all keys but the newest, and those that are used.
func (k *keyring) retire(used map[string]bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return err
	}
	var kept []ringKey
	for i, key := range k.keys {
		if i == len(k.keys)-1 || used[key.ID] {
			kept = append(kept, key)
		}
	}
	return k.write(kept, false)
}

// key is the key of an id, or the newest for "".
func (k *keyring) key(id string) (ringKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return ringKey{}, err
	}
	if id == "" {
		return k.keys[len(k.keys)-1], nil
	}
	for _, key := range k.keys {
		if key.ID == id {
			return key, nil
		}
	}
	return ringKey{}, ringError(fmt.Errorf("%s has no key %s", k.path, id))
}

// oldest is the key that the file was made with.
func (k *keyring) oldest() (ringKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return ringKey{}, err
	}
	return k.keys[0], nil
}

// aead is the cipher of a key for secrets: AES-256-GCM with a nonce of its own for each.
func (k *ringKey) aead() (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, k.Key, nil, "rollcall secrets v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// identity is what a ciphertext is bound to: moved to another place, it does not open.
func identity(key string, parts ...string) []byte {
	out := []byte("v1")
	for _, p := range append(parts, key) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// seal encrypts a text for a place.
func (k *keyring) seal(now time.Time, text string, place ...string) (sealed, error) {
	key, err := k.key("")
	if err != nil {
		return sealed{}, err
	}
	aead, err := key.aead()
	if err != nil {
		return sealed{}, err
	}
	data := aead.Seal(nil, nil, []byte(text), identity(key.ID, place...))
	return sealed{Key: key.ID, Data: base64.StdEncoding.EncodeToString(data), LastUpdate: now.UTC().Truncate(time.Millisecond)}, nil
}

// open decrypts what was sealed for the same place.
func (k *keyring) open(s sealed, place ...string) (string, error) {
	key, err := k.key(s.Key)
	if err != nil {
		return "", err
	}
	aead, err := key.aead()
	if err != nil {
		return "", err
	}
	data, err := base64.StdEncoding.DecodeString(s.Data)
	if err != nil {
		return "", scim.Errorf(scim.ErrCorrupt, "a secret: %v", err)
	}
	text, err := aead.Open(nil, nil, data, identity(s.Key, place...))
	if err != nil {
		return "", scim.Errorf(scim.ErrCorrupt, "a secret was damaged, or moved from its place")
	}
	return string(text), nil
}
