package ops

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	down := errors.New("dial tcp 10.1.2.3:6379: refused")
	tests := map[string]struct {
		path  string
		store error
		drain bool
		code  int
		body  string
	}{
		"live":                         {"/healthz", nil, false, 200, `{"status":"ok"}`},
		"live while the store is down": {"/healthz", down, false, 200, `{"status":"ok"}`},
		"live while draining":          {"/healthz", nil, true, 200, `{"status":"ok"}`},
		"ready":                        {"/readyz", nil, false, 200, `{"status":"ok","parts":{"server":"ok","store":"ok"}}`},
		"not ready: store":             {"/readyz", down, false, 503, `{"status":"unavailable","parts":{"server":"ok","store":"unavailable"}}`},
		"not ready: draining":          {"/readyz", nil, true, 503, `{"status":"unavailable","parts":{"server":"draining","store":"ok"}}`},
	}
	for name, tt := range tests {
		h := &Health{Store: func(context.Context) error { return tt.store }}
		if tt.drain {
			h.Drain()
		}
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, httptest.NewRequest("GET", tt.path, nil))
		if w.Code != tt.code || strings.TrimSpace(w.Body.String()) != tt.body {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, tt.code, tt.body)
		}
	}
}
