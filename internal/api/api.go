// Package api is /api/v1: what SCIM cannot say, as JSON in camelCase with the problem details
// of RFC 9457 for errors. It only translates: the rules are in account and sync.
//
// Start with route, of which every call is one, and New, which serves them.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"sync"
	"time"

	"rollcall/account"
	"rollcall/internal/audit"
	"rollcall/internal/events"
	"rollcall/internal/recorder"
	"rollcall/internal/schemas"
	"rollcall/scim"
)

// saneID is what a caller may name a request.
var saneID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// maxBody bounds a request's body, in bytes.
const maxBody = 1 << 20

// Config is what the API serves.
type Config struct {
	Accounts *account.Directory
	// SignIn tells who sends a request.
	SignIn func(r *http.Request) (*scim.Actor, error)
	// BaseURL is what the caller of a request has in front of /w/…; nil for nothing.
	BaseURL func(r *http.Request) (string, bool)
	Version string // of the program, for the document
	// ClientAddr tells where a request comes from; nil where that is not known.
	ClientAddr func(r *http.Request) netip.Addr
	// Browser are the pages that a login by a provider ends in; nil for JSON alone.
	Browser Browser
	// Sources are the sources of every workspace, by name.
	Sources map[string]Source
	// Schemas are what each workspace adds to the schemas; nil for none, and no calls about them.
	Schemas      *schemas.Registry
	FilterLimits scim.FilterLimits // as SCIM has them
	// Explain tells how the store answers a query of a workspace, by the order of an attribute or
	// "" for none; what it returns is sent as JSON. nil for no such call.
	Explain func(ctx context.Context, workspace string, q *scim.Query, sortBy string) (any, error)
	// Backup writes everything that is kept as the answer, or nothing and an error; nil for no such
	// call.
	Backup func(ctx context.Context, w http.ResponseWriter) error
	// Audit is the audit of every workspace; nil for no calls about it.
	Audit *audit.Log
	// Requests are what clients sent lately; nil for none.
	Requests *recorder.Recorder
	// Events are the streams of events; nil for none, and no calls about them.
	Events *events.Transmitter
	// Lifetime ends when the process is told to stop: runs that were asked for end with it,
	// and not with the request that asked. nil for a process that waits for the request.
	Lifetime context.Context
	Logger   *slog.Logger
}

type api struct {
	Config
	logger    *slog.Logger
	followers chan struct{} // slots of those who follow the feed
	document  func() ([]byte, error)
}

// base is in front of every path.
const base = "/api/v1"

// New serves the API under /api/v1.
func New(c Config) http.Handler {
	a := &api{Config: c, logger: c.Logger, followers: make(chan struct{}, maxFollowers)}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	routes := a.routes()
	a.document = sync.OnceValues(func() ([]byte, error) { return describe(routes, c.Version) })
	for _, rt := range routes {
		h := a.serve(&rt)
		if rt.long {
			h = long(h)
		}
		mux.Handle(rt.method+" "+base+rt.path, h)
	}
	mux.Handle(base+"/", a.serve(&route{call: func(r *http.Request) (int, any, error) {
		return 0, nil, scim.Errorf(scim.ErrNotFound, "%s %s is no call of this API: GET %s/openapi.json lists them", r.Method, r.URL.Path, base)
	}}))
	return mux
}

// long lifts the server's time limit from a call that takes as long as a directory is large.
func long(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An error means that there is no limit to lift.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		next.ServeHTTP(w, r)
	})
}

// handler answers a call with a status and a body; nil for no body. A body that is an
// http.Handler writes the answer itself.
type handler func(r *http.Request) (status int, body any, err error)

// serve signs the caller in, holds what the route asks of them, calls the handler and writes what it
// says.
func (a *api) serve(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !saneID.MatchString(id) {
			id = scim.NewID()
		}
		w.Header().Set("X-Request-Id", id)
		r = r.WithContext(scim.WithRequestID(r.Context(), id))
		w.Header().Set("Cache-Control", "no-store")
		defer a.recover(w, r)
		if !rt.open {
			actor, err := a.SignIn(r)
			if err != nil {
				a.fail(w, r, err)
				return
			}
			own := *actor // others share it
			own.RequestID = id
			r = r.WithContext(scim.WithActor(r.Context(), &own))
			if err := rt.admit(r); err != nil {
				a.fail(w, r, err)
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		status, body, err := rt.call(r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		if stream, ok := body.(http.Handler); ok {
			stream.ServeHTTP(w, r)
			return
		}
		if body != nil {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		if body != nil {
			a.encode(w, body)
		}
	})
}

func (a *api) encode(w io.Writer, body any) {
	if err := json.NewEncoder(w).Encode(body); err != nil {
		a.logger.Debug("api answer was not sent", "error", err)
	}
}

// detach is a context with the values of ctx that ends with the process; done gives up what it holds.
func (a *api) detach(ctx context.Context) (detached context.Context, done func()) {
	if a.Lifetime == nil {
		return ctx, func() {}
	}
	detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(a.Lifetime, cancel)
	return detached, func() { stop(); cancel() }
}

// recover turns a panic into a bare 500. What it was is logged.
func (a *api) recover(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		a.fail(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
}

func requestID(r *http.Request) string { return scim.RequestIDFrom(r.Context()) }

// workspaceOf is the workspace of a call: the token's, or "default" for a token of all.
func workspaceOf(r *http.Request) string {
	if a := scim.ActorFrom(r.Context()); a != nil && a.Workspace != "" {
		return a.Workspace
	}
	return "default"
}

// readJSON reads a body strictly into v: an unknown member is an error that names it.
func readJSON(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the JSON object")
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return scim.Errorf(scim.ErrTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	}
	return scim.Errorf(scim.ErrInvalidSyntax, "the body cannot be read as JSON: %v", err)
}
