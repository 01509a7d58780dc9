package ops

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxNames bounds how many values a label has that somebody outside can make more of, such as
// the names of clients, which whoever makes tokens invents. Further ones count as "other".
const maxNames = 1000

// latencies are the buckets of requests and store operations, in seconds: a lookup takes 0.2 ms, a
// sync that is asked for over HTTP minutes.
var latencies = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// Metrics is what /metrics shows: what this process counts, and what Ask finds out when it is
// scraped. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	list     []Metric
	asked    asked

	requests, scim, quirks, refused, limited, runs, changes, deliveries, mails *prometheus.CounterVec
	requestTime, runTime, storeTime                                            *prometheus.HistogramVec
	running, leaseHeld, resources                                              *prometheus.GaugeVec
	leaseLost                                                                  prometheus.Counter
	reloadOK, reloadTime                                                       prometheus.Gauge

	mu    sync.Mutex // guards names
	names map[string]bool
}

// Metric describes one metric, for the reference.
type Metric struct {
	Name, Type, Help string
	Labels           []string
}

// NewMetrics makes the metrics of a process.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), names: map[string]bool{}}
	m.requests = m.counter("http_requests_total", "HTTP requests answered.", "route", "method", "code")
	m.requestTime = m.histogram("http_request_duration_seconds", "Time to answer an HTTP request.", latencies, "route", "method")
	m.scim = m.counter("scim_requests_total", "SCIM requests answered, by client and what they were about.",
		"workspace", "client", "resource", "op", "code", "scim_type")
	m.quirks = m.counter("patch_quirks_total", "Tolerances that a client made use of, by name (clients-behaviour.md).", "client", "quirk")
	m.refused = m.counter("auth_failures_total", "Requests whose sign-in was not taken: missing, invalid, forbidden (address), paused.", "reason")
	m.limited = m.counter("ratelimited_total", "Requests answered 429.", "client")
	m.runs = m.counter("sync_runs_total", "Runs that ended in this process, by what started them and how they ended.", "source", "mode", "result")
	m.runTime = m.histogram("sync_duration_seconds", "Time that a run took.", []float64{.1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}, "source")
	m.changes = m.counter("sync_changes_total", "Changes that runs of this process applied. The type Member is a membership.", "source", "type", "action")
	m.running = m.gauge("sync_running", "1 while this process runs the source.", "source")
	m.storeTime = m.histogram("store_operation_duration_seconds", "Time of one operation on the store.", latencies, "op")
	m.leaseHeld = m.gauge("lease_held", "1 while this process holds the lock of a run (sync/SOURCE) or of a stream of events (events/…).", "lease")
	m.resources = m.gauge("resources", "Resources of a workspace, counted once a minute by processes that answer requests.", "workspace", "type", "active")
	m.deliveries = m.counter("webhook_deliveries_total", "Deliveries of events by this process, by how they were taken: ok, failed (to be tried again), refused (a dead letter).",
		"workspace", "stream", "result")
	m.mails = m.counter("mails_total", "Tries of this process to send a mail, by what became of it: sent, delayed (it is tried again), dropped (no longer wanted).", "result")
	m.leaseLost = prometheus.NewCounter(m.opts("counter", "lease_lost_total", "Locks that this process lost while it held them."))
	m.reloadOK = prometheus.NewGauge(prometheus.GaugeOpts(m.opts("gauge", "config_last_reload_successful", "1 if the configuration was read whole the last time, 0 while an older one goes on.")))
	m.reloadTime = prometheus.NewGauge(prometheus.GaugeOpts(m.opts("gauge", "config_last_reload_success_timestamp_seconds", "When the configuration was last read whole.")))
	build := m.gauge("build_info", "Always 1; its labels tell the version of the program.", "version", "goversion")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.asked.describe(m)
	m.registry.MustRegister(m.leaseLost, m.reloadOK, m.reloadTime, &m.asked, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// List describes every metric of ours, by name.
func (m *Metrics) List() []Metric {
	list := slices.Clone(m.list)
	slices.SortFunc(list, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (m *Metrics) opts(kind, name, help string, labels ...string) prometheus.CounterOpts {
	m.list = append(m.list, Metric{"rollcall_" + name, kind, help, labels})
	return prometheus.CounterOpts{Name: "rollcall_" + name, Help: help}
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(m.opts("counter", name, help, labels...), labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts(m.opts("gauge", name, help, labels...)), labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	o := m.opts("histogram", name, help, labels...)
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: o.Name, Help: o.Help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

// bound is the value of a label, or "other" where there are too many values.
func (m *Metrics) bound(value string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.names[value] {
		if len(m.names) >= maxNames {
			return "other"
		}
		m.names[value] = true
	}
	return value
}

func (m *Metrics) handler() http.Handler {
	show := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.refresh(r.Context())
		show.ServeHTTP(w, r)
	})
}

// Request counts an HTTP request. The route is a pattern, without anything that a caller chose.
func (m *Metrics) Request(route, method string, code int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(code)).Inc()
	m.requestTime.WithLabelValues(route, method).Observe(took.Seconds())
}

// SCIMRequest is what a SCIM request was about.
type SCIMRequest struct {
	Workspace, Client, Resource, Op, SCIMType string
	Code                                      int
}

// SCIM counts a SCIM request.
func (m *Metrics) SCIM(r SCIMRequest) {
	m.scim.WithLabelValues(m.bound(r.Workspace), m.bound(r.Client), m.bound(r.Resource), r.Op, strconv.Itoa(r.Code), r.SCIMType).Inc()
	if r.Code == http.StatusTooManyRequests {
		m.limited.WithLabelValues(m.bound(r.Client)).Inc()
	}
}

// SignInRefused counts a request that did not get past the door.
func (m *Metrics) SignInRefused(reason string) { m.refused.WithLabelValues(reason).Inc() }

// Quirk counts a tolerance that a client made use of.
func (m *Metrics) Quirk(client, quirk string) { m.quirks.WithLabelValues(m.bound(client), quirk).Inc() }

// RunStarted notes that this process began a run of a source.
func (m *Metrics) RunStarted(source string) { m.running.WithLabelValues(source).Set(1) }

// RunEnded counts a run. Changes are by type and action.
func (m *Metrics) RunEnded(source, mode, result string, took time.Duration, changes map[[2]string]int) {
	m.running.WithLabelValues(source).Set(0)
	m.runs.WithLabelValues(source, mode, result).Inc()
	m.runTime.WithLabelValues(source).Observe(took.Seconds())
	for change, n := range changes {
		m.changes.WithLabelValues(source, change[0], change[1]).Add(float64(n))
	}
}

// StoreTook notes the time of an operation on the store.
func (m *Metrics) StoreTook(op string, took time.Duration) {
	m.storeTime.WithLabelValues(op).Observe(took.Seconds())
}

// LeaseHeld notes that this process holds a lock, or holds it no more.
func (m *Metrics) LeaseHeld(lease string, held bool) {
	value := 0.0
	if held {
		value = 1
	}
	m.leaseHeld.WithLabelValues(m.bound(lease)).Set(value)
}

// LeaseLost counts a lock that was lost.
func (m *Metrics) LeaseLost() { m.leaseLost.Inc() }

// Reloaded notes whether the configuration could be read.
func (m *Metrics) Reloaded(ok bool) {
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadTime.SetToCurrentTime()
}

// Delivered counts a delivery of events.
func (m *Metrics) Delivered(workspace, stream, result string) {
	m.deliveries.WithLabelValues(m.bound(workspace), m.bound(stream), result).Inc()
}

// Mailed counts a try to send a mail.
func (m *Metrics) Mailed(result string) { m.mails.WithLabelValues(result).Inc() }

// Resources are how many resources of a type a workspace has; active is "true", "false", or ""
// for a type that has no such attribute.
func (m *Metrics) Resources(workspace, typ, active string, n int) {
	m.resources.WithLabelValues(m.bound(workspace), m.bound(typ), active).Set(float64(n))
}
