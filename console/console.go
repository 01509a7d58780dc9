// Package console is the pages under /console/, rendered on the server, readable without
// JavaScript. For now that is one page: what an identity engineer has to paste where.
// It shows nothing that needs signing in.
//
// Start with New.
package console

import (
	"embed"
	"html/template"
	"net/http"
)

// Config is what the pages show.
type Config struct {
	// BaseURL is the URL that clients reach the server under, for a request; ok is false
	// where the request does not tell.
	BaseURL func(*http.Request) (base string, ok bool)
	Version string
}

//go:embed page.html style.css
var files embed.FS

// policy lets a page load our style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// New serves the console under /console/.
func New(c Config) (http.Handler, error) {
	page, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/{$}", func(w http.ResponseWriter, r *http.Request) {
		base, ok := c.BaseURL(r)
		if !ok {
			http.Error(w, "the Host header is not valid", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, struct{ Base, Version string }{base, c.Version})
	})
	mux.HandleFunc("GET /console/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "style.css")
	})
	return guard(mux), nil
}

// guard sets the headers that every answer of the console bears.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
