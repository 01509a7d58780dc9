// Package ops is what an operator's tools ask: is the process alive, is it ready, what has it
// seen. It listens apart from SCIM, on server.ops_listen, and needs no token.
//
// Start with Handler.
package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"
)

// readyTimeout is how long one look at the store may take.
const readyTimeout = 2 * time.Second

// Health answers /healthz, /readyz and /metrics, and where asked for /debug/pprof.
type Health struct {
	// Store asks the store whether it answers.
	Store   func(context.Context) error
	Metrics *Metrics // nil for none
	// Profile serves /debug/pprof too.
	Profile  bool
	draining atomic.Bool
}

// Drain makes /readyz answer 503 from now on: the process is about to end, and a
// load balancer should send nothing more.
func (h *Health) Drain() { h.draining.Store(true) }

// Handler serves them.
//
//   - /healthz is 200 while the process can answer at all. It never looks at the store: a
//     restart would not bring that back.
//   - /readyz is 200 while requests can be served, else 503, with a JSON object that tells why.
//   - /metrics is the Metrics, in the text format that Prometheus reads.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, nil) })
	mux.HandleFunc("GET /readyz", h.ready)
	if h.Metrics != nil {
		mux.Handle("GET /metrics", h.Metrics.handler())
	}
	if h.Profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (h *Health) ready(w http.ResponseWriter, r *http.Request) {
	parts := map[string]string{"store": "ok", "server": "ok"}
	status := http.StatusOK
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := h.Store(ctx); err != nil {
		parts["store"], status = "unavailable", http.StatusServiceUnavailable
	}
	if h.draining.Load() {
		parts["server"], status = "draining", http.StatusServiceUnavailable
	}
	answer(w, status, parts)
}

func answer(w http.ResponseWriter, status int, parts map[string]string) {
	word := "ok"
	if status != http.StatusOK {
		word = "unavailable"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Status string            `json:"status"`
		Parts  map[string]string `json:"parts,omitempty"`
	}{word, parts})
}
