package simulate

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// request is one request of a client.
type request struct {
	step   string // what is played: O9
	what   string // in words
	method string
	path   string // behind the base URL: /Users/{id}
	query  string // as it goes over the wire
	body   string
	accept []int // the statuses that the client lives with
	agent  string
	media  string
	again  bool // a repeat, as after a time-out
}

// route is the request's line without what differs from one to the next.
func (r request) route() string {
	path := r.path
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		path = path[:i] + "/{id}"
	}
	var names []string
	for _, part := range strings.Split(r.query, "&") {
		if name, _, _ := strings.Cut(part, "="); name != "" {
			names = append(names, name)
		}
	}
	if names != nil {
		path += "?" + strings.Join(names, "&")
	}
	return r.method + " " + path
}

// answer is what came back. ok says that the client takes it.
type answer struct {
	status int
	ok     bool
	body   map[string]any // nil where there is none
	place  string         // the Location header
	reason string         // why it is not ok
}

func (a answer) id() string { id, _ := a.body["id"].(string); return id }

// limits of what is read and waited for.
const (
	maxBody     = 256 << 20
	maxAttempts = 10              // O25
	maxWait     = 2 * time.Minute // of one Retry-After
	firstWait   = time.Second     // where a 429 does not say how long; doubles
	maxReason   = 300             // of a server's detail that is shown
)

// wire sends requests with the headers of a client.
type wire struct {
	http    http.Client
	base    string // without a slash at its end
	extra   string // the query that the administrator typed behind the URL (A16)
	header  http.Header
	timeout time.Duration
	wait    func(context.Context, time.Duration) error
	strict  bool // 200 to a PATCH has to have a body
}

func newWire(c *Config) (*wire, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	w := &wire{extra: u.RawQuery, header: headers(c), timeout: c.Timeout, wait: c.Wait, strict: c.Client == Validator}
	if c.HTTP != nil {
		w.http = *c.HTTP
	}
	// A redirect turns a POST into a GET: clients do not get past one.
	w.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	u.RawQuery, u.Fragment = "", ""
	w.base = strings.TrimRight(u.String(), "/")
	return w, nil
}

// headers are those that a client sends with every call.
func headers(c *Config) http.Header {
	h := http.Header{
		"Authorization": {"Bearer " + c.Token},
		"Content-Type":  {"application/scim+json; charset=utf-8"},
		"User-Agent":    {"rollcall simulate"},
	}
	switch c.Client {
	case OktaOIN, OktaAIW:
		h.Set("User-Agent", "Okta SCIM Client 1.0.0")
		h.Set("Accept", "application/scim+json")
		h.Set("Accept-Charset", "utf-8")
		h.Set("Accept-Encoding", "gzip")
		h.Set("Connection", "Keep-Alive")
	case OneLogin:
		h.Set("Accept", "application/json")
		h.Set("Content-Type", "application/json")
	case Authentik:
		h.Set("Accept", "application/scim+json")
		h.Set("Content-Type", "application/scim+json")
	}
	return h
}

// target is the request's URL.
func (w *wire) target(r request) string {
	query := r.query
	if w.extra != "" {
		query = strings.TrimPrefix(query+"&"+w.extra, "&")
	}
	if query != "" {
		query = "?" + query
	}
	return w.base + r.path + query
}

// send sends a request; where the server asks for time (429, or 503 that says how long), it gives it, and
// tells how often. err is set where nobody answered.
func (w *wire) send(ctx context.Context, r request) (a answer, waited int, err error) {
	pause := firstWait
	for {
		a, after, err := w.once(ctx, r)
		if err != nil || waited == maxAttempts-1 || a.status != 429 && (a.status != 503 || after < 0) || slices.Contains(r.accept, a.status) {
			return a, waited, err
		}
		if after < 0 {
			after, pause = pause, 2*pause
		}
		if err := w.wait(ctx, min(after, maxWait)); err != nil {
			return a, waited, err
		}
		waited++
	}
}

// once sends a request once. after is how long the server wants to be left alone, -1 where it does not say.
func (w *wire) once(ctx context.Context, r request) (a answer, after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, w.target(r), body)
	if err != nil {
		return answer{}, -1, err
	}
	req.Header = maps.Clone(w.header)
	if r.agent != "" {
		req.Header.Set("User-Agent", r.agent)
	}
	if r.media != "" {
		req.Header.Set("Content-Type", r.media)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return answer{}, -1, err
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, place: resp.Header.Get("Location")}
	text, err := read(resp)
	if err != nil {
		return a, -1, err
	}
	a.judge(r, resp, text)
	if w.strict && a.ok && a.status == http.StatusOK && r.method == http.MethodPatch && a.body == nil {
		a.ok, a.reason = false, "200 without a body: 204 says that there is none"
	}
	return a, retryAfter(resp), nil
}

// read reads the body, which is packed where the client said that it may be.
func read(resp *http.Response) ([]byte, error) {
	body := io.Reader(resp.Body)
	if resp.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, fmt.Errorf("the answer is not what Content-Encoding says: %w", err)
		}
		body = unpacked
	}
	text, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(text) > maxBody {
		err = errors.New("the answer is too long to be read")
	}
	return text, err
}

// judge says whether the client takes the answer.
func (a *answer) judge(r request, resp *http.Response, text []byte) {
	var notJSON error
	if len(strings.TrimSpace(string(text))) > 0 {
		notJSON = json.Unmarshal(text, &a.body)
	}
	if !slices.Contains(r.accept, a.status) {
		a.reason = refusal(resp, a.body)
		return
	}
	media := resp.Header.Get("Content-Type")
	switch {
	case a.status >= 300 || len(text) == 0:
	case notJSON != nil:
		a.reason = fmt.Sprintf("%d with a body that is no JSON object", a.status)
		return
	case !strings.HasPrefix(media, "application/scim+json") && !strings.HasPrefix(media, "application/json"):
		a.reason = fmt.Sprintf("%d with Content-Type %q", a.status, media)
		return
	}
	a.ok = true
}

// refusal is the status, and what a SCIM error says beside it.
func refusal(resp *http.Response, body map[string]any) string {
	said := strconv.Itoa(resp.StatusCode)
	if kind, ok := body["scimType"].(string); ok && kind != "" {
		said += " " + plain(kind)
	}
	if detail, ok := body["detail"].(string); ok && detail != "" {
		said += ": " + cut(plain(detail), maxReason)
	} else if body == nil {
		said += " " + http.StatusText(resp.StatusCode) + ", not a SCIM error"
	}
	return said
}

// retryAfter is the header's value in seconds, -1 where there is none.
func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return -1
	}
	return time.Duration(n) * time.Second
}

// plain is a server's text without what could write elsewhere on a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// cut shortens a text to n runes.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// js is a value as JSON text.
func js(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings, booleans and what was decoded from JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
