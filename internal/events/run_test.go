package events

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"rollcall/scim"
)

// TestReplicas runs two replicas on one store, ends the one that delivers, and holds that the
// other goes on: nothing is lost, and only one delivers at a time.
func TestReplicas(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	first, second := w.transmitter(), w.transmitter()
	var mu sync.Mutex
	under, most := 0, 0
	r.answers(func(_ int, w http.ResponseWriter) {
		mu.Lock()
		under++
		most = max(most, under)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		under--
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	run := func(tr *Transmitter) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); tr.Run(ctx) }()
		return func() { cancel(); <-done }
	}
	stopFirst := run(first)
	w.create(first, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(30)
	arrive := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); len(r.deliveries()) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d deliveries, want %d", len(r.deliveries()), n)
			}
		}
	}
	arrive(10)
	stopFirst() // its lock is given back
	stopSecond := run(second)
	defer stopSecond()
	w.users(30)
	for deadline := time.Now().Add(20 * time.Second); w.status(second, "a").Position < 60 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond) // the delivery that was cut off came twice
	}
	seen := map[scim.Version]bool{}
	for _, d := range r.deliveries() {
		_, v, _ := parseID(verify(t, second, d.body).JTI)
		for before := range v {
			if before > 0 && !seen[before] {
				t.Fatalf("change %d came before %d", v, before)
			}
		}
		seen[v] = true
	}
	want(t, "different events", len(seen), 60)
	want(t, "deliveries at once", most, 1)
}
