package ops

import (
	"net/http/httptest"
	"sync"
	"testing"
)

func TestMetrics(t *testing.T) {
	c := NewCounter("events_total", "What happened.", "client", "what")
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() { c.Add("okta", "b") })
	}
	wait.Wait()
	c.Add("okta", "a")
	c.Add("x\"\\\ny", "a")
	w := httptest.NewRecorder()
	(&Health{Counters: []*Counter{c}}).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	const want = `# HELP events_total What happened.
# TYPE events_total counter
events_total{client="okta",what="a"} 1
events_total{client="okta",what="b"} 50
events_total{client="x\"\\\ny",what="a"} 1
`
	if got := w.Body.String(); w.Code != 200 || got != want {
		t.Errorf("/metrics = %d %s, want %s", w.Code, got, want)
	}
}

func TestCounterIsBounded(t *testing.T) {
	c := NewCounter("events_total", "What happened.", "client")
	for i := range 2 * maxSeries {
		c.Add(string(rune('a'+i%26)) + string(rune('0'+i)))
	}
	if len(c.series) > maxSeries {
		t.Errorf("%d series, want %d at most", len(c.series), maxSeries)
	}
}
