package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// Problem is an error on the wire: problem details of RFC 9457. Type is stable: a
// program may rely on it.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	// Token and ExpiresAt come with password-expired: good for setting a new password alone.
	Token string `json:"token,omitempty"`
	// Leases come with leased.
	Leases    []account.Lease `json:"leases,omitempty"`
	ExpiresAt time.Time       `json:"expiresAt,omitzero"`
}

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Named tells whether the problem is of that name, the last part of its type.
func (p *Problem) Named(name string) bool { return p.Type == problemBase+name }

// problemBase starts every problem's type. It names the problem and need not be fetched.
const problemBase = "urn:rollcall:problem:"

type problemKind struct {
	kind   error
	status int
	name   string
	title  string
}

// problems maps what can go wrong to the wire. The first row that matches counts.
var problems = []problemKind{
	{scim.ErrUnauthenticated, http.StatusUnauthorized, "unauthenticated", "Credentials are missing or wrong"},
	{scim.ErrForbidden, http.StatusForbidden, "forbidden", "Not allowed"},
	{scim.ErrNotFound, http.StatusNotFound, "not-found", "Not found"},
	{scim.ErrTooLarge, http.StatusRequestEntityTooLarge, "too-large", "The request is too large"},
	{scim.ErrLocked, http.StatusConflict, "locked", "Another run holds the lock"},
	{scim.ErrFenced, http.StatusConflict, "locked", "Another run took the lock over"},
	{scim.ErrInUse, http.StatusConflict, "in-use", "Still in use"},
	{scim.ErrUniqueness, http.StatusConflict, "uniqueness", "Already in use"},
	{scim.ErrVersionMismatch, http.StatusConflict, "version-mismatch", "Changed by somebody else"},
	{scim.ErrLastAdministrator, http.StatusConflict, "last-administrator", "The workspace needs an administrator"},
	{scim.ErrLeased, http.StatusConflict, "leased", "An application is doing work for the person"},
	{scim.ErrPasswordExpired, http.StatusForbidden, "password-expired", "The password has expired"},
	{scim.ErrMutability, http.StatusBadRequest, "mutability", "The attribute cannot be changed so"},
	{scim.ErrInvalidSyntax, http.StatusBadRequest, "invalid-syntax", "The request cannot be read"},
	{scim.ErrInvalidValue, http.StatusBadRequest, "invalid-value", "A value is not valid"},
	{scim.ErrTooManyRequests, http.StatusTooManyRequests, "too-many-requests", "Too many requests"},
	{scim.ErrPaused, http.StatusServiceUnavailable, "paused", "The client is paused"},
	{scim.ErrInvalidVers, http.StatusGone, "feed-trimmed", "The feed no longer reaches back so far"},
	{scim.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "Try again later"},
}

const retryAfterSeconds = 5

// retryAfter is when to try again, in whole seconds and at least one.
func retryAfter(err error) string {
	var e *scim.Error
	if !errors.As(err, &e) || e.RetryAfter <= 0 {
		return strconv.Itoa(retryAfterSeconds)
	}
	return strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10)
}

// fail writes the error as a problem. What was not meant for the caller is logged, not shown.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := a.problem(r, err)
	if p.Status >= http.StatusInternalServerError && !errors.Is(err, scim.ErrPaused) {
		a.logFailure(r, err)
	}
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryAfter(err))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func (a *api) logFailure(r *http.Request, err error) {
	a.logger.LogAttrs(r.Context(), slog.LevelError, "api request failed", slog.String("request_id", requestID(r)), slog.Any("error", err))
}

// problem is an error as the caller sees it.
func (a *api) problem(r *http.Request, err error) *Problem {
	p := &Problem{Type: problemBase + "internal", Title: "Internal error", Status: http.StatusInternalServerError, RequestID: requestID(r)}
	for _, row := range problems {
		if errors.Is(err, row.kind) {
			p.Type, p.Title, p.Status = problemBase+row.name, row.title, row.status
			break
		}
	}
	var e *scim.Error
	if errors.As(err, &e) {
		p.Detail = e.Detail
	}
	var expired *expiredPassword
	if errors.As(err, &expired) {
		p.Token, p.ExpiresAt = expired.in.Token, expired.in.ExpiresAt
	}
	var leased *account.LeasedError
	if errors.As(err, &leased) {
		p.Leases = leased.Leases
	}
	return p
}

// ProblemType is one type of problem, for the reference.
type ProblemType struct {
	Type, Name, Title string
	Status            int
}

// ProblemTypes lists every type of problem, each once.
func ProblemTypes() []ProblemType {
	var list []ProblemType
	seen := map[string]bool{}
	for _, row := range problems {
		if !seen[row.name] {
			seen[row.name] = true
			list = append(list, ProblemType{problemBase + row.name, row.name, row.title, row.status})
		}
	}
	return append(list, ProblemType{problemBase + "internal", "internal", "Internal error", http.StatusInternalServerError})
}
