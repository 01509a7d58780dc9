// Command bench measures Rollcall against what the machine could do at best, in one run
// (design goals: docs/performance.md). It starts redis-server, the ceilings, `rollcall serve` and
// slapd on loopback in a temporary folder, and ends them all.
//
// It shows speed and does not test it: it fails only where something does not work.
//
// Start with operations.go, which lists what is measured; load.go is how. ceiling.go is what it
// is measured against, ldap.go the sync.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case interrupted:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == ceilingCommand {
		return runCeilings(ctx, args[1:])
	}
	b, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	if b.markdown != "" {
		if err := os.WriteFile(b.markdown, []byte(b.result.document()), 0o644); err != nil {
			return err
		}
	}
	if b.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(&b.result)
	}
	_, err = io.WriteString(stdout, b.result.text())
	return err
}

// bench is one run of the program.
type bench struct {
	bin      string
	users    int
	groups   int
	conns    []int
	narrow   bool // the middle of conns is enough for most operations
	rounds   int
	slice    time.Duration
	people   []int // of the directories to sync
	only     *regexp.Regexp
	json     bool
	markdown string
	stderr   io.Writer

	began  time.Time
	result Result
}

// parse reads the flags. -quick only changes what the others are by default.
func parse(args []string, stderr io.Writer) (*bench, error) {
	b := &bench{stderr: stderr}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	quick := f.Bool("quick", false, "fewer people and shorter: under 50 s")
	f.StringVar(&b.bin, "rollcall", "bin/rollcall", "the `program` to measure")
	f.IntVar(&b.users, "users", 0, "users to load over SCIM (default 100000, quick 20000)")
	conns := f.String("conns", "", "numbers of connections (default 1,16,64; with -quick only GET has all)")
	f.IntVar(&b.rounds, "rounds", 0, "rounds of each row (default 10, quick 4)")
	f.DurationVar(&b.slice, "slice", 0, "length of one slice (default 500ms, quick 250ms)")
	people := f.String("ldap", "", "people in the directories to sync (default 20000,100000, quick 20000; 0 for none)")
	only := f.String("run", "", "measure only the operations that match this `regexp`")
	f.BoolVar(&b.json, "json", false, "print JSON instead of the table")
	f.StringVar(&b.markdown, "markdown", "", "also write the tables to this `file`, such as docs/performance.md")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	defaults := bench{users: 100_000, groups: 1000, rounds: 10, slice: 500 * time.Millisecond}
	const defaultConns = "1,16,64"
	defaultPeople := "20000,100000"
	if *quick {
		defaults = bench{users: 20_000, groups: 200, rounds: 4, slice: 250 * time.Millisecond}
		defaultPeople, b.narrow = "20000", true
	}
	b.users, b.rounds, b.slice = or(b.users, defaults.users), or(b.rounds, defaults.rounds), or(b.slice, defaults.slice)
	b.groups = defaults.groups
	var errs [4]error
	b.conns, errs[0] = numbers(or(*conns, defaultConns))
	b.people, errs[1] = numbers(or(*people, defaultPeople))
	b.only, errs[2] = regexp.Compile(*only)
	b.bin, errs[3] = filepath.Abs(b.bin)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if len(b.conns) == 0 || b.users < 100 || b.rounds < 1 || b.slice < time.Millisecond {
		return nil, errors.New("-users must be 100 or more, -conns and -rounds 1 or more, -slice 1ms or more")
	}
	b.result.Command = strings.Join(append([]string{"go run ./bench"}, args...), " ")
	return b, nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func numbers(list string) ([]int, error) {
	var all []int
	for item := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(item))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no list of numbers", list)
		}
		if n > 0 {
			all = append(all, n)
		}
	}
	return all, nil
}

// progress says on stderr what goes on.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(b.stderr, "%6.1f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) measure(ctx context.Context) error {
	b.began = time.Now()
	b.result.When, b.result.Redis = b.began, fsync
	b.result.Rounds, b.result.Slice = b.rounds, b.slice.String()
	if err := b.describe(ctx); err != nil {
		return err
	}
	pure, err := b.pure()
	if err != nil {
		return err
	}
	b.result.Checks = append(b.result.Checks, pure...)
	if err := b.scim(ctx); err != nil {
		return err
	}
	for _, people := range b.people {
		checks, err := b.ldap(ctx, people)
		if err != nil {
			return err
		}
		b.result.Checks = append(b.result.Checks, checks...)
	}
	b.result.Took = time.Since(b.began).Round(100 * time.Millisecond).String()
	return nil
}

// scim measures the operations of SCIM.
func (b *bench) scim(ctx context.Context) error {
	w, err := newWorkshop()
	if err != nil {
		return err
	}
	defer w.Close()
	f, err := b.prepare(ctx, w)
	if err != nil {
		return err
	}
	for _, o := range f.operations() {
		if !b.only.MatchString(o.name) {
			continue
		}
		for _, n := range b.connsFor(o) {
			b.progress("%s, %d connections, against %s", o.name, n, o.versus)
			row, err := compare(ctx, o.ours, o.ceiling, n, b.rounds, b.slice)
			if err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			row.Operation, row.Versus, row.Goal, row.Floor = o.name, o.versus, o.goal, o.floor
			b.result.Rows = append(b.result.Rows, row)
		}
	}
	return nil
}

// connsFor are the numbers of connections that an operation is measured with.
func (b *bench) connsFor(o operation) []int {
	if o.once || b.narrow && !o.wide {
		return b.conns[len(b.conns)/2:][:1]
	}
	return b.conns
}

// prepare starts the servers and loads them.
func (b *bench) prepare(ctx context.Context, w *workshop) (*fixture, error) {
	r, err := w.startRedis(ctx, "redis")
	if err != nil {
		return nil, err
	}
	ceilings, ceilingAddr, err := w.startCeilings(ctx, r)
	if err != nil {
		return nil, err
	}
	s, err := w.startRollcall(ctx, b.bin, r)
	if err != nil {
		return nil, err
	}
	if b.result.IdleMemory, err = memory(s.pid()); err != nil {
		return nil, err
	}
	before, err := r.used(ctx)
	if err != nil {
		return nil, err
	}
	b.progress("loading %d users over SCIM", b.users)
	d := &data{}
	took, err := d.loadUsers(ctx, s, b.users)
	if err != nil {
		return nil, err
	}
	after, err := r.used(ctx)
	if err != nil {
		return nil, err
	}
	b.progress("loading %d groups, one of %d", b.groups, d.largest())
	if err := d.loadGroups(ctx, s, b.groups); err != nil {
		return nil, err
	}
	if err := fill(ctx, r.addr, d); err != nil {
		return nil, err
	}
	b.result.Users, b.result.Groups, b.result.Largest = b.users, b.groups, d.largest()
	b.result.Checks = append(b.result.Checks,
		Check{Name: "Redis memory for a user of 1.2 KB, with its place in the feed", Value: float64(after-before) / float64(b.users), Unit: "B", Goal: 900,
			Note: fmt.Sprintf("loaded at %.0f users a second", float64(b.users)/took.Seconds())},
		Check{Name: "memory of the server, idle", Value: mebibytes(b.result.IdleMemory), Unit: "MiB"})
	return &fixture{
		data: d, auth: "Bearer " + s.token,
		ours:     side{addr: s.addr, server: s.proc, redis: r.proc},
		ceilings: side{addr: ceilingAddr, server: ceilings, redis: r.proc},
	}, nil
}
