package ops

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sample is one value that is looked up when Prometheus asks.
type Sample struct {
	Name   string // of one of askedMetrics
	Value  float64
	Labels []string
}

// askedMetrics lie in the store, or are worked out: every replica says the same, and so does one
// that has just started.
var askedMetrics = []Metric{
	{"store_up", "gauge", "1 if the store answers, and takes writes.", nil},
	{"client_last_seen_timestamp_seconds", "gauge", "When a client last signed in with a token, to the minute.", []string{"workspace", "client"}},
	{"token_expiry_timestamp_seconds", "gauge", "When a token ends, by its id; `rollcall token list` tells whose it is.", []string{"workspace", "token"}},
	{"sync_last_success_timestamp_seconds", "gauge", "When the last run ended that was ok or partial; 0 if none of the last runs was.", []string{"source"}},
	{"sync_next_run_timestamp_seconds", "gauge", "When the schedule runs the source next.", []string{"source"}},
	{"sync_interval_seconds", "gauge", "How far the next two runs of the schedule are apart.", []string{"source"}},
	{"sync_entries", "gauge", "Usable entries that the last run saw.", []string{"source", "type"}},
	{"sync_entry_errors", "gauge", "Entries that the last run could not use, by reason.", []string{"source", "reason"}},
	{"sync_blocked", "gauge", "1 if a limit of the guard blocked the last run.", []string{"source", "guard"}},
	{"audit_seal_lag_seconds", "gauge", "For how long this replica has not seen every change and event of the audit sealed, in the workspace where that is longest.", nil},
	{"mail_waiting", "gauge", "Mails that wait to be sent.", nil},
	{"mail_oldest_waiting_seconds", "gauge", "Age of the oldest mail that waits to be sent.", nil},
	{"webhook_oldest_pending_seconds", "gauge", "Age of the oldest change that a stream has not delivered.", []string{"workspace", "stream"}},
}

const (
	askEvery   = 5 * time.Second // between two looks, however often somebody scrapes
	askTimeout = 5 * time.Second
)

// asked is the collector of askedMetrics.
type asked struct {
	descs map[string]*prometheus.Desc

	mu   sync.Mutex // guards what follows
	ask  func(context.Context) []Sample
	last []Sample
	at   time.Time
}

// Ask sets what looks the samples up. What it leaves out is not shown.
func (m *Metrics) Ask(ask func(context.Context) []Sample) {
	m.asked.mu.Lock()
	defer m.asked.mu.Unlock()
	m.asked.ask = ask
}

func (a *asked) describe(m *Metrics) {
	a.descs = map[string]*prometheus.Desc{}
	for _, d := range askedMetrics {
		o := m.opts(d.Type, d.Name, d.Help, d.Labels...)
		a.descs[d.Name] = prometheus.NewDesc(o.Name, o.Help, d.Labels, nil)
	}
}

// Describe implements prometheus.Collector.
func (a *asked) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range a.descs {
		ch <- d
	}
}

// refresh looks the samples up anew, if they are not fresh.
func (a *asked) refresh(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ask == nil || !a.at.IsZero() && time.Since(a.at) < askEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a.last, a.at = a.ask(ctx), time.Now()
}

// Collect implements prometheus.Collector.
func (a *asked) Collect(ch chan<- prometheus.Metric) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.last {
		if metric, err := prometheus.NewConstMetric(a.descs[s.Name], prometheus.GaugeValue, s.Value, s.Labels...); err == nil {
			ch <- metric
		}
	}
}
