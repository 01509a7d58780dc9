package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestBlockedRunIsTold holds that a blocked run reaches the webhook of its source, signed as events
// are, and names nobody.
func TestBlockedRunIsTold(t *testing.T) {
	key := []byte("a key of twenty-four bytes and more")
	var mu sync.Mutex
	var told []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
		if got, want := r.Header.Get("Webhook-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("Webhook-Signature = %q, want %q", got, want)
		}
		var n struct{ Type, Source, Text, Next string }
		if err := json.Unmarshal(body, &n); err != nil || n.Source != "corp" || n.Text == "" {
			t.Errorf("notice %s: %v", body, err)
		}
		if strings.Contains(string(body), "p30") {
			t.Errorf("the notice names people: %s", body)
		}
		mu.Lock()
		told = append(told, n.Type)
		mu.Unlock()
	}))
	defer hook.Close()
	ldif := newLDIF(t, 40)
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", ldif.config(fmt.Sprintf("    notify: { url: %q, secret: %q }\n",
		hook.URL, "whsec_"+base64.StdEncoding.EncodeToString(key))))
	s.syncJSON(exitDone, "run", "corp")
	ldif.put(20, "")
	blocked := s.syncJSON(exitBlocked, "run", "corp")
	s.syncJSON(exitDone, "approve", blocked.ID)
	mu.Lock()
	defer mu.Unlock()
	if strings.Join(told, " ") != "sync.blocked sync.recovered" {
		t.Errorf("told %v, want sync.blocked and sync.recovered", told)
	}
}
