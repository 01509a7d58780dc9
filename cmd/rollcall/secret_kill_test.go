package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// TestRotationIsKilled kills the server in the middle of a rotation of keys, again and again: every secret
// can be read afterwards, and the next rotation ends.
func TestRotationIsKilled(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, store string) {
		t.Parallel()
		keyring := filepath.Join(t.TempDir(), "keyring.json")
		s := startServer(t, store, "secrets: {keyring: "+keyring+"}\n")
		id := s.want(201, "POST", "/scim/v2/Users", `{"userName":"ada"}`).body["id"].(string)
		secret := func(i int) string { return fmt.Sprintf("/api/v1/users/%s/secrets/s%d", id, i) }
		const n = 40
		for i := range n {
			s.want(204, "PUT", secret(i), fmt.Sprintf(`{"value":"value %d"}`, i))
		}
		// A lock in Redis outlives its holder for a while, which each round waits for.
		rounds := testserver.Rounds(map[bool]int{true: 4, false: 2}[strings.HasPrefix(store, "bolt:")], 20)
		for round := range rounds {
			done := make(chan struct{})
			go func() {
				defer close(done)
				req, err := http.NewRequest("POST", s.base+"/api/v1/secrets/rotate", nil)
				if err != nil {
					return
				}
				req.Header.Set("Authorization", "Bearer "+testToken)
				if resp, err := http.DefaultClient.Do(req); err == nil {
					resp.Body.Close()
				}
			}()
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			s.proc.Kill()
			<-done
			s.start()
			for i := range n {
				if a := s.want(200, "GET", secret(i), ""); a.body["value"] != fmt.Sprintf("value %d", i) {
					t.Fatalf("round %d: secret %d = %s", round, i, a.text)
				}
			}
		}
		s.want(200, "POST", "/api/v1/secrets/rotate", "")
		text, err := os.ReadFile(keyring)
		if err != nil || strings.Count(string(text), `"id"`) != 1 {
			t.Errorf("%d keys are left, %v, want 1", strings.Count(string(text), `"id"`), err)
		}
		for i := range n {
			s.want(200, "GET", secret(i), "")
		}
	})
}
