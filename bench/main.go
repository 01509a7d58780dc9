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
	"slices"
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
	sizes    []int // numbers of users to load, the most last
	groups   int
	conns    []int
	narrow   bool // the middle of conns is enough for most operations
	rounds   int
	slice    time.Duration
	people   []int         // of the directories to sync
	steady   time.Duration // how long requests are sent while a source is read
	only     *regexp.Regexp
	json     bool
	markdown string
	profiles string // a folder for CPU profiles of Rollcall, "" for none
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
	users := f.String("users", "", "numbers of users to load over SCIM, one after the other, such as 1000000 (default 1000,10000,100000, quick 20000); the last has every row")
	conns := f.String("conns", "", "numbers of connections (default 1,16,64; with -quick only GET has all)")
	f.IntVar(&b.rounds, "rounds", 0, "rounds of each row (default 10, quick 3)")
	f.DurationVar(&b.slice, "slice", 0, "length of one slice (default 500ms, quick 150ms)")
	people := f.String("ldap", "", "people in the directories to sync (default 20000,100000, quick 10000; 0 for none)")
	f.DurationVar(&b.steady, "steady", -1, "how long 25 requests a second are sent while a directory is synced (default 1m, quick 0: not at all)")
	only := f.String("run", "", "measure only the operations that match this `regexp`")
	f.BoolVar(&b.json, "json", false, "print JSON instead of the table")
	f.StringVar(&b.markdown, "markdown", "", "also write the tables to this `file`, such as docs/performance.md")
	f.StringVar(&b.profiles, "profile", "", "also write a CPU profile of Rollcall for each row to this `folder`; profiling costs some of the speed")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	defaults := bench{groups: 1000, rounds: 10, slice: 500 * time.Millisecond, steady: time.Minute}
	const defaultConns = "1,16,64"
	defaultPeople, defaultUsers := "20000,100000", "1000,10000,100000"
	if *quick {
		defaults = bench{groups: 200, rounds: 3, slice: 150 * time.Millisecond}
		defaultPeople, defaultUsers, b.narrow = "10000", "20000", true
	}
	b.rounds, b.slice = or(b.rounds, defaults.rounds), or(b.slice, defaults.slice)
	b.groups = defaults.groups
	if b.steady < 0 {
		b.steady = defaults.steady
	}
	var errs [5]error
	b.conns, errs[0] = numbers(or(*conns, defaultConns))
	b.people, errs[1] = numbers(or(*people, defaultPeople))
	b.only, errs[2] = regexp.Compile(*only)
	b.bin, errs[3] = filepath.Abs(b.bin)
	b.sizes, errs[4] = numbers(or(*users, defaultUsers))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if len(b.conns) == 0 || len(b.sizes) == 0 || slices.Min(b.sizes) < 100 || b.rounds < 1 || b.slice < time.Millisecond {
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
	for i, users := range b.sizes {
		if err := b.scim(ctx, users, i == len(b.sizes)-1); err != nil {
			return err
		}
	}
	if len(b.people) > 0 {
		checks, err := b.decode(ctx)
		if err != nil {
			return err
		}
		b.result.Checks = append(b.result.Checks, checks...)
	}
	for _, people := range b.people {
		checks, err := b.ldap(ctx, people)
		if err != nil {
			return err
		}
		b.result.Checks = append(b.result.Checks, checks...)
	}
	if b.steady > 0 && len(b.people) > 0 {
		checks, err := b.steadyChecks(ctx, slices.Max(b.people), b.steady)
		if err != nil {
			return err
		}
		b.result.Checks = append(b.result.Checks, checks...)
	}
	b.result.Took = time.Since(b.began).Round(100 * time.Millisecond).String()
	return nil
}

// roundsFor is fewer rounds where a row is there to compare sizes.
func (b *bench) roundsFor(all bool) int {
	if all {
		return b.rounds
	}
	return max(b.rounds/2, 1)
}

// connsFor are the numbers of connections that an operation is measured with.
func (b *bench) connsFor(o operation, all bool) []int {
	switch {
	case o.few:
		return b.conns[:1]
	case o.once || !all || b.narrow && !o.wide:
		return b.conns[len(b.conns)/2:][:1]
	}
	return b.conns
}
