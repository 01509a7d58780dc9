package ops

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

func scrape(m *Metrics) string {
	w := httptest.NewRecorder()
	(&Health{Metrics: m}).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	m := NewMetrics("v1")
	m.Quirk("okta", "a\"b")
	m.SCIM(SCIMRequest{Workspace: "default", Client: "okta", Resource: "User", Op: "get", Code: 429})
	asked := 0
	m.Ask(func(context.Context) []Sample {
		asked++
		return []Sample{{Name: "sync_entries", Value: 7, Labels: []string{"corp", "User"}}, {Name: "store_up", Labels: []string{"too many"}}}
	})
	text := scrape(m)
	if again := scrape(m); asked != 1 || !strings.Contains(again, "sync_entries") {
		t.Errorf("two scrapes at a time asked %d times, want 1", asked)
	}
	for _, want := range []string{`rollcall_patch_quirks_total{client="okta",quirk="a\"b"} 1`, `rollcall_ratelimited_total{client="okta"} 1`,
		`rollcall_sync_entries{source="corp",type="User"} 7`, `version="v1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics has no %s:\n%s", want, text)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	m := NewMetrics("v1")
	for i := range 2 * maxNames {
		m.Quirk(fmt.Sprint("client", i), "q")
	}
	if n := strings.Count(scrape(m), "rollcall_patch_quirks_total{"); n != maxNames+1 {
		t.Errorf("%d series, want %d", n, maxNames+1)
	}
}
