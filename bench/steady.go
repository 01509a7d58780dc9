package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	dirsync "rollcall/sync"
)

// What an identity provider feels while a directory is read: Entra's 25 requests a second
// (what it asks of applications of its gallery), with runs of the source one after
// the other in the same process.

const (
	steadyRate    = 25
	steadyWorkers = 5
	steadyChanged = 500 // people that change between two runs
)

// steady are the requests of one run, in order of their ends.
type steady struct {
	*follower
	group string

	mu     sync.Mutex // guards those below
	took   []time.Duration
	failed []string
}

// steadyChecks sends requests for a while, the first of them while all people come in.
func (b *bench) steadyChecks(ctx context.Context, people int, length time.Duration) ([]Check, error) {
	w, err := newWorkshop()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	l := &ldapBench{shop: w, bin: b.bin, tree: newTree(people)}
	b.progress("%d requests a second for %s, while %d people are read again and again", steadyRate, length, people)
	if l.slapd, err = w.startSlapd(ctx, l.tree); err != nil {
		return nil, err
	}
	if l.redis, err = w.startRedis(ctx, "redis"); err != nil {
		return nil, err
	}
	s := &steady{follower: &follower{ldapBench: l, token: secret()}}
	if err := s.start(ctx, ""); err != nil {
		return nil, err
	}
	if s.group, err = s.makeGroup(); err != nil {
		return nil, err
	}

	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var wait sync.WaitGroup
	began := time.Now()
	for worker := range steadyWorkers {
		wait.Go(func() { s.provision(ctx, began, worker) })
	}
	runs, err := s.runAll(ctx)
	wait.Wait()
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d requests a second for %s, while %d people are synced: ", steadyRate, length, people)
	slices.Sort(s.took)
	note := fmt.Sprintf("%d requests, p50 %.1f ms, worst %.0f ms; %d runs meanwhile", len(s.took), ms(quantile(s.took, 0.5)), ms(quantile(s.took, 1)), runs)
	failed := Check{Name: what + "refused or failed", Value: float64(len(s.failed)), Unit: "requests", Note: "goal: none"}
	if len(s.failed) > 0 {
		failed.Note += "; first: " + s.failed[0]
	}
	return []Check{{Name: what + "p99", Value: ms(quantile(s.took, 0.99)), Unit: "ms", Goal: 100, Note: note}, failed}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// runAll runs the source until the time is over, and changes people in between.
func (s *steady) runAll(ctx context.Context) (runs int, err error) {
	for batch := 0; ; batch++ {
		var report dirsync.Report
		err := s.call(ctx, http.MethodPost, "/api/v1/sources/corp/runs", &report)
		switch {
		case ctx.Err() != nil:
			return runs, nil
		case err != nil:
			return runs, err
		case report.Result != dirsync.OK:
			return runs, fmt.Errorf("a run was %s: %s", report.Result, report.Error)
		}
		runs++
		if err := s.modify(ctx, steadyChanged, fmt.Sprintf("Steady %d", batch)); err != nil && ctx.Err() == nil {
			return runs, err
		}
	}
}

// provision takes one person after the other through what Entra does to them. Each request has
// its time, and its latency counts from then: one that comes late because of the one before is
// late.
func (s *steady) provision(ctx context.Context, began time.Time, worker int) {
	c, err := dial(s.addr)
	if err != nil {
		s.fail(err.Error())
		return
	}
	defer c.net.Close()
	const every = time.Second * steadyWorkers / steadyRate
	due := began.Add(every * time.Duration(worker) / steadyWorkers)
	for n := worker; ; n += steadyWorkers {
		id := ""
		for step := range steadySteps {
			if !sleepUntil(ctx, due) {
				return
			}
			c.out = s.request(c.out[:0], step, n, id)
			status, err := c.do()
			if err != nil {
				s.fail(err.Error())
				return
			}
			s.done(time.Since(due), step, status, c.body)
			if step == 1 {
				id = idOf(c.body)
			}
			due = due.Add(every)
		}
	}
}

func sleepUntil(ctx context.Context, t time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(t)):
		return true
	}
}

const steadySteps = 8

// request is one step in the life of somebody, as Entra sends it.
func (s *steady) request(b []byte, step, n int, id string) []byte {
	auth := "Bearer " + s.token
	name := fmt.Sprintf("steady.%d@example.com", n)
	patched := func(path, ops string) []byte {
		return appendRequest(b, http.MethodPatch, path, auth, []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+ops+`]}`))
	}
	switch step {
	case 0:
		return appendRequest(b, http.MethodGet, "/scim/v2/Users?filter=userName+eq+%22"+name+"%22", auth, nil)
	case 1:
		body := bytes.Replace(appendUser(nil, n), []byte(userName(n)), []byte(name), 1)
		return appendRequest(b, http.MethodPost, "/scim/v2/Users", auth, bytes.Replace(body, []byte(externalID(n)), []byte("steady-"+name), 1))
	case 2:
		return appendRequest(b, http.MethodGet, "/scim/v2/Users/"+id, auth, nil)
	case 3:
		return patched("/scim/v2/Users/"+id, `{"op":"Replace","path":"title","value":"Engineer"}`)
	case 4:
		return appendRequest(b, http.MethodGet, "/scim/v2/Groups?excludedAttributes=members&filter=displayName+eq+%22Steady%22", auth, nil)
	case 5:
		return patched("/scim/v2/Groups/"+s.group, `{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+id+`"}]}`)
	case 6:
		return patched("/scim/v2/Users/"+id, `{"op":"Replace","path":"active","value":"False"}`)
	}
	return appendRequest(b, http.MethodGet, "/scim/v2/Users?filter=id+eq+%22"+id+"%22+and+active+eq+false&attributes=id", auth, nil)
}

func (s *steady) makeGroup() (id string, err error) {
	c, err := dial(s.addr)
	if err != nil {
		return "", err
	}
	defer c.net.Close()
	c.out = appendRequest(c.out[:0], http.MethodPost, "/scim/v2/Groups", "Bearer "+s.token, []byte(`{"displayName":"Steady"}`))
	if status, err := c.do(); err != nil || status != http.StatusCreated {
		return "", errors.Join(err, fmt.Errorf("POST /Groups: %d %s", status, c.body))
	}
	return idOf(c.body), nil
}

// idOf finds the id of a resource, which comes first.
func idOf(body []byte) string {
	_, rest, _ := strings.Cut(string(body), `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func (s *steady) done(took time.Duration, step, status int, body []byte) {
	s.mu.Lock()
	s.took = append(s.took, took)
	s.mu.Unlock()
	if status >= 300 || step == 7 && !bytes.Contains(body, []byte(`"totalResults":1`)) {
		s.fail(fmt.Sprintf("step %d: %d %.200s", step, status, body))
	}
}

func (s *steady) fail(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, what)
}
