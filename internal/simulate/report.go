package simulate

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Report is what came of a run. Its counts are of requests, and of values for what was lost.
type Report struct {
	Client   Client  `json:"client"`
	URL      string  `json:"url"`
	Prefix   string  `json:"prefix"`
	Requests int     `json:"requests"`
	Accepted int     `json:"accepted"`
	Refused  int     `json:"refused"`
	Lost     int     `json:"lost"`
	Waited   int     `json:"waited"`          // how often the server asked for time
	Seconds  float64 `json:"seconds"`         //
	Ended    string  `json:"ended,omitempty"` // why the run ended before its time
	Steps    []*Step `json:"steps"`

	mu   sync.Mutex // guards everything: some requests are sent side by side
	seen map[Loss]bool
}

// Step is one thing that a client does, for however many users or groups.
type Step struct {
	ID       string    `json:"id"`
	What     string    `json:"what"`
	Route    string    `json:"route"`   // PATCH /Users/{id}
	Request  string    `json:"request"` // the first one's line
	Sent     int       `json:"sent"`
	Repeats  int       `json:"repeats,omitempty"` // of those, how many were sent again
	Refused  int       `json:"refused"`
	Refusals []Refusal `json:"refusals,omitempty"` // the first of them
	Lost     []Loss    `json:"lost,omitempty"`
}

// Refusal is an answer that would fail the client's task.
type Refusal struct {
	Request string `json:"request"`
	Body    string `json:"body,omitempty"`
	Again   bool   `json:"again,omitempty"` // the request had been accepted before
	Answer  string `json:"answer"`
}

// Loss is a difference between what the server holds and what it should hold.
type Loss struct {
	Step    string `json:"step"`    // that which last wrote it
	Subject string `json:"subject"` // the user or group
	Path    string `json:"path"`
	Got     string `json:"got"`
	Want    string `json:"want"`
}

const (
	maxRefusals = 5    // kept of one step
	maxShown    = 2000 // of a body that was refused
)

func newReport(c *Config) *Report {
	shown := c.URL
	if u, err := url.Parse(c.URL); err == nil {
		shown = u.Redacted()
	}
	return &Report{Client: c.Client, URL: shown, Prefix: c.Prefix, seen: map[Loss]bool{}}
}

// OK tells that nothing was refused, nothing lost, and everything was played.
func (r *Report) OK() bool { return r.Refused == 0 && r.Lost == 0 && r.Ended == "" }

// step finds a step, or adds it. r.mu is held.
func (r *Report) step(id, what string) *Step {
	for _, s := range r.Steps {
		if s.ID == id && s.What == what {
			return s
		}
	}
	r.Steps = append(r.Steps, &Step{ID: id, What: what})
	return r.Steps[len(r.Steps)-1]
}

// sent notes a request and its answer; first tells that it is the first of its step.
func (r *Report) sent(q request, line string, a answer, waited int) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.step(q.step, q.what)
	if s.Sent == 0 {
		s.Route, s.Request, first = q.route(), line, true
	}
	s.Sent++
	r.Requests++
	r.Waited += waited
	if q.again {
		s.Repeats++
	}
	if a.ok {
		r.Accepted++
		return first
	}
	r.Refused++
	s.Refused++
	if len(s.Refusals) < maxRefusals {
		s.Refusals = append(s.Refusals, Refusal{Request: line, Body: cut(q.body, maxShown), Again: q.again, Answer: a.reason})
	}
	return first
}

// lose notes a difference, once.
func (r *Report) lose(l Loss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[l] {
		return
	}
	r.seen[l] = true
	r.Lost++
	for _, s := range r.Steps {
		if s.ID == l.Step {
			s.Lost = append(s.Lost, l)
			return
		}
	}
	s := r.step(l.Step, "")
	s.Lost = append(s.Lost, l)
}

func (r *Report) finish(took time.Duration) { r.Seconds = float64(took.Milliseconds()) / 1000 }

// Summary is the run in one line.
func (r *Report) Summary() string {
	s := fmt.Sprintf("%s: %d requests in %.1f s: %d accepted, %d refused; %d values lost", r.Client, r.Requests, r.Seconds, r.Accepted, r.Refused, r.Lost)
	if r.Waited > 0 {
		s += fmt.Sprintf("; asked to wait %d times", r.Waited)
	}
	if r.Ended != "" {
		s += "; ended early: " + r.Ended
	}
	return s
}

// Result is a step in a few words.
func (s *Step) Result() string {
	var parts []string
	if n := s.Refused; n > 0 {
		parts = append(parts, fmt.Sprintf("%d refused: %s", n, s.Refusals[0].Answer))
	}
	if n := len(s.Lost); n > 0 {
		parts = append(parts, fmt.Sprintf("%d lost: %s", n, s.Lost[0]))
	}
	if parts == nil {
		return "accepted"
	}
	return strings.Join(parts, "; ")
}

// String is the loss in words.
func (l Loss) String() string {
	return fmt.Sprintf("%s %s is %s, want %s", l.Subject, l.Path, l.Got, l.Want)
}
