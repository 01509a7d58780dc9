package scimhttp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	wire "github.com/elimity-com/scim/errors"

	"rollcall/scim"
)

// What only HTTP can get wrong.
var (
	errMethod      = errors.New("method not allowed")
	errMediaType   = errors.New("unsupported media type")
	errURITooLong  = errors.New("URI too long")
	errBadRequest  = errors.New("bad request")
	errInternal    = errors.New("internal error")
	errUnresolved  = errors.New("unresolved bulkId")
	errGone        = errors.New("the client has gone away")
	errCancelled   = errors.New("the request was cancelled")
	errNoEndpoint  = scim.Errorf(scim.ErrNotFound, "there is no such endpoint: /ResourceTypes lists those of resources")
	errNoResource  = scim.Errorf(scim.ErrNotFound, "there is no such resource")
	errNoToken     = scim.Errorf(scim.ErrUnauthenticated, "a bearer token is required")
	errBadToken    = scim.Errorf(scim.ErrUnauthenticated, "the bearer token is not valid")
	errDiscovery   = scim.Errorf(scim.ErrForbidden, "discovery endpoints cannot be filtered (RFC 7644 §4)")
	errHost        = scim.Errorf(errBadRequest, "the host of the request is not valid")
	errOutOfChance = scim.Errorf(scim.ErrUnavailable, "the resource is being changed by others; try again")
)

// What RFC 9865 §2.1 adds.
var (
	errInvalidCursor = errors.New("invalidCursor")
	errExpiredCursor = errors.New("expiredCursor")
	errInvalidCount  = errors.New("invalidCount")
)

// Statuses that are logged and never sent.
const (
	statusGone = 499 // the client went away first
	statusCut  = 599 // the connection was cut in the middle of an answer
)

// table is what each kind of error is on the wire (RFC 7644 §3.12). The detail is for an
// error that has none of its own. The first row that matches counts.
var table = []struct {
	kind   error
	status int
	scim   wire.ScimType
	detail string
}{
	{scim.ErrInvalidFilter, 400, wire.ScimTypeInvalidFilter, "the filter is not valid"},
	{scim.ErrTooMany, 400, wire.ScimTypeTooMany, "there are too many results"},
	{scim.ErrUniqueness, 409, wire.ScimTypeUniqueness, "a unique value is already in use"},
	{scim.ErrMutability, 400, wire.ScimTypeMutability, "the attribute cannot be changed so"},
	{scim.ErrInvalidSyntax, 400, wire.ScimTypeInvalidSyntax, "the body is not valid"},
	{scim.ErrInvalidPath, 400, wire.ScimTypeInvalidPath, "the path is not valid"},
	{scim.ErrNoTarget, 400, wire.ScimTypeNoTarget, "the path selects nothing"},
	{scim.ErrInvalidValue, 400, wire.ScimTypeInvalidValue, "the value is not valid"},
	{scim.ErrInvalidVers, 400, wire.ScimTypeInvalidVersion, "the version is not supported"},
	{errInvalidCursor, 400, "invalidCursor", "the cursor is not valid"},
	{errExpiredCursor, 400, "expiredCursor", "the cursor has expired"},
	{errInvalidCount, 400, "invalidCount", "count is not valid"},
	{scim.ErrSensitive, 403, wire.ScimTypeSensitive, "the attribute cannot be asked for"},
	{scim.ErrUnauthenticated, 401, "", "a bearer token is required"},
	{scim.ErrForbidden, 403, "", "the token does not allow this"},
	{scim.ErrNotFound, 404, "", "there is no such resource"},
	{scim.ErrVersionMismatch, 412, "", "the resource has been changed since"},
	{scim.ErrTooLarge, 413, "", "the request is too large"},
	{scim.ErrLocked, 409, "", "the resource is locked"},
	{scim.ErrLastAdministrator, 409, "", "the workspace needs an administrator"},
	{scim.ErrLeased, 409, "", "an application is doing work for the person"},
	{scim.ErrTooManyRequests, 429, "", "too many requests; try again later"},
	{scim.ErrPaused, 503, "", "the client is paused; try again later"},
	{scim.ErrUnavailable, 503, "", "the store cannot be reached; try again"},
	{context.DeadlineExceeded, 503, "", "the request took too long; try again"},
	{errCancelled, 503, "", "the request was cancelled"},
	{errBadRequest, 400, "", "the request is not valid"},
	{errMethod, 405, "", "the method is not allowed here"},
	{errUnresolved, 409, "", "a bulkId could not be resolved"},
	{errMediaType, 415, "", "the body must be application/scim+json"},
	{errURITooLong, 414, "", "the URL is too long"},
}

// fail answers with an error, once.
func (x *exchange) fail(err error) {
	gone := errors.Is(err, errGone) || errors.Is(err, context.Canceled) && x.r.Context().Err() != nil
	begun := x.status != 0
	switch {
	case gone && begun:
		x.status = statusGone
	case gone: // nobody may read it, but no answer at all would be sent as 200
		x.respond(errCancelled)
		x.status = statusGone
	case begun:
		x.logCause(err)
		x.status = statusCut
	default:
		x.respond(err)
	}
	if begun { // cut off, so that the client does not take it for whole
		panic(http.ErrAbortHandler)
	}
}

// wireError is the error as RFC 7644 §3.12 has it. Only the detail of a scim.Error is for the
// client to read; any other text may name what is inside.
func (x *exchange) wireError(err error) (wire.ScimError, *scim.Error) {
	out := wire.ScimError{Status: http.StatusInternalServerError, Detail: "internal error; see the server's log for " + x.requestID}
	for i := range table {
		if row := &table[i]; errors.Is(err, row.kind) {
			out = wire.ScimError{Status: row.status, ScimType: row.scim, Detail: row.detail}
			break
		}
	}
	var detailed *scim.Error
	if errors.As(err, &detailed) && detailed.Detail != "" && out.Status != http.StatusInternalServerError {
		out.Detail = shorten(detailed.Detail)
	}
	return out, detailed
}

// respond writes the error as RFC 7644 §3.12 has it. Only the detail of a scim.Error
// is for the client to read; any other text may name what is inside.
func (x *exchange) respond(err error) {
	out, detailed := x.wireError(err)
	x.scimType = string(out.ScimType)
	h := x.w.Header()
	h.Del("Etag") // of a resource that is not answered after all
	h.Del("Location")
	switch out.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		if x.challenge != "" && out.ScimType == "" {
			h.Set("WWW-Authenticate", x.challenge)
			if x.h.cfg.Basic && out.Status == http.StatusUnauthorized {
				h.Add("WWW-Authenticate", challengeBasic)
			}
		}
	case http.StatusTooManyRequests:
		h.Set("Retry-After", x.retryAfter(detailed))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", x.retryAfter(detailed))
		if !errors.Is(err, errCancelled) && !errors.Is(err, scim.ErrPaused) {
			x.logCause(err)
		}
	case http.StatusInternalServerError:
		x.logCause(err)
	}
	body, merr := json.Marshal(out)
	if merr != nil { // a detail is text: this cannot be
		x.empty(out.Status)
		return
	}
	_ = x.json(out.Status, body) // nobody is left to tell of a failure
}

// retryAfter is whole seconds, as Okta wants them (clients.md A20), and at least one.
func (x *exchange) retryAfter(e *scim.Error) string {
	d := x.h.cfg.RetryAfter
	if e != nil && e.RetryAfter > 0 {
		d = e.RetryAfter
	}
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

func (x *exchange) logCause(err error) {
	x.h.cfg.Logger.LogAttrs(x.ctx, slog.LevelError, "request failed",
		slog.String("request_id", x.requestID),
		slog.String("method", logMethod(x.r.Method)),
		slog.String("route", x.route),
		slog.String("error", err.Error()))
}

// shorten bounds a detail: it may quote what the client sent.
func shorten(s string) string {
	const most = 1000
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// ErrorType is one scimType of an error, for the reference.
type ErrorType struct {
	ScimType, Detail string
	Status           int
}

// ErrorTypes lists every scimType that an answer can have (RFC 7644 §3.12, RFC 9865 §2.1).
func ErrorTypes() []ErrorType {
	var list []ErrorType
	for _, row := range table {
		if row.scim != "" {
			list = append(list, ErrorType{string(row.scim), row.detail, row.status})
		}
	}
	return list
}
