package events

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"rollcall/scim"
)

// The life of a signing key. A receiver may keep our JWKS for ten minutes, so a new key is shown
// longer than that before it signs, and an old one long after it stopped.
const (
	showBefore  = time.Hour
	showAfter   = 7 * 24 * time.Hour
	keyLife     = 90 * 24 * time.Hour
	rereadKeys  = time.Minute
	signingKeys = "signing"
)

// keys are the signing keys, shared by all replicas. They are made at their first use and lie in the
// store as they are: who can read the store can sign.
type keys struct {
	kv  scim.KV
	now func() time.Time

	mu   sync.Mutex // guards what follows
	ring []signingKey
	read time.Time
}

type signingKey struct {
	Created time.Time       `json:"created"`
	JWK     jose.JSONWebKey `json:"jwk"` // private
}

// load returns the keys, oldest first, with the stored text.
func (k *keys) load(ctx context.Context) ([]signingKey, []byte, error) {
	value, err := k.kv.Get(ctx, signingKeys)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, []byte{}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var ring []signingKey
	if err := json.Unmarshal(value, &ring); err != nil {
		// The text of the error could quote a key.
		return nil, nil, scim.Errorf(scim.ErrCorrupt, "the signing keys of events cannot be read")
	}
	return ring, value, nil
}

// add makes a key if want says so of those there are, and forgets those that no SET that is still
// under way can be signed with.
func (k *keys) add(ctx context.Context, want func([]signingKey) bool) ([]signingKey, error) {
	for {
		ring, old, err := k.load(ctx)
		if err != nil || !want(ring) {
			return ring, err
		}
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		now := k.now().UTC().Truncate(time.Second)
		for len(ring) > 1 && ring[1].Created.Add(showBefore+showAfter).Before(now) {
			ring = ring[1:]
		}
		ring = append(ring, signingKey{Created: now, JWK: jose.JSONWebKey{
			Key: private, KeyID: scim.NewID(), Algorithm: string(jose.ES256), Use: "sig"}})
		value, err := json.Marshal(ring)
		if err != nil {
			return nil, err
		}
		err = k.kv.Put(ctx, signingKeys, value, old)
		if errors.Is(err, scim.ErrVersionMismatch) {
			continue // another replica was first
		}
		return ring, err
	}
}

// current is the key to sign with now: the newest that everybody can know.
func current(ring []signingKey, now time.Time) *signingKey {
	for i := len(ring) - 1; i > 0; i-- {
		if !now.Before(ring[i].Created.Add(showBefore)) {
			return &ring[i]
		}
	}
	return &ring[0]
}

// sign makes a SET of claims (RFC 8417 §2.3: typ is secevent+jwt).
func (k *keys) sign(ctx context.Context, claims map[string]any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	key, err := k.signer(ctx)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithType("secevent+jwt"))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (k *keys) signer(ctx context.Context) (jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.ring == nil || now.Sub(k.read) > rereadKeys || now.Before(k.read) {
		ring, err := k.add(ctx, func(ring []signingKey) bool {
			return len(ring) == 0 || now.Sub(ring[len(ring)-1].Created) > keyLife
		})
		if err != nil {
			return jose.JSONWebKey{}, err
		}
		k.ring, k.read = ring, now
	}
	return current(k.ring, now).JWK, nil
}

// rotate makes a new key.
func (k *keys) rotate(ctx context.Context) error {
	_, err := k.add(ctx, func([]signingKey) bool { return true })
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ring = nil
	return err
}

// JWKS serves the public keys that SETs are signed with (RFC 7517 §5). It makes none.
func (t *Transmitter) JWKS(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	ring, _, err := t.keys.load(r.Context())
	if err != nil {
		t.log.ErrorContext(r.Context(), "the signing keys cannot be served", "error", err)
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
		return
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range slices.Backward(ring) {
		set.Keys = append(set.Keys, key.JWK.Public())
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=600")
	if err := json.NewEncoder(w).Encode(set); err != nil {
		t.log.Debug("keys were not sent", "error", err)
	}
}
