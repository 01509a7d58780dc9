package main

import (
	"net/http"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// TestStoreAnswers503: whatever keeps Redis from taking or confirming a change is answered 503, with
// when to try again and in words that can be acted on.
func TestStoreAnswers503(t *testing.T) {
	refused := func(t *testing.T, s *served, name, want string) {
		t.Helper()
		a := s.do("POST", "/scim/v2/Users", `{"userName":"`+name+`"}`)
		if a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.text, want) {
			t.Errorf("POST = %d, Retry-After %q, %s, want 503 and %q", a.code, a.header.Get("Retry-After"), a.text, want)
		}
	}
	t.Run("refused and gone", func(t *testing.T) {
		redis := testserver.StartRedis(t)
		s := startServer(t, redis.URL(), "")
		redis.Do(t, "CONFIG", "SET", "maxmemory", "1")
		refused(t, s, "full", "try again") // OOM
		redis.Do(t, "CONFIG", "SET", "maxmemory", "0")
		redis.Do(t, "CONFIG", "SET", "min-replicas-to-write", "1")
		refused(t, s, "alone", "try again") // NOREPLICAS
		redis.Do(t, "CONFIG", "SET", "min-replicas-to-write", "0")
		s.want(http.StatusCreated, "POST", "/scim/v2/Users", `{"userName":"ada"}`)
		redis.Kill()
		refused(t, s, "gone", "try again")
		redis.Restart(t)
		redis.Until(t, func(string) bool {
			return s.do("GET", "/scim/v2/Users?filter=userName+eq+%22ada%22", "").code == http.StatusOK
		}, "PING")
		fsck(t, redis.URL())
	})
	t.Run("unconfirmed", func(t *testing.T) {
		redis := testserver.StartSentinel(t)
		s := startServer(t, redis.URL(), "store: {confirm_replicas: 1, confirm_timeout: 2s}")
		for _, r := range redis.Sentinels {
			r.Kill()
		}
		redis.Nodes[1].Kill()
		refused(t, s, "ada", "not confirmed by 1 replicas")
	})
}
