// Package scimhttp is SCIM over HTTP: RFC 7644 as an http.Handler on top of package
// scim, which holds the rules, and of a scim.Store, which keeps the resources.
//
// It reads requests strictly where a mistake could do harm and with patience where
// real clients differ from the RFC (quirks.go names each tolerance), and it is the
// only place that knows status codes (errors.go). It does not decide who may do what:
// that is the Store that Config.Directory gives out. Listening, TLS and time-outs belong to
// the caller.
//
// Start with Handler.ServeHTTP and serve, which show the order in which a request is
// handled; then resource.go (create to delete), list.go and search.go (cursor.go pages
// them), bulk.go, discovery.go. An answer is made by wire.go (the text of a resource) and
// project.go (which attributes it has).
package scimhttp

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"rollcall/scim"
)

// Handler serves SCIM for every workspace, at /scim/v2/… (the workspace of the token)
// and /w/{workspace}/scim/v2/…. It is safe for concurrent use.
//
// Do not mount it on an http.ServeMux: that answers a doubled slash with a redirect, which
// turns a POST into a GET.
type Handler struct {
	cfg   Config
	large chan struct{} // one element for each large body that is held decoded
	seal  *cursorSealer

	mu     sync.RWMutex // guards models
	models map[*scim.Model]*wireModel
}

// New builds a Handler.
func New(c Config) (*Handler, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	seal, err := newCursorSealer(c.CursorKey)
	if err != nil {
		return nil, fmt.Errorf("scimhttp: %w", err)
	}
	return &Handler{
		cfg:    c,
		seal:   seal,
		large:  make(chan struct{}, c.Limits.LargeBodies),
		models: map[*scim.Model]*wireModel{},
	}, nil
}

// ServeHTTP answers one request. Whatever happens, the answer is a SCIM one.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: w, r: r, ctx: r.Context(), began: time.Now(), route: "unknown"}
	x.requestID = x.newRequestID()
	w.Header()["X-Request-Id"] = []string{x.requestID}
	w.Header()["Vary"] = varies
	defer x.observe()
	defer x.log()
	defer x.recover()
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

// serve is the order of things: who asks, where, what. Nothing is said of what exists
// before the token is known to be good, and nothing of another workspace after that.
func (x *exchange) serve() error {
	if err := x.authenticate(); err != nil {
		return err
	}
	if len(x.r.RequestURI) > x.h.cfg.Limits.URL || len(x.r.URL.Path)+len(x.r.URL.RawQuery) > x.h.cfg.Limits.URL {
		return errURITooLong
	}
	p, ok := parsePath(x.r.URL.Path)
	if !ok {
		return errNoEndpoint
	}
	if err := x.enter(p); err != nil {
		return err
	}
	x.pathQuirks(p)
	return x.dispatch(p)
}

// dispatch finds the endpoint. Names are compared ignoring case (clients.md A14).
func (x *exchange) dispatch(p target) error {
	if p.extra {
		return errNoEndpoint
	}
	switch t := x.model.endpoint(p.endpoint); {
	case p.endpoint == "":
		x.route = "/scim/v2"
		return x.run(root)
	case t != nil && strings.EqualFold(p.id, ".search"):
		x.typ, x.route = t, t.routes+"/.search"
		return x.run(search)
	case t != nil && p.id == "":
		x.typ, x.route = t, t.routes
		return x.run(collection)
	case t != nil:
		x.typ, x.id, x.route = t, p.id, t.route
		return x.run(single)
	}
	name := strings.ToLower(p.endpoint)
	switch {
	case name == "resourcetypes" || name == "schemas":
	case p.id != "":
		return errNoEndpoint
	}
	switch name {
	case ".search":
		x.route = "/scim/v2/.search"
		return x.run(search)
	case "bulk":
		x.route = "/scim/v2/Bulk"
		return x.run(bulk)
	case "me":
		x.route = "/scim/v2/Me"
		return x.me()
	case "serviceproviderconfig":
		x.route = "/scim/v2/ServiceProviderConfig"
		return x.run(discovery(x.model.config))
	case "resourcetypes":
		x.route = "/scim/v2/ResourceTypes"
		if p.id != "" {
			x.route += "/{id}"
		}
		return x.run(discovery(x.model.resourceTypes.find(p.id)))
	case "schemas":
		x.route = "/scim/v2/Schemas"
		if p.id != "" {
			x.route += "/{id}"
		}
		return x.run(discovery(x.model.schemas.find(p.id)))
	}
	return errNoEndpoint
}

// methods are what one kind of URL can do.
type methods struct {
	get, post, put, patch, delete func(*exchange) error
	allow                         string
}

var (
	collection = methods{
		get: (*exchange).list, post: (*exchange).create,
		allow: "GET, HEAD, POST, OPTIONS",
	}
	single = methods{
		get: (*exchange).get, put: (*exchange).replace, patch: (*exchange).patch, delete: (*exchange).delete,
		allow: "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
	}
	root   = methods{get: (*exchange).list, allow: "GET, HEAD, OPTIONS"}
	search = methods{post: (*exchange).search, allow: "POST, OPTIONS"}
	bulk   = methods{post: (*exchange).bulk, allow: "POST, OPTIONS"}
)

func (x *exchange) run(m methods) error {
	var f func(*exchange) error
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		f = m.get
	case http.MethodPost:
		f = m.post
	case http.MethodPut:
		f = m.put
	case http.MethodPatch:
		f = m.patch
	case http.MethodDelete:
		f = m.delete
	case http.MethodOptions:
		x.w.Header().Set("Allow", m.allow)
		x.empty(http.StatusNoContent)
		return nil
	}
	if f == nil {
		x.w.Header().Set("Allow", m.allow)
		return scim.Errorf(errMethod, "the method is not one of %s", m.allow)
	}
	return f(x)
}

// target is what the path of a URL names.
type target struct {
	workspace    string // "" for that of the token
	endpoint, id string
	extra        bool // there is more behind the id
	doubled      bool // somewhere a slash stood twice
	trailing     bool // a slash stood at the end
}

// parsePath reads a path, with any number of slashes for each. ok is false where
// it leads to none of the two mounts.
func parsePath(path string) (t target, ok bool) {
	s := segments{rest: path}
	first := s.next()
	if first == "w" {
		t.workspace = s.next()
		if t.workspace == "" {
			return target{}, false
		}
		first = s.next()
	}
	if first != "scim" || s.next() != "v2" {
		return target{}, false
	}
	t.endpoint = s.next()
	t.id = s.next()
	t.extra = s.next() != ""
	t.doubled = s.doubled
	t.trailing = t.endpoint != "" && strings.HasSuffix(path, "/")
	return t, true
}

type segments struct {
	rest    string
	doubled bool
}

func (s *segments) next() string {
	n := 0
	for n < len(s.rest) && s.rest[n] == '/' {
		n++
	}
	if n > 1 {
		s.doubled = true
	}
	s.rest = s.rest[n:]
	i := strings.IndexByte(s.rest, '/')
	if i < 0 {
		i = len(s.rest)
	}
	seg := s.rest[:i]
	s.rest = s.rest[i:]
	return seg
}
