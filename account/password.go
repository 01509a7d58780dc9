package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"rollcall/scim"
)

// The parameters of argon2id, and the bounds of those that are read back.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	saltLen      = 16
	tagLen       = 32

	maxArgonTime, maxArgonMemory, maxArgonThreads = 10, 1 << 20, 16

	maxPassword = 1024 // bytes: compared whole
	hashQueue   = 64   // how many may wait for a turn
)

// hasher makes and checks password hashes, as many at once as there are cores: each takes 19 MiB
// and the bandwidth of memory.
type hasher struct {
	turn    chan struct{}
	waiting chan struct{}
	dummy   string // what the password of nobody is checked against
	derive  func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

func newHasher() *hasher {
	cores := runtime.GOMAXPROCS(0)
	h := &hasher{turn: make(chan struct{}, cores), waiting: make(chan struct{}, cores+hashQueue), derive: argon2.IDKey}
	h.dummy = encodeHash(make([]byte, saltLen), make([]byte, tagLen))
	return h
}

// errQueueFull is the answer to who would have to wait for too long.
var errQueueFull = &scim.Error{Kind: scim.ErrUnavailable, Detail: "too many people are logging in; try again in a few seconds", RetryAfter: 3 * time.Second}

// take waits for a turn. errQueueFull where too many wait already.
func (h *hasher) take(ctx context.Context) (done func(), err error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, errQueueFull
	}
	select {
	case h.turn <- struct{}{}:
		return func() { <-h.turn; <-h.waiting }, nil
	case <-ctx.Done():
		<-h.waiting
		return nil, ctx.Err()
	}
}

// hash is the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.take(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // it never fails
	return encodeHash(salt, h.derive(opaque(password), salt, argonTime, argonMemory, argonThreads, tagLen)), nil
}

// verify tells, in a turn that was taken, whether a password is that of a hash. "" is the hash of nobody,
// which takes as long.
func (h *hasher) verify(hash, password string) (bool, error) {
	nobody := hash == ""
	if nobody {
		hash = h.dummy
	}
	p, err := parseHash(hash)
	if err != nil {
		return false, err
	}
	if len(password) > maxPassword {
		password, nobody = "", true
	}
	tag := h.derive(opaque(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.tag)))
	return subtle.ConstantTimeCompare(tag, p.tag) == 1 && !nobody, nil
}

// phc is a hash taken apart.
type phc struct {
	time, memory uint32
	threads      uint8
	salt, tag    []byte
}

func encodeHash(salt, tag []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64.EncodeToString(salt), b64.EncodeToString(tag))
}

// parseHash reads a PHC string. Its numbers are bounded: they say how much memory is taken.
func parseHash(text string) (phc, error) {
	bad := scim.Errorf(scim.ErrCorrupt, "a password hash cannot be read")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, bad
	}
	var p phc
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return phc{}, bad
	}
	var errSalt, errTag error
	p.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	p.tag, errTag = base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errTag != nil || len(p.salt) < 8 || len(p.tag) < 16 || len(p.tag) > 64 ||
		p.time < 1 || p.time > maxArgonTime || p.memory < 8 || p.memory > maxArgonMemory || p.threads < 1 || p.threads > maxArgonThreads {
		return phc{}, bad
	}
	return p, nil
}

// weaker tells a hash that should be made anew when its password is at hand.
func weaker(hash string) bool {
	p, err := parseHash(hash)
	return err == nil && (p.memory < argonMemory || p.time < argonTime)
}

// opaque is the text that is hashed (RFC 8265 §4.2): composed, with the plain space for every other.
func opaque(password string) []byte { return []byte(scim.OpaqueString(password)) }

// checkPassword holds a new password to a policy. words are the person's own names.
func (d *Directory) checkPassword(policy PasswordPolicy, password string, words ...string) error {
	bad := func(format string, args ...any) error {
		return scim.Errorf(scim.ErrInvalidValue, "password: "+format, args...)
	}
	n := utf8.RuneCountInString(password)
	switch {
	case len(password) > maxPassword:
		return bad("longer than %d bytes", maxPassword)
	case n < policy.MinLength:
		return bad("it needs at least %d characters", policy.MinLength)
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return bad("it holds control characters")
	}
	low := scim.Fold(password)
	for _, w := range words {
		if name, _, _ := strings.Cut(scim.Fold(w), "@"); name != "" && (low == name || low == scim.Fold(w)) {
			return bad("it is your own name")
		}
	}
	if strings.Trim(low, low[:1]) == "" {
		return bad("it is one character over and over")
	}
	if policy.BreachedList && d.breached[password] {
		return bad("it is in the list of passwords that became known; choose another")
	}
	return nil
}
