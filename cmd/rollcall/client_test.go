package main

import (
	"io"
	"net/http"
	"testing"
)

// An answer that breaks off ends in an error, not in the end of the process: handlers cut
// a connection by a panic with http.ErrAbortHandler.
func TestInProcessAnswerBreaksOff(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"before the answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"midway": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"name": "a`)
			panic(http.ErrAbortHandler)
		},
		"by a defect": func(http.ResponseWriter, *http.Request) { panic("index out of range") },
	} {
		t.Run(name, func(t *testing.T) {
			var out map[string]any
			if err := inProcess(h, "operator").call(t.Context(), http.MethodGet, "/", nil, nil, &out); err == nil {
				t.Errorf("call() = %v, nil, want an error", out)
			}
		})
	}
}
