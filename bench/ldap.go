package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	dirsync "rollcall/sync"
)

// ldapBench measures `rollcall sync run` on a real slapd and an empty Redis.
type ldapBench struct {
	shop  *workshop
	bin   string
	tree  tree
	redis *redisServer
	slapd *slapd
	idle  int64 // memory of a server that does nothing
}

// runOf is one `rollcall sync run`.
type runOf struct {
	report   dirsync.Report
	wall     time.Duration
	cpu      time.Duration
	slapdCPU time.Duration
	redisCPU time.Duration
	peak     int64 // memory
}

func (b *bench) ldap(ctx context.Context, people int) ([]Check, error) {
	w, err := newWorkshop()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	l := &ldapBench{shop: w, bin: b.bin, tree: newTree(people), idle: b.result.IdleMemory}
	b.progress("slapd with %d people, %d groups, %d memberships", people, l.tree.groups, l.tree.memberships())
	if l.slapd, err = w.startSlapd(ctx, l.tree); err != nil {
		return nil, err
	}
	if l.redis, err = w.startRedis(ctx, "redis"); err != nil {
		return nil, err
	}
	b.progress("first sync, no-change sync, raw read, raw write")
	return l.measure(ctx)
}

// measure does the raw work before, between and after the runs, and takes its median.
func (l *ldapBench) measure(ctx context.Context) ([]Check, error) {
	var reads, writes []float64
	raw := func() error {
		read, err := l.rawRead(ctx)
		if err != nil {
			return err
		}
		write, err := l.rawWrite(ctx)
		reads, writes = append(reads, read.Seconds()), append(writes, write.Seconds())
		return err
	}
	if err := raw(); err != nil {
		return nil, err
	}
	first, err := l.sync(ctx)
	if err != nil {
		return nil, err
	}
	if c := first.report.Counts; first.report.Result != dirsync.OK || c.Created != l.tree.people+l.tree.groups || c.MembersAdded != l.tree.memberships() {
		return nil, fmt.Errorf("the first sync was %s and created %d with %d memberships, want %d with %d",
			first.report.Result, c.Created, c.MembersAdded, l.tree.people+l.tree.groups, l.tree.memberships())
	}
	if err := raw(); err != nil {
		return nil, err
	}
	var again []runOf
	for range 3 {
		r, err := l.sync(ctx)
		if err != nil {
			return nil, err
		}
		if r.report.Result != dirsync.OK || r.report.ChangeCount != 0 {
			return nil, fmt.Errorf("a sync without changes was %s and changed %d", r.report.Result, r.report.ChangeCount)
		}
		again = append(again, r)
	}
	if err := raw(); err != nil {
		return nil, err
	}
	checks := l.checks(first, again, median(reads), median(writes))
	follows, err := l.followed(ctx)
	return append(checks, follows...), err
}

func (l *ldapBench) checks(first runOf, again []runOf, read, write float64) []Check {
	var walls, cpus []float64
	for _, r := range again {
		walls, cpus = append(walls, r.wall.Seconds()), append(cpus, r.cpu.Seconds())
	}
	what := fmt.Sprintf("LDAP sync of %d people, %d memberships", l.tree.people, l.tree.memberships())
	wall := Check{Name: what + ": first run", Value: first.wall.Seconds(), Unit: "s",
		Note: fmt.Sprintf("CPU: rollcall %.1f s, slapd %.1f s, Redis %.1f s", first.cpu.Seconds(), first.slapdCPU.Seconds(), first.redisCPU.Seconds())}
	if l.tree.people <= 20_000 {
		wall.Goal = 10
	}
	return []Check{
		wall,
		{Name: what + ": first run ÷ (raw read + raw write)", Value: first.wall.Seconds() / (read + write), Unit: "×", Goal: 2,
			Note: fmt.Sprintf("read %.2f s, write %.2f s", read, write)},
		{Name: what + ": first run, peak memory above an idle server", Value: mebibytes(first.peak - l.idle), Unit: "MiB", Goal: 96},
		{Name: what + ": run without changes", Value: median(walls), Unit: "s", Goal: 1.25*read + 0.5,
			Note: fmt.Sprintf("goal: 1.25 × raw read + 0.5 s; CPU: rollcall %.1f s", median(cpus))},
	}
}

// sync runs the source as a process of its own, which opens the store itself.
func (l *ldapBench) sync(ctx context.Context) (runOf, error) {
	config, err := l.shop.write("sync.yaml", l.config(""))
	if err != nil {
		return runOf{}, err
	}
	before, err := l.usage()
	if err != nil {
		return runOf{}, err
	}
	cmd := exec.CommandContext(ctx, l.bin, "sync", "run", "corp", "--config", config, "-o", "json")
	cmd.Env = bareEnv()
	began := time.Now()
	out, peak, err := l.shop.outputAndPeak(ctx, cmd)
	r := runOf{wall: time.Since(began), peak: peak}
	if err != nil {
		return r, err
	}
	after, err := l.usage()
	if err != nil {
		return r, err
	}
	r.slapdCPU, r.redisCPU = after[0]-before[0], after[1]-before[1]
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, json.Unmarshal(out, &r.report)
}

// config is the store and the source, with more settings of the source.
func (l *ldapBench) config(more string) string {
	return fmt.Sprintf(`store:
  url: redis://%s/%d
sources:
  corp:
    type: ldap
    preset: openldap
    url: [%q]
    bind_dn: %q
    bind_password_file: %q
    users: { base: "ou=people,%s" }
    groups: { base: "ou=groups,%s" }
%s`, l.redis.addr, oursDB, l.slapd.url, readerDN, l.slapd.passwordFile, suffix, suffix, more)
}

func (l *ldapBench) usage() (used [2]time.Duration, err error) {
	for i, p := range []*proc{l.slapd.proc, l.redis.proc} {
		if used[i], err = cpuTime(p.pid()); err != nil {
			return used, err
		}
	}
	return used, nil
}

// rawRead is how long ldapsearch takes to read what a sync reads, in pages of the same size.
func (l *ldapBench) rawRead(ctx context.Context) (time.Duration, error) {
	path, err := program("ldapsearch")
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for _, search := range [][]string{
		{"ou=people," + suffix, "(objectClass=inetOrgPerson)", "uid", "cn", "givenName", "sn", "mail"},
		{"ou=groups," + suffix, "(objectClass=groupOfNames)", "cn", "member"},
	} {
		args := append([]string{"-x", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-D", readerDN, "-y", l.slapd.passwordFile, "-H", l.slapd.url, "-b"}, search...)
		cmd := exec.CommandContext(ctx, path, append(args, "objectClass", "entryUUID", "pwdAccountLockedTime")...)
		if _, err := l.shop.output(ctx, cmd); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// How the raw write sends its commands: pipelines of so many commits, so many at a time.
const (
	rawPipeline = 200
	rawWriters  = 4
)

// rawWrite is how long the least writing takes: for each person and group the eval of eight
// commands, for each membership ZADD both ways, all in pipelines.
func (l *ldapBench) rawWrite(ctx context.Context) (time.Duration, error) {
	client := newRedis(l.redis.addr, ceilingDB)
	defer client.Close()
	if err := putScript.Load(ctx, client).Err(); err != nil {
		return 0, err
	}
	began := time.Now()
	t := l.tree
	err := inPipelines(ctx, client, t.people+t.groups, rawPipeline, func(pipe redis.Pipeliner, i int) {
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
		putScript.EvalSha(ctx, pipe, []string{"r:" + id, "c:un", "c:xid", "seq", "feed"}, id, userName(i), externalID(i), appendSynced(nil, i))
	})
	if err != nil {
		return 0, err
	}
	err = inPipelines(ctx, client, t.memberships(), rawPipeline, func(pipe redis.Pipeliner, i int) {
		group := fmt.Sprintf("%08d-0000-4000-8000-000000000000", t.people+i/t.size())
		person := fmt.Sprintf("%08d-0000-4000-8000-000000000000", t.member(i/t.size(), i%t.size()))
		pipe.ZAdd(ctx, "m:"+group, redis.Z{Member: "User/" + person})
		pipe.ZAdd(ctx, "g:"+person, redis.Z{Member: "Group/" + group})
	})
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, l.redis.empty(ctx, ceilingDB)
}

// inPipelines adds every number below n to some pipeline, and executes each when it is full.
func inPipelines(ctx context.Context, client *redis.Client, n, size int, add func(pipe redis.Pipeliner, i int)) error {
	errs := make([]error, rawWriters)
	var next atomic.Int64
	var wait sync.WaitGroup
	for w := range rawWriters {
		wait.Go(func() {
			for errs[w] == nil {
				from := int(next.Add(int64(size))) - size
				if from >= n {
					return
				}
				pipe := client.Pipeline()
				for i := from; i < min(from+size, n); i++ {
					add(pipe, i)
				}
				_, errs[w] = pipe.Exec(ctx)
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
