package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"rollcall/internal/api"
)

// apiDocument is the OpenAPI document, as strict as a test wants it: what an answer has and the document
// does not is an error.
var apiDocument = sync.OnceValues(func() (*documentedAPI, error) {
	text, err := api.OpenAPI("test")
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	closeObjects(tree)
	if text, err = json.Marshal(tree); err != nil {
		return nil, err
	}
	spec, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	d := &documentedAPI{spec: spec, mux: http.NewServeMux(), routes: map[string]*routers.Route{}}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			d.mux.HandleFunc(method+" "+path, func(http.ResponseWriter, *http.Request) {})
			d.routes[method+" "+path] = &routers.Route{Spec: spec, Path: path, PathItem: item, Method: method, Operation: op}
		}
	}
	return d, nil
})

// closeObjects forbids what is not named, in every shape that names something. Parts of an allOf see
// one another's members, and stay open.
func closeObjects(tree any) {
	switch v := tree.(type) {
	case []any:
		for _, e := range v {
			closeObjects(e)
		}
	case map[string]any:
		for name, e := range v {
			if name != "allOf" {
				closeObjects(e)
			}
		}
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
	}
}

type documentedAPI struct {
	spec   *openapi3.T
	mux    *http.ServeMux
	routes map[string]*routers.Route // by pattern
}

// exchange is a call and its answer.
type exchange struct {
	request []byte
	status  int
	header  http.Header
	answer  bytes.Buffer
}

// route finds what the document calls a request; nil for a path that it does not have.
func (d *documentedAPI) route(r *http.Request) (*routers.Route, map[string]string) {
	_, pattern := d.mux.Handler(r)
	route := d.routes[pattern]
	if route == nil {
		return nil, nil
	}
	params, given := map[string]string{}, strings.Split(r.URL.EscapedPath(), "/")
	for i, part := range strings.Split(route.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params[strings.TrimSuffix(name, "}")], _ = url.PathUnescape(given[i])
		}
	}
	return route, params
}

// check tells what of an exchange is not as the document has it.
func (d *documentedAPI) check(r *http.Request, e *exchange) error {
	route, params := d.route(r)
	if route == nil {
		if e.status < 400 {
			return fmt.Errorf("the document does not have the call")
		}
		return nil
	}
	header := r.Header.Clone()
	header.Set("Content-Type", "application/json") // whatever a client calls it
	asked := &http.Request{Method: r.Method, URL: r.URL, Header: header, Body: io.NopCloser(bytes.NewReader(e.request)), ContentLength: int64(len(e.request))}
	input := &openapi3filter.RequestValidationInput{Request: asked.WithContext(r.Context()), PathParams: params, Route: route, Options: &openapi3filter.Options{
		IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}}
	if e.status < 300 {
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			return fmt.Errorf("the document does not allow what was accepted: %w", err)
		}
		for name := range r.URL.Query() {
			if route.Operation.Parameters.GetByInAndName("query", name) == nil {
				return fmt.Errorf("the document does not have the parameter %s", name)
			}
		}
	}
	if media := e.header.Get("Content-Type"); media != "" && !strings.Contains(media, "json") { // a stream
		if r := route.Operation.Responses.Status(e.status); r == nil || r.Value.Content.Get(media) == nil {
			return fmt.Errorf("the document does not have an answer %d of %s", e.status, media)
		}
		return nil
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: e.status, Header: e.header, Body: io.NopCloser(bytes.NewReader(e.answer.Bytes())), Options: input.Options,
	})
}

// asDocumented serves h, and holds what is asked and answered under /api/v1 against the document.
func asDocumented(t *testing.T, h http.Handler) http.Handler { return heldToDocument(t, h, nil) }

// heldToDocument does so, and tells of each exchange that is as the document has it.
func heldToDocument(t *testing.T, h http.Handler, tell func(route *routers.Route, status int)) http.Handler {
	t.Helper()
	d, err := apiDocument()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/v1/") {
			h.ServeHTTP(w, r)
			return
		}
		request, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			h.ServeHTTP(w, r)
			return
		}
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(request), r.Body))
		rec := &exchangeWriter{ResponseWriter: w, exchange: exchange{request: request}}
		h.ServeHTTP(rec, r)
		if rec.status == 0 || r.Context().Err() != nil {
			return
		}
		rec.header = w.Header()
		if err := d.check(r, &rec.exchange); err != nil {
			t.Errorf("%s %s %s = %d %s: not as /api/v1/openapi.json has it: %v", r.Method, r.URL, request, rec.status, rec.answer.String(), err)
		} else if route, _ := d.route(r); tell != nil && route != nil {
			tell(route, rec.status)
		}
	})
}

// exchangeWriter keeps what is answered, where it is JSON.
type exchangeWriter struct {
	http.ResponseWriter
	exchange
}

func (w *exchangeWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *exchangeWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		w.answer.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *exchangeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// holdAnswer does so for a call to a server in another process.
func (s *served) holdAnswer(r *http.Request, body string, a answer) {
	s.t.Helper()
	if s.port == 0 || !strings.HasPrefix(r.URL.Path, "/api/v1/") {
		return
	}
	d, err := apiDocument()
	if err != nil {
		s.t.Fatal(err)
	}
	e := &exchange{request: []byte(body), status: a.code, header: a.header}
	e.answer.WriteString(a.text)
	if err := d.check(r, e); err != nil {
		s.t.Errorf("%s %s %s = %d %s: not as /api/v1/openapi.json has it: %v", r.Method, r.URL, body, a.code, a.text, err)
	}
}
