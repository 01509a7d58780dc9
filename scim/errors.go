package scim

import (
	"errors"
	"fmt"
	"time"
)

// The keywords of RFC 7644 §3.12, table 9, one sentinel each.
var (
	ErrInvalidFilter = errors.New("invalidFilter")
	ErrTooMany       = errors.New("tooMany")
	ErrUniqueness    = errors.New("uniqueness")
	ErrMutability    = errors.New("mutability")
	ErrInvalidSyntax = errors.New("invalidSyntax")
	ErrInvalidPath   = errors.New("invalidPath")
	ErrNoTarget      = errors.New("noTarget")
	ErrInvalidValue  = errors.New("invalidValue")
	ErrInvalidVers   = errors.New("invalidVers")
	ErrSensitive     = errors.New("sensitive")
)

// What else can go wrong.
var (
	ErrNotFound        = errors.New("not found")
	ErrVersionMismatch = errors.New("version mismatch") // someone else changed it first
	ErrUnauthenticated = errors.New("unauthenticated")
	ErrForbidden       = errors.New("forbidden")
	ErrTooLarge        = errors.New("too large")
	ErrUnavailable     = errors.New("unavailable") // try again; the outcome may be unknown
	ErrPaused          = errors.New("paused")      // an operator holds the client up; nothing was done
	ErrTooManyRequests = errors.New("too many requests")
	ErrFenced          = errors.New("fenced") // another run took the lock over
	ErrInUse           = errors.New("in use") // resources depend on what was to go
	ErrLocked          = errors.New("locked") // another run holds the lock
	// ErrLastAdministrator is a change that would leave a workspace without one.
	ErrLastAdministrator = errors.New("last administrator")
	ErrLeased            = errors.New("leased") // an application is doing work for the person
	// ErrPasswordExpired is a login that is right, with a password whose time is over.
	ErrPasswordExpired = errors.New("password expired")
	ErrCorrupt         = errors.New("corrupt") // what was stored cannot be read
	// ErrErased is a source that would make somebody anew who was erased.
	ErrErased = fmt.Errorf("erased: %w", ErrForbidden)
)

// Error is an error whose Detail is meant for the client. Kind is one of the
// sentinels above, and errors.Is finds it.
type Error struct {
	Kind       error
	Detail     string
	RetryAfter time.Duration // with ErrUnavailable, ErrPaused, ErrTooManyRequests: when to try again; zero for the default
}

func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Detail }
func (e *Error) Unwrap() error { return e.Kind }

// Errorf makes an Error with a detail that the client may read: name the attribute,
// say what was expected, never quote a secret.
func Errorf(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// ErrUnknownAttribute is found in an ErrInvalidFilter or ErrInvalidPath whose cause is
// an attribute that the resource type does not have. In a query over several types such
// a filter matches nothing of that type; in a body the attribute is ignored.
var ErrUnknownAttribute = errors.New("unknown attribute")

type unknownError struct{ err *Error }

func (e *unknownError) Error() string   { return e.err.Error() }
func (e *unknownError) Unwrap() []error { return []error{e.err, ErrUnknownAttribute} }
