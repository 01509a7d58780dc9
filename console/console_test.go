package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestConsole holds what a page needs no server for; the others are tested with one, in cmd/rollcall.
func TestConsole(t *testing.T) {
	h, err := New(Config{BaseURL: func(*http.Request) (string, bool) { return `https://scim.example.com/"><script>`, true }, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		code int
		typ  string
	}{
		"/console/":          {200, "text/html; charset=utf-8"},
		"/console/style.css": {200, "text/css; charset=utf-8"},
		"/console/nothing":   {404, "text/html; charset=utf-8"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want.code || w.Header().Get("Content-Type") != want.typ {
			t.Errorf("GET %s = %d %s, want %d %s", path, w.Code, w.Header().Get("Content-Type"), want.code, want.typ)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s has no Content-Security-Policy", path)
		}
		if strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("GET %s: the base URL is not escaped: %s", path, w.Body)
		}
	}
	for pattern := range h.ownPages() { // nobody is signed in
		method, path, _ := strings.Cut(pattern, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != 303 || !strings.HasSuffix(w.Header().Get("Location"), "/console/login") {
			t.Errorf("%s = %d %s, want to be led to where one signs in", pattern, w.Code, w.Header().Get("Location"))
		}
	}
}
