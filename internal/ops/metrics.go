package ops

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// maxSeries bounds the series of one counter. Labels are few and known ones: a client's name
// comes from the configuration or from whoever made its token.
const maxSeries = 10_000

// Counter counts events by labels, since the process began.
type Counter struct {
	name, help string
	labels     []string

	mu     sync.Mutex // guards series
	series map[string]uint64
}

// NewCounter makes a counter of that name in the Prometheus text format.
func NewCounter(name, help string, labels ...string) *Counter {
	return &Counter{name: name, help: help, labels: labels, series: map[string]uint64{}}
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Add counts one event. There is a value for each label, in their order.
func (c *Counter) Add(values ...string) {
	var b strings.Builder
	for i, label := range c.labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(label + `="` + escapeLabel.Replace(values[i]) + `"`)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.series[b.String()]; ok || len(c.series) < maxSeries {
		c.series[b.String()]++
	}
}

// write writes the series, in order.
func (c *Counter) write(w io.Writer) error {
	c.mu.Lock()
	series := maps.Clone(c.series)
	c.mu.Unlock()
	if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n", c.name, c.help, c.name); err != nil {
		return err
	}
	for _, labels := range slices.Sorted(maps.Keys(series)) {
		if _, err := fmt.Fprintf(w, "%s{%s} %d\n", c.name, labels, series[labels]); err != nil {
			return err
		}
	}
	return nil
}

// metrics answers /metrics in the text format that Prometheus reads.
func (h *Health) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	for _, c := range h.Counters {
		if c.write(w) != nil {
			return // nobody is left to tell
		}
	}
}
