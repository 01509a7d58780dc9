// Package simulate is Okta, Microsoft Entra ID and others as SCIM clients: it plays the
// requests that they send, as they send them, against any SCIM server, and says what the
// server refused and what it lost.
//
// A run keeps its own account of what the server should hold. At every check-point it
// reads everything back and compares attribute by attribute and member by member. What a
// client would live with is accepted (204 for 200, an answer without a body, no meta);
// what would fail its task is a refusal, and what it would never notice is a loss.
//
// It is no conformance test of RFC 7644: what no client sends is not asked.
//
// Start with Run; okta.go, entra.go, validator.go and others.go are the clients, each step
// named by what it plays (O9: Okta deactivates); model.go is what the server should hold.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrUnreachable says that nothing answers at the URL.
var ErrUnreachable = errors.New("no SCIM server answers")

// Client is who is simulated.
type Client string

// The clients.
const (
	OktaOIN   Client = "okta oin" // an app of Okta's catalogue: PATCH
	OktaAIW   Client = "okta aiw" // an app made with its wizard: PUT
	Entra     Client = "entra"
	EntraFlag Client = "entra aadOptscim062020"
	Validator Client = "validator" // Microsoft's SCIM Validator
	OneLogin  Client = "onelogin"
	JumpCloud Client = "jumpcloud"
	Authentik Client = "authentik"
)

// lifecycles are what each client does.
var lifecycles = map[Client]func(*sim){
	OktaOIN:   func(s *sim) { s.okta(false) },
	OktaAIW:   func(s *sim) { s.okta(true) },
	Entra:     func(s *sim) { s.entra(false) },
	EntraFlag: func(s *sim) { s.entra(true) },
	Validator: (*sim).validator,
	OneLogin:  (*sim).oneLogin,
	JumpCloud: (*sim).jumpCloud,
	Authentik: (*sim).authentik,
}

// Config says what to simulate, and where.
type Config struct {
	Client Client
	URL    string // the base URL as an administrator types it, with a query or without
	Token  string

	// Prefix begins every name, so that two runs do not meet. The names follow from it alone.
	Prefix  string
	Users   int
	Groups  int
	Repeats int  // how often each write is sent again, as after a time-out
	Keep    bool // leave everything on the server

	HTTP    *http.Client  // nil for the default one
	Timeout time.Duration // for one request; 0 for Okta's 60 s
	// Wait waits as long as a server asks (Retry-After); nil for doing just that.
	Wait func(ctx context.Context, d time.Duration) error
	// Progress is told when a step is sent for the first time; may be nil.
	Progress func(step, what string)
}

// The bounds of a run.
const (
	MinUsers, MaxUsers   = 10, 1000
	MinGroups, MaxGroups = 3, 100
	maxRepeats           = 10
)

var prefixForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Validate tells what is wrong with c.
func (c *Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case lifecycles[c.Client] == nil:
		return fmt.Errorf("there is no client %q", c.Client)
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is no URL: give the one that you would give to the identity provider, such as https://scim.example.com/scim/v2", c.URL)
	case c.Token == "":
		return errors.New("the server needs a token")
	case !prefixForm.MatchString(c.Prefix):
		return fmt.Errorf("prefix %q: give small letters, digits and hyphens, a letter first, 31 at most", c.Prefix)
	case c.Users < MinUsers || c.Users > MaxUsers:
		return fmt.Errorf("%d users: give %d to %d", c.Users, MinUsers, MaxUsers)
	case c.Groups < MinGroups || c.Groups > MaxGroups:
		return fmt.Errorf("%d groups: give %d to %d", c.Groups, MinGroups, MaxGroups)
	case c.Repeats < 0 || c.Repeats > maxRepeats:
		return fmt.Errorf("%d repeats: give 0 to %d", c.Repeats, maxRepeats)
	}
	return nil
}

// sim is one run.
type sim struct {
	Config
	ctx    context.Context // of the run; the one place where the lifecycles, which read as scripts, find it
	wire   *wire
	report *Report

	users   []*user
	groups  []*group
	created []string // the paths of what was created, in order
	err     error    // why the run ended early
}

// Run plays a client's lifecycle. The report is there, as far as the run came, whatever the error: ErrUnreachable
// where nothing answers, that of ctx where it ended. Refusals and losses are no error.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Timeout <= 0 {
		c.Timeout = 60 * time.Second // O26
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	w, err := newWire(&c)
	if err != nil {
		return nil, err
	}
	s := &sim{Config: c, ctx: ctx, wire: w, report: newReport(&c)}
	began := time.Now()
	lifecycles[c.Client](s)
	if !c.Keep {
		s.cleanUp()
	}
	s.report.finish(time.Since(began))
	return s.report, s.err
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// cleanUp deletes what the run created and what is still there, groups first: the last made go first.
// It is no part of any client's lifecycle; that a server lacks DELETE is said all the same.
func (s *sim) cleanUp() {
	if errors.Is(s.err, ErrUnreachable) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 2*time.Minute)
	defer cancel()
	before := s.err
	s.ctx, s.err = ctx, nil
	for _, path := range slices.Backward(s.created) {
		s.send(request{step: "clean-up", what: "delete what the run made", method: http.MethodDelete, path: path, accept: []int{204, 200, 404}})
	}
	if before != nil {
		s.err = before
	}
}

// name is a name of this run: "prefix-word007".
func (s *sim) name(word string, n int) string { return fmt.Sprintf("%s-%s%03d", s.Prefix, word, n) }

// groupName is one with spaces: "prefix Group 007".
func (s *sim) groupName(word string, n int) string {
	return fmt.Sprintf("%s %s %03d", s.Prefix, word, n)
}

// letters is the prefix with nothing but letters and digits.
func (s *sim) letters() string { return strings.ReplaceAll(s.Prefix, "-", "") }
