package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
)

// A token is "rc_<id>_<secret><crc>": the id finds it, the secret has 256 bits, and
// the CRC-32 tells a mistyped token from a wrong one, and lets scanners find lost ones.
const (
	tokenPrefix = "rc_"
	tokenIDLen  = 10
	maxTokenID  = 20
	accessIDLen = 14 // of an access token: by its length it is looked for in a space of its own
	secretLen   = 43 // base 62 digits that hold 256 bits
	crcLen      = 6
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// sameHash compares in a time that does not depend on where the hashes differ.
func sameHash(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func hashToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func mintToken(id string) string {
	secret := randomBase62(secretLen)
	return tokenPrefix + id + "_" + secret + crcOf(id, secret)
}

// parseToken takes a token apart and checks its form. It says nothing of its worth.
func parseToken(text string) (id string, ok bool) {
	id, ok = cutToken(text)
	return id, ok && len(id) <= maxTokenID
}

// cutToken is parseToken for an id of any length: that of a code is longer.
func cutToken(text string) (id string, ok bool) {
	rest, found := strings.CutPrefix(text, tokenPrefix)
	if !found {
		return "", false
	}
	id, secret, found := strings.Cut(rest, "_")
	if !found || len(secret) != secretLen+crcLen {
		return "", false
	}
	secret, crc := secret[:secretLen], secret[secretLen:]
	return id, crc == crcOf(id, secret)
}

func crcOf(id, secret string) string {
	sum := crc32.ChecksumIEEE([]byte(id + "_" + secret))
	var digits [crcLen]byte
	for i := crcLen - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// randomBase62 gives n digits, each equally likely.
func randomBase62(n int) string {
	digits := make([]byte, n)
	for i := range digits {
		k, err := rand.Int(rand.Reader, big.NewInt(62))
		if err != nil {
			panic(fmt.Sprintf("account: no randomness: %v", err)) // crypto/rand never fails since Go 1.24
		}
		digits[i] = base62[k.Int64()]
	}
	return string(digits)
}
