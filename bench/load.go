package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// side is one of the two servers that a row compares, with the requests that it gets.
type side struct {
	addr   string
	server *proc
	redis  *proc
	status int // that every answer must have
	// request appends the n-th request. It is called by many goroutines at once.
	request func(b []byte, n int) []byte
	// next numbers the requests. It goes on from slice to slice and from row to row, so that what is
	// to be new, such as a userName, always is.
	next *atomic.Int64
}

// sample is what one slice of time showed.
type sample struct {
	requests  int
	took      time.Duration
	latencies []time.Duration
	serverCPU time.Duration
	redisCPU  time.Duration
}

func (s sample) rate() float64 { return float64(s.requests) / s.took.Seconds() }

// loader keeps the connections to one side open between slices.
type loader struct {
	side
	conns []*conn
}

func newLoader(s side, conns int) (*loader, error) {
	l := &loader{side: s}
	for range conns {
		c, err := dial(s.addr)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.conns = append(l.conns, c)
	}
	return l, nil
}

// Close closes the connections.
func (l *loader) Close() error {
	var errs []error
	for _, c := range l.conns {
		errs = append(errs, c.net.Close())
	}
	return errors.Join(errs...)
}

// slice loads the side on all connections for so long, each sending its next request when it has
// the answer to the last.
func (l *loader) slice(ctx context.Context, d time.Duration) (sample, error) {
	if err := ctx.Err(); err != nil {
		return sample{}, err
	}
	before, err := l.usage()
	if err != nil {
		return sample{}, err
	}
	latencies := make([][]time.Duration, len(l.conns))
	errs := make([]error, len(l.conns))
	start := time.Now()
	var wait sync.WaitGroup
	for i, c := range l.conns {
		wait.Go(func() { latencies[i], errs[i] = l.run(c, start.Add(d)) })
	}
	wait.Wait()
	s := sample{took: time.Since(start)}
	for _, err := range errs {
		if err != nil { // the others would say the same
			return s, err
		}
	}
	after, err := l.usage()
	if err != nil {
		return s, err
	}
	s.latencies = slices.Concat(latencies...)
	s.requests = len(s.latencies)
	s.serverCPU, s.redisCPU = after[0]-before[0], after[1]-before[1]
	return s, nil
}

func (l *loader) run(c *conn, end time.Time) ([]time.Duration, error) {
	if err := c.net.SetDeadline(end.Add(30 * time.Second)); err != nil {
		return nil, err
	}
	latencies := make([]time.Duration, 0, 4096)
	for began := time.Now(); began.Before(end); {
		c.out = l.request(c.out[:0], int(l.next.Add(1)-1))
		status, err := c.do()
		if err != nil {
			return nil, fmt.Errorf("%.60q: %w", c.out, err)
		}
		if status != l.status {
			return nil, fmt.Errorf("%.200q was answered %d %.300q, want %d", c.out, status, c.body, l.status)
		}
		now := time.Now()
		latencies = append(latencies, now.Sub(began))
		began = now
	}
	return latencies, nil
}

// usage is the CPU time of the server and of Redis.
func (l *loader) usage() (used [2]time.Duration, err error) {
	for i, p := range []*proc{l.server, l.redis} {
		if used[i], err = cpuTime(p.pid()); err != nil {
			return used, err
		}
	}
	return used, nil
}

// measured is all slices of one side together.
type measured struct {
	rates     []float64
	latencies []time.Duration
	requests  int
	serverCPU time.Duration
	redisCPU  time.Duration
}

func (m *measured) add(s sample) {
	m.rates = append(m.rates, s.rate())
	m.latencies = append(m.latencies, s.latencies...)
	m.requests += s.requests
	m.serverCPU += s.serverCPU
	m.redisCPU += s.redisCPU
}

// summary is the numbers of one side of a row.
func (m *measured) summary() Side {
	slices.Sort(m.latencies)
	n := max(m.requests, 1)
	return Side{
		PerSecond: median(m.rates), Requests: m.requests,
		P50: micros(quantile(m.latencies, 0.5)), P99: micros(quantile(m.latencies, 0.99)),
		ServerCPU: micros(m.serverCPU) / float64(n), RedisCPU: micros(m.redisCPU) / float64(n),
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// compare measures ours against the ceiling in slices that alternate: ceiling, ours, ceiling
// and so on, beginning and ending with the ceiling.
func compare(ctx context.Context, ours, ceiling side, conns, rounds int, slice time.Duration) (Row, error) {
	var loaders [2]*loader
	for i, s := range []side{ceiling, ours} {
		l, err := newLoader(s, conns)
		if err != nil {
			return Row{}, err
		}
		defer l.Close()
		loaders[i] = l
		if _, err := l.slice(ctx, slice/2); err != nil { // pools and caches fill
			return Row{}, err
		}
	}
	var sums [2]measured
	for i := range 2*rounds + 1 {
		s, err := loaders[i%2].slice(ctx, slice)
		if err != nil {
			return Row{}, err
		}
		sums[i%2].add(s)
	}
	all := ratios(sums[1].rates, sums[0].rates)
	row := Row{Connections: conns, Ours: sums[1].summary(), Ceiling: sums[0].summary(), Ratio: median(all)}
	row.RatioLow, row.RatioHigh = spread(all)
	if used := row.Ours.cpu(); used > 0 {
		row.CPURatio = row.Ceiling.cpu() / used
	}
	rss, err := memory(ours.server.pid())
	row.Memory = rss
	return row, err
}
