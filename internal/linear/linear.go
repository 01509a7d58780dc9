// Package linear is for tests: it lets clients loose on a directory, each by a replica of its own,
// and tells whether what they saw could have been seen of one directory that does one thing
// at a time (linearizability: Herlihy and Wing, 1990). It knows a directory by what
// Client says, so a store and a server are checked alike.
//
// Start with Run, which writes a history, and Check, which judges it.
package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Client is one way into the directory: some users, and one group.
type Client interface {
	// Create makes a user, and returns its id; "" where the name is taken.
	Create(ctx context.Context, name string) (User, error)
	// Get and Lookup find a user by id and by name; the zero User for none.
	Get(ctx context.Context, id string) (User, error)
	Lookup(ctx context.Context, name string) (User, error)
	// Set changes title and active at once, where expect is 0 or the present version. The
	// version after it is 0 where there is no such user, and Conflict where expect is another.
	Set(ctx context.Context, id string, expect uint64, title string, active bool) (version uint64, err error)
	// Delete tells whether there was such a user.
	Delete(ctx context.Context, id string) (bool, error)
	// List is what matches a filter (see Filters): how many, and who is on the first page of 100.
	List(ctx context.Context, filter string) (total int, ids []string, err error)
	// Move adds the user to the group or removes it. A user that does not exist is left out.
	Move(ctx context.Context, id string, remove bool) error
	// Members are the group's members.
	Members(ctx context.Context) ([]string, error)
	// Group is the group's id.
	Group() string
}

// User is what is known of a user.
type User struct {
	ID, Name, Title string
	Active          bool
	Version         uint64
}

// Conflict is the version that Set returns where another was expected.
const Conflict = ^uint64(0)

// Names are the userNames that clients fight over: as many as a state has places.
var Names = []string{"ada", "bob", "cyd", "dot", "eve"}

// titles are those that users get.
var titles = []string{"a", "b"}

// Filters are what lists ask: by the index, by what only records tell, and by edges; %s is the group.
var Filters = []string{
	`active eq true and userName sw "`, // with any letter behind
	`active eq false`, `userName pr`, `not (userName ge "c") and active eq true`,
	`title eq "a"`, `title eq "b" and active eq true`, `nickName pr or title eq "a"`,
	`groups.value eq "%s"`, `groups.value eq "%s" and active eq true`,
}

// step is what a client asks, and seen what it is told.
type step struct {
	kind, id, name, title, filter string
	active, remove                bool
	expect                        uint64
}

type seen struct {
	user    User
	version uint64
	ok      bool
	total   int
	ids     string // sorted, with spaces between; "?" where the page had fewer than were counted
}

// Run has each client take so many steps at random, all at once.
func Run(ctx context.Context, clients []Client, steps int, seed uint64) ([]porcupine.Operation, error) {
	r := &runner{began: time.Now(), ids: map[string]User{}}
	var wait sync.WaitGroup
	errs := make([]error, len(clients))
	for i, c := range clients {
		wait.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for range steps {
				if errs[i] = r.step(ctx, i, c, rng); errs[i] != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return r.history, nil
}

type runner struct {
	began time.Time

	mu      sync.Mutex // guards what follows
	history []porcupine.Operation
	ids     map[string]User // that a name was last known by
}

func (r *runner) step(ctx context.Context, n int, c Client, rng *rand.Rand) error {
	s := r.choose(c, rng)
	call := time.Since(r.began)
	out, err := s.do(ctx, c)
	back := time.Since(r.began)
	if err != nil {
		return fmt.Errorf("%+v: %w", s, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{ClientId: n, Input: s, Call: int64(call), Output: out, Return: int64(back)})
	if out.user.ID != "" {
		r.ids[out.user.Name] = out.user
	}
	return nil
}

func (r *runner) choose(c Client, rng *rand.Rand) step {
	s := step{name: Names[rng.IntN(len(Names))], title: titles[rng.IntN(len(titles))], active: rng.IntN(2) == 0, remove: rng.IntN(2) == 0}
	r.mu.Lock()
	known := r.ids[s.name]
	r.mu.Unlock()
	s.id = known.ID
	kinds := []string{"create", "get", "lookup", "set", "set", "delete", "list", "list", "list", "move", "move", "members"}
	if s.kind = kinds[rng.IntN(len(kinds))]; s.id == "" && slices.Contains([]string{"get", "set", "delete", "move"}, s.kind) {
		s.kind = "create"
	}
	switch s.kind {
	case "set":
		if rng.IntN(2) == 0 {
			s.expect = known.Version
		}
	case "list":
		if s.filter = Filters[rng.IntN(len(Filters))]; strings.HasSuffix(s.filter, `sw "`) {
			s.filter += s.name[:1] + `"`
		}
		s.filter = strings.ReplaceAll(s.filter, "%s", c.Group())
	}
	return s
}

func (s step) do(ctx context.Context, c Client) (out seen, err error) {
	switch s.kind {
	case "create":
		out.user, err = c.Create(ctx, s.name)
	case "get":
		out.user, err = c.Get(ctx, s.id)
	case "lookup":
		out.user, err = c.Lookup(ctx, s.name)
	case "set":
		out.version, err = c.Set(ctx, s.id, s.expect, s.title, s.active)
	case "delete":
		out.ok, err = c.Delete(ctx, s.id)
	case "move":
		err = c.Move(ctx, s.id, s.remove)
	case "members":
		var ids []string
		ids, err = c.Members(ctx)
		out.total, out.ids = len(ids), joined(ids)
	case "list":
		var ids []string
		out.total, ids, err = c.List(ctx, s.filter)
		if out.ids = joined(ids); len(ids) != out.total {
			out.ids = "?"
		}
	}
	return out, err
}

func joined(ids []string) string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return strings.Join(ids, " ")
}
