package account

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Keyring is a file of keys for others than secrets: as theirs, but nothing is ever taken out of it.
type Keyring struct{ ring keyring }

// NewKeyring is the keyring in a file, which is made at first use; setting is what names it.
func NewKeyring(path, setting string) *Keyring {
	return &Keyring{keyring{path: path, setting: setting}}
}

// Newest is the newest key, for a purpose, and its id.
func (k *Keyring) Newest(purpose string) (id string, key []byte, err error) {
	found, err := k.ring.key("")
	if err != nil {
		return "", nil, err
	}
	key, err = hkdf.Key(sha256.New, found.Key, nil, purpose, 32)
	return found.ID, key, err
}

// Key is the key of an id, for a purpose.
func (k *Keyring) Key(id, purpose string) ([]byte, error) {
	found, err := k.ring.key(id)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, found.Key, nil, purpose, 32)
}

// Add makes a new key, which is the newest from now on, and returns its id.
func (k *Keyring) Add(now time.Time) (string, error) { return k.ring.add(now) }

// Sum is a keyed hash of a text, by the oldest key: it stays the same, and who does not have the key
// cannot find out by trying what it is of.
func (k *Keyring) Sum(text string) (string, error) {
	first, err := k.ring.oldest()
	if err != nil {
		return "", err
	}
	key, err := hkdf.Key(sha256.New, first.Key, nil, "rollcall sums v1", 32)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)), nil
}
