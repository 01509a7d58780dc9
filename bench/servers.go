package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"

	"github.com/redis/go-redis/v9"
)

// redisServer is a Redis with the settings that comparisons are made with: an append-only
// file that is synced every second.
type redisServer struct {
	*proc
	addr string
}

// fsync is what the output says of it.
const fsync = "appendonly yes, appendfsync everysec"

func (w *workshop) startRedis(ctx context.Context, name string) (*redisServer, error) {
	path, err := program("redis-server")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir := w.path(name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--daemonize", "no",
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction")
	p, err := w.start(ctx, name, cmd, answers(addr))
	return &redisServer{p, addr}, err
}

// used is the memory that Redis counts for its data: without the buffers of connections and of the
// append-only file, and the texts of scripts, which are there once and would be divided among few users.
func (r *redisServer) used(ctx context.Context) (int64, error) {
	client := newRedis(r.addr, 0)
	defer client.Close()
	text, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	used, err := infoNumber(text, "used_memory")
	for _, name := range []string{"mem_clients_normal", "mem_aof_buffer", "used_memory_scripts"} {
		if err != nil {
			return 0, err
		}
		var n int64
		n, err = infoNumber(text, name)
		used -= n
	}
	return used, err
}

// empty removes everything from one database.
func (r *redisServer) empty(ctx context.Context, db int) error {
	client := newRedis(r.addr, db)
	defer client.Close()
	return client.FlushDB(ctx).Err()
}

// Databases of the one Redis: comparisons are fair only where both sides share it.
const (
	oursDB    = 0
	ceilingDB = 1
)

// rollcallServer is `rollcall serve`.
type rollcallServer struct {
	*proc
	addr  string
	ops   string // address of /readyz and /debug/pprof
	token string
}

func (w *workshop) startRollcall(ctx context.Context, bin string, r *redisServer) (*rollcallServer, error) {
	return w.startRollcallAs(ctx, "rollcall", bin, r, secret())
}

// startRollcallAs starts one more, under another name.
func (w *workshop) startRollcallAs(ctx context.Context, name, bin string, r *redisServer, token string) (*rollcallServer, error) {
	s := &rollcallServer{token: token}
	var err error
	if s.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	if s.ops, err = freeAddr(); err != nil {
		return nil, err
	}
	config, err := w.write(name+".yaml", fmt.Sprintf("server:\n  listen: %s\n  ops_listen: %s\n  pprof: true\nstore:\n  url: redis://%s/%d\nbootstrap:\n  token: %s\n",
		s.addr, s.ops, r.addr, oursDB, s.token))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "serve", "--config", config)
	cmd.Env = bareEnv()
	s.proc, err = w.start(ctx, name, cmd, isReady(s.ops))
	return s, err
}

// write puts a file into the workshop that its owner alone can read.
func (w *workshop) write(name, text string) (path string, err error) {
	path = w.path(name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// bareEnv leaves out settings of the surroundings that would change what is measured, but for
// those of Go's runtime.
func bareEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOMAXPROCS", "GOGC", "GODEBUG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// startCeilings starts the bare handlers of ceiling.go: this program again, as another process.
func (w *workshop) startCeilings(ctx context.Context, r *redisServer) (p *proc, addr string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	if addr, err = freeAddr(); err != nil {
		return nil, "", err
	}
	cmd := exec.Command(self, ceilingCommand, addr, r.addr)
	cmd.Env = bareEnv()
	p, err = w.start(ctx, "ceilings", cmd, answers(addr))
	return p, addr, err
}

// newRedis is a client with the settings of store/redisdb, which are part of what is compared.
func newRedis(addr string, db int) *redis.Client {
	return redis.NewClient(redisOptions(addr, db))
}
