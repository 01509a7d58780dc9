package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// balancer sends requests to replicas that say they are ready, as a load balancer does: it looks
// every 50 ms.
type balancer struct {
	mu       sync.Mutex // guards ready
	ready    []*httputil.ReverseProxy
	next     atomic.Uint64
	replicas []*served
}

func (b *balancer) look() {
	var ready []*httputil.ReverseProxy
	for _, s := range b.replicas {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", s.opsPort))
		if err != nil {
			continue
		}
		resp.Body.Close()
		if target, err := url.Parse(s.base); err == nil && resp.StatusCode == http.StatusOK {
			ready = append(ready, httputil.NewSingleHostReverseProxy(target))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = ready
}

// ServeHTTP implements http.Handler.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	ready := b.ready
	b.mu.Unlock()
	if len(ready) == 0 {
		http.Error(w, "no replica is ready", http.StatusBadGateway)
		return
	}
	ready[b.next.Add(1)%uint64(len(ready))].ServeHTTP(w, r)
}

// TestRollingRestart restarts two replicas one after the other under load behind a balancer, and
// holds that no request fails and nothing that was acknowledged is gone.
func TestRollingRestart(t *testing.T) {
	testserver.Long(t)
	redis := testserver.StartRedis(t)
	const config = "server: {shutdown_delay: 2s}"
	b := &balancer{replicas: []*served{startServer(t, redis.URL(), config), startServer(t, redis.URL(), config)}}
	b.look()
	front := httptest.NewServer(b)
	defer front.Close()

	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				b.look()
			}
		}
	})
	var made, asked atomic.Int64
	send := func(method, path, body string, want int) bool {
		req, err := http.NewRequest(method, front.URL+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return false
		}
		req.Header.Set("Authorization", "Bearer "+testToken)
		req.Header.Set("Content-Type", "application/scim+json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s %s = %d, want %d: %s %v", method, path, resp.StatusCode, want, text, err)
			return false
		}
		asked.Add(1)
		return true
	}
	for worker := range 4 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("person-%d-%d", worker, i)
				if !send("POST", "/scim/v2/Users", `{"userName":"`+name+`"}`, 201) {
					return
				}
				made.Add(1)
				if !send("GET", "/scim/v2/Users?filter=userName+eq+%22"+name+"%22", "", 200) {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for range testserver.Rounds(1, 10) {
		for _, s := range b.replicas {
			if err := s.proc.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			s.proc.Wait()
			s.start()
			b.look()
		}
	}
	close(stop)
	wait.Wait()
	total := b.replicas[0].want(200, "GET", "/scim/v2/Users?count=0", "").body["totalResults"]
	if total != float64(made.Load()) {
		t.Errorf("%v users are there, want %d", total, made.Load())
	}
	t.Logf("%d requests, none failed", asked.Load())
}
