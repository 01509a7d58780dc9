// Package recorder keeps the last exchanges of each client in memory, without what is secret, so that
// one can see what an identity provider really sent. It is for people who look for a mistake; what
// counts (the audit) is elsewhere.
//
// Start with Recorder.Handler, which records what it passes on; redact.go takes the secrets out.
package recorder

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Bounds of one exchange.
const (
	maxBody   = 16 << 10 // of a request; a larger one is not kept
	maxAnswer = 4 << 10
	maxURL    = 4 << 10
	maxHeader = 512
	overhead  = 512 // what an exchange weighs beside its texts
	maxRings  = 1000
)

// What is recorded.
const (
	Off      = "off"
	Failures = "failures"
	All      = "all"
)

// Config says what is kept.
type Config struct {
	Record string // Off, Failures or All
	Keep   int    // exchanges of each client
	Bytes  int    // of all of them together; the oldest go first
}

// Exchange is a request and its answer.
type Exchange struct {
	ID        string            `json:"id"`
	At        time.Time         `json:"at"`
	Workspace string            `json:"workspace"` // "" where the caller did not sign in
	Client    string            `json:"client"`    // "" for a token without one
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body,omitempty"`
	// NotKept says why there is no body where there was one.
	NotKept   string  `json:"notKept,omitempty"`
	Redacted  bool    `json:"redacted"` // something secret was taken out of the request
	Status    int     `json:"status"`
	SCIMType  string  `json:"scimType,omitempty"`
	Answer    string  `json:"answer,omitempty"`
	RequestID string  `json:"requestId"`
	Millis    float64 `json:"milliseconds"`

	number uint64
	weight int
}

// Recorder is safe for concurrent use.
type Recorder struct {
	cfg Config

	mu     sync.Mutex // guards the rest
	last   uint64
	weight int
	rings  map[[2]string][]*Exchange // by workspace and client, oldest first
}

// New makes a recorder; nil records nothing.
func New(c Config) *Recorder {
	if c.Record == Off || c.Keep <= 0 || c.Bytes <= 0 {
		return nil
	}
	return &Recorder{cfg: c, rings: map[[2]string][]*Exchange{}}
}

// Known is what the handler finds out about a request.
type Known struct{ Workspace, Client, SCIMType string }

type knownKey struct{}

// Note tells who sent the request of a context, and how it failed.
func Note(ctx context.Context, k Known) {
	if known, ok := ctx.Value(knownKey{}).(*Known); ok {
		*known = k
	}
}

// Handler records what next answers.
func (r *Recorder) Handler(next http.Handler) http.Handler {
	if r == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		known, began := &Known{}, time.Now()
		body := &limited{most: maxBody}
		answer := &writer{ResponseWriter: w, body: limited{most: maxAnswer}, read: req.Method == http.MethodGet || req.Method == http.MethodHead}
		inner := req.WithContext(context.WithValue(req.Context(), knownKey{}, known))
		if req.Body != nil && req.Body != http.NoBody {
			inner.Body = &tee{req.Body, body}
		}
		defer func() {
			if r.cfg.Record == All || answer.status >= http.StatusBadRequest || answer.status == 0 {
				r.add(exchangeOf(req, known, body, answer, began))
			}
		}()
		next.ServeHTTP(answer, inner)
	})
}

// exchangeOf is what is kept of a request, once it is answered.
func exchangeOf(req *http.Request, known *Known, body *limited, answer *writer, began time.Time) *Exchange {
	x := &Exchange{At: began.UTC(), Workspace: known.Workspace, Client: known.Client, Method: cut(req.Method, 16), SCIMType: known.SCIMType,
		Status: max(answer.status, http.StatusOK), RequestID: answer.Header().Get("X-Request-Id"), Millis: float64(time.Since(began).Microseconds()) / 1000}
	x.URL, x.Redacted = redactURL(req.URL, maxURL)
	x.Headers = headers(req.Header)
	switch {
	case body.n == 0:
	case known.Workspace == "":
		x.NotKept = "the caller did not sign in"
	case body.n > maxBody:
		x.NotKept = "it is larger than " + strconv.Itoa(maxBody) + " bytes"
	default:
		text, redacted, ok := redactBody(body.text.Bytes())
		if x.Body, x.Redacted = text, x.Redacted || redacted; !ok {
			x.NotKept = "it is no JSON, and there may be a secret in it"
		}
	}
	if answer.body.n <= maxAnswer {
		x.Answer, _, _ = redactBody(answer.body.text.Bytes())
	}
	x.weight = overhead + len(x.URL) + len(x.Body) + len(x.Answer)
	for name, value := range x.Headers {
		x.weight += len(name) + len(value)
	}
	return x
}

// shownHeaders are those that tell something and hold no secret.
var shownHeaders = []string{"Accept", "Content-Type", "If-Match", "If-None-Match", "Prefer", "User-Agent"}

func headers(h http.Header) map[string]string {
	shown := map[string]string{}
	for _, name := range shownHeaders {
		if v := h.Get(name); v != "" {
			shown[name] = cut(redactText(v), maxHeader)
		}
	}
	return shown
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// add keeps an exchange, and gives up the oldest of its client, then the oldest of all.
func (r *Recorder) add(x *Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	x.number, x.ID = r.last, strconv.FormatUint(r.last, 10)
	key := [2]string{x.Workspace, x.Client}
	r.rings[key] = append(r.rings[key], x)
	r.weight += x.weight
	for len(r.rings[key]) > r.cfg.Keep {
		r.drop(key)
	}
	for r.weight > r.cfg.Bytes || len(r.rings) > maxRings {
		r.drop(r.oldest())
	}
}

// drop gives up the oldest exchange of a client.
func (r *Recorder) drop(key [2]string) {
	ring := r.rings[key]
	r.weight -= ring[0].weight
	ring[0] = nil
	if ring = ring[1:]; len(ring) == 0 {
		delete(r.rings, key)
		return
	}
	r.rings[key] = ring
}

func (r *Recorder) oldest() (key [2]string) {
	least := uint64(1<<64 - 1)
	for k, ring := range r.rings {
		if ring[0].number < least {
			key, least = k, ring[0].number
		}
	}
	return key
}

// Query says which exchanges to list.
type Query struct {
	Workspace string
	Strangers bool   // also those of callers who did not sign in
	Client    string // "" for all
	Failed    bool   // only those with a status of 400 and more
	Contains  string // in URL, body or answer
	Limit     int
}

// List is the exchanges that match, newest first. Nobody may change them.
func (r *Recorder) List(q Query) []*Exchange {
	found := []*Exchange{}
	if r == nil {
		return found
	}
	r.mu.Lock()
	for key, ring := range r.rings {
		if key[0] != q.Workspace && (key[0] != "" || !q.Strangers) || q.Client != "" && key[1] != q.Client {
			continue
		}
		for _, x := range ring {
			if q.Failed && x.Status < http.StatusBadRequest || q.Contains != "" && !x.contains(q.Contains) {
				continue
			}
			found = append(found, x)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(found, func(a, b *Exchange) int { return int(int64(b.number) - int64(a.number)) })
	return found[:min(q.Limit, len(found))]
}

func (x *Exchange) contains(text string) bool {
	lower := func(s string) []byte { return bytes.ToLower([]byte(s)) }
	for _, in := range []string{x.URL, x.Body, x.Answer} {
		if bytes.Contains(lower(in), lower(text)) {
			return true
		}
	}
	return false
}

// limited keeps the beginning of what is written to it.
type limited struct {
	text bytes.Buffer
	most int
	n    int
}

func (l *limited) take(b []byte) {
	l.n += len(b)
	if l.n > l.most {
		l.text = bytes.Buffer{} // it will not be shown
		return
	}
	l.text.Write(b)
}

// tee is a body that is kept while it is read.
type tee struct {
	io.ReadCloser
	kept *limited
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	t.kept.take(b[:n])
	return n, err
}

// writer keeps the status, and of what went wrong or changed something the answer.
type writer struct {
	http.ResponseWriter
	status int
	read   bool // nothing was to be changed
	body   limited
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if !w.read || w.status >= http.StatusBadRequest {
		w.body.take(b)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what is below.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *writer) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }
