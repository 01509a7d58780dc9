package main

import "rollcall/internal/recorder"

// RequestsConfig is what is kept of the requests of clients, in the memory of each replica.
type RequestsConfig struct {
	Record string `key:"record" enum:"all,failures,off"`
	Keep   int    `key:"keep"`  // of each client
	Bytes  int    `key:"bytes"` // of all of them together
}

func requestsDefaults() RequestsConfig {
	return RequestsConfig{Record: recorder.All, Keep: 100, Bytes: 16 << 20}
}

func (r RequestsConfig) recorder() *recorder.Recorder {
	return recorder.New(recorder.Config{Record: r.Record, Keep: r.Keep, Bytes: r.Bytes})
}

// Bounds of what is kept.
const (
	maxRequestsKept  = 10_000
	maxRequestsBytes = 1 << 30
)

func (l *loader) checkRequests() {
	r := l.config.Requests
	if r.Keep < 1 || r.Keep > maxRequestsKept {
		l.bad("requests.keep", "requests.record: off keeps none", "%d is not between 1 and %d", r.Keep, maxRequestsKept)
	}
	if r.Bytes < 64<<10 || r.Bytes > maxRequestsBytes {
		l.bad("requests.bytes", "", "%d is not between %d and %d", r.Bytes, 64<<10, maxRequestsBytes)
	}
}
