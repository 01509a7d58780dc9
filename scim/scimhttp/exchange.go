package scimhttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
)

// exchange is one request and its answer.
type exchange struct {
	h     *Handler
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context // the request's, with the actor
	began time.Time

	requestID string
	route     string // for the log: a pattern, never an id
	status    int    // of the answer; 0 while none was begun

	actor     *scim.Actor
	challenge string // WWW-Authenticate of a refusal
	refused   string // why it was not signed in
	scimType  string // of the error that is answered
	workspace string
	base      string // URL in front of the endpoints: "https://example.com/scim/v2"
	store     scim.Store
	model     *wireModel
	typ       *wireType // of the endpoint
	id        string    // from the path, and from nowhere else

	self    bool // the request came by the alias /Me
	dropped int  // members that could not exist, in the attempt that counts
	large   bool // holds a place for a large body

	gzip *gzip.Writer // of an answer that goes out in pieces, where the client takes it packed
}

// enter goes into the workspace that the path or else the token names. A workspace of
// others and one that does not exist are not told apart (security.md R10).
func (x *exchange) enter(p target) error {
	ws := x.actor.Workspace
	mount := "/scim/v2"
	if p.workspace != "" {
		if !x.actor.In(p.workspace) {
			return errNoEndpoint
		}
		ws = p.workspace
		mount = "/w/" + ws + "/scim/v2"
	}
	if ws == "" {
		ws = "default"
	}
	if !validWorkspace(ws) {
		return errNoEndpoint
	}
	store, err := x.h.cfg.Directory(x.ctx, ws)
	if errors.Is(err, scim.ErrNotFound) {
		return errNoEndpoint
	}
	if err != nil {
		return err
	}
	origin, err := x.origin()
	if err != nil {
		return err
	}
	x.workspace, x.store = ws, store
	x.base = origin + mount
	x.model, err = x.h.wire(x.h.cfg.Model(ws))
	return err
}

// validWorkspace keeps anything out of URLs, keys and logs that is no plain name.
func validWorkspace(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// origin is scheme and host as the client sees them.
func (x *exchange) origin() (string, error) {
	base, ok := x.h.BaseURL(x.r)
	if !ok {
		return "", errHost
	}
	return base, nil
}

// BaseURL is what the client of a request has in front of /scim/v2: Config.BaseURL, or
// the scheme and host of the request, as a trusted proxy passed them on. ok is false where
// the request names no valid host.
func (h *Handler) BaseURL(r *http.Request) (base string, ok bool) {
	if h.cfg.BaseURL != "" {
		return h.cfg.BaseURL, true
	}
	scheme, host := "http://", r.Host
	if r.TLS != nil {
		scheme = "https://"
	}
	if h.fromTrustedProxy(r) {
		// A proxy that appends leaves what the client claimed in front: the last value is
		// the one that our own peer vouches for.
		switch strings.ToLower(lastValue(r.Header, "X-Forwarded-Proto")) {
		case "https":
			scheme = "https://"
		case "http":
			scheme = "http://"
		}
		if forwarded := lastValue(r.Header, "X-Forwarded-Host"); forwarded != "" {
			host = forwarded
		}
	}
	return scheme + host, validHost(host)
}

func (h *Handler) fromTrustedProxy(r *http.Request) bool {
	if len(h.cfg.TrustedProxies) == 0 {
		return false
	}
	return h.trusts(peerAddr(r))
}

func lastValue(h http.Header, name string) string {
	v := h[name]
	if len(v) == 0 {
		return ""
	}
	last := v[len(v)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// validHost accepts a name or address with an optional port, so that it can stand in
// JSON and in a URL as it is.
func validHost(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	for i := 0; i < len(host); i++ {
		switch c := host[i]; {
		case isAlnum(c), c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// newRequestID takes the id that the client or a proxy gave, where it is fit for a log.
func (x *exchange) newRequestID() string {
	v := x.r.Header["X-Request-Id"]
	if len(v) != 1 || v[0] == "" || len(v[0]) > 128 {
		return x.h.cfg.NewRequestID()
	}
	for i := 0; i < len(v[0]); i++ {
		if c := v[0][i]; !isAlnum(c) && strings.IndexByte("-_.:/+=", c) < 0 {
			return x.h.cfg.NewRequestID()
		}
	}
	return v[0]
}

// location is the URL of a resource.
func (x *exchange) location(t *wireType, id string) string {
	return x.base + "/" + t.name + "/" + id
}

// empty answers without a body.
func (x *exchange) empty(status int) {
	x.status = status
	x.w.WriteHeader(status)
}

var jsonType = []string{"application/scim+json"}

// json answers with a body that is complete.
func (x *exchange) json(status int, body []byte) error {
	h := x.w.Header()
	if len(body) >= gzipFrom && x.takesGzip() {
		packed := bodies.Get().(*bytes.Buffer)
		defer putBody(packed)
		pack(packed, body)
		body = packed.Bytes()
		h["Content-Encoding"] = gzipCoding
	}
	h["Content-Type"] = jsonType // exactly so, without a charset (clients.md A2)
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.status = status
	x.w.WriteHeader(status)
	return x.write(body)
}

func (x *exchange) write(text []byte) error {
	if x.r.Method == http.MethodHead {
		return nil
	}
	w := io.Writer(x.w)
	if x.gzip != nil {
		w = x.gzip
	}
	if _, err := w.Write(text); err != nil {
		return errGone
	}
	return nil
}

// recover turns a panic into a 500. An answer that was begun cannot be taken back: the
// connection is cut, so that nobody takes it for whole.
func (x *exchange) recover() {
	x.free()
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		x.h.cfg.Logger.LogAttrs(x.ctx, slog.LevelError, "panic", slog.String("request_id", x.requestID),
			slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		if x.status == 0 {
			x.respond(errInternal)
			return
		}
		x.status = statusCut
	}
	panic(http.ErrAbortHandler)
}

// log writes the access line: no ids of people, no filter, no token.
func (x *exchange) log() {
	l := x.h.cfg.Logger
	if !l.Enabled(x.ctx, slog.LevelInfo) {
		return
	}
	client := ""
	if x.actor != nil {
		client = x.actor.Client
	}
	l.LogAttrs(x.ctx, slog.LevelInfo, "request",
		slog.String("method", logMethod(x.r.Method)),
		slog.String("route", x.route),
		slog.Int("status", x.status),
		slog.Duration("duration", time.Since(x.began)),
		slog.String("request_id", x.requestID),
		slog.String("workspace", x.workspace),
		slog.String("client", client))
}

// logMethod keeps invented methods from filling logs and metrics with new names.
func logMethod(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}
