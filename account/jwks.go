package account

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"sync"
	"time"

	"rollcall/scim"
)

const (
	keysFresh   = time.Hour        // for so long keys are believed without asking again
	keysStale   = 24 * time.Hour   // and for so long where the issuer does not answer
	keysPause   = 10 * time.Second // between two requests for keys, whatever is sent to us
	keysTimeout = 5 * time.Second
	maxKeySet   = 1 << 20 // bytes
	maxKeys     = 100     // that are used of a set
	minRSABits  = 2048    // RFC 7518 §3.3
)

// keySet is the keys of an issuer (RFC 7517), read when they are needed: an unknown key is
// looked for, as issuers change theirs without notice, but never more often than keysPause.
type keySet struct {
	url    string
	http   *http.Client
	now    func() time.Time
	logger *slog.Logger

	fetching chan struct{} // holds an element while somebody fetches

	mu             sync.Mutex // guards what follows
	keys           []issuerKey
	fetched, tried time.Time
	failed         bool // the last try
}

type issuerKey struct {
	id     string
	public crypto.PublicKey
}

func newKeySet(url string, fetch *http.Client, now func() time.Time, logger *slog.Logger) *keySet {
	return &keySet{url: url, http: fetch, now: now, logger: logger, fetching: make(chan struct{}, 1)}
}

// keysHTTP is a client that follows no redirect from https to what anybody can change.
func keysHTTP() *http.Client {
	return &http.Client{Timeout: keysTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 || via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
			return errors.New("the redirect is not followed")
		}
		return nil
	}}
}

// find gives the keys of an id, all of them for "", none where the issuer has none. It answers
// scim.ErrUnavailable where the issuer would have to be asked and does not answer.
func (k *keySet) find(ctx context.Context, id string) ([]crypto.PublicKey, error) {
	keys, done, err := k.known(id)
	if done {
		return keys, err
	}
	select {
	case k.fetching <- struct{}{}:
	default:
		if len(keys) > 0 {
			return keys, nil // somebody asks already; these do meanwhile
		}
		select {
		case k.fetching <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-k.fetching }()
	if keys, done, err := k.known(id); done {
		return keys, err
	}
	k.refresh(ctx)
	keys, _, err = k.known(id)
	return keys, err
}

// known gives what is known of an id. done is false where the issuer should be asked.
func (k *keySet) known(id string) (keys []crypto.PublicKey, done bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	age := now.Sub(k.fetched)
	for _, key := range k.keys {
		if (id == "" || key.id == id) && age < keysStale {
			keys = append(keys, key.public)
		}
	}
	switch {
	case len(keys) > 0 && age < keysFresh:
		return keys, true, nil
	case now.Sub(k.tried) >= keysPause:
		return keys, false, nil
	case len(keys) == 0 && k.failed:
		err := scim.Errorf(scim.ErrUnavailable, "the keys of the token's issuer cannot be read; try again later")
		err.RetryAfter = keysPause
		return nil, true, err
	}
	return keys, true, nil
}

// refresh asks the issuer. A caller who goes away does not break it off: others wait for it too.
func (k *keySet) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	keys, err := k.fetch(ctx)
	if err != nil {
		k.logger.LogAttrs(ctx, slog.LevelWarn, "the keys of a JWT issuer cannot be read", slog.String("url", k.url), slog.Any("error", err))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried, k.failed = k.now(), err != nil
	if err == nil {
		k.keys, k.fetched = keys, k.tried
	}
}

func (k *keySet) fetch(ctx context.Context) ([]issuerKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := k.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeySet {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxKeySet)
	}
	return parseKeySet(text)
}

// parseKeySet reads the keys of a set that can check signatures. "Implementations SHOULD ignore
// JWKs within a JWK Set that use kty values that are not understood" (RFC 7517 §5).
func parseKeySet(text []byte) ([]issuerKey, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the answer is no key set: %w", err)
	}
	var keys []issuerKey
	for _, key := range set.Keys {
		if public, err := key.public(); err == nil && len(keys) < maxKeys {
			keys = append(keys, issuerKey{key.Kid, public})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the answer holds no key for signatures")
	}
	return keys, nil
}

// jwk is a public key as RFC 7517 and RFC 7518 §6 write it.
type jwk struct {
	Kty, Kid, Use, Crv, N, E, X, Y string
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (k jwk) public() (crypto.PublicKey, error) {
	if k.Use != "" && k.Use != "sig" {
		return nil, errors.New("it is not for signatures")
	}
	switch k.Kty {
	case "RSA":
		return k.rsa()
	case "EC":
		return k.ecdsa()
	case "OKP":
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || k.Crv != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("it is no Ed25519 key")
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errors.New("its type is not known")
}

func (k jwk) rsa() (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(k.N)
	e, err2 := base64.RawURLEncoding.DecodeString(k.E)
	if err != nil || err2 != nil || len(e) > 4 || len(n) > 2048 {
		return nil, errors.New("its numbers cannot be read")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if key.N.BitLen() < minRSABits || key.E < 3 || key.E&1 == 0 {
		return nil, errors.New("it is too weak")
	}
	return key, nil
}

func (k jwk) ecdsa() (*ecdsa.PublicKey, error) {
	curve := curves[k.Crv]
	if curve == nil {
		return nil, errors.New("its curve is not known")
	}
	size := (curve.Params().BitSize + 7) / 8
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	y, err2 := base64.RawURLEncoding.DecodeString(k.Y)
	if err != nil || err2 != nil || len(x) != size || len(y) != size {
		return nil, errors.New("its point cannot be read")
	}
	// It refuses a point that is not on the curve.
	return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
}
