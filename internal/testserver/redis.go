package testserver

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
)

// Redis is a redis-server of the test's own, on loopback. It writes every change to disk before
// it answers (appendonly yes, appendfsync always), unless options say otherwise.
type Redis struct {
	Port int
	Dir  string // data, log; kept over Kill and Restart

	args []string
	proc *Proc
}

// StartRedis starts a server. Options are as on the command line of redis-server and
// come last: "--appendonly", "no".
func StartRedis(t testing.TB, options ...string) *Redis {
	t.Helper()
	Need(t, "redis-server")
	r := &Redis{Port: FreePort(t), Dir: t.TempDir()}
	r.args = append([]string{
		"--port", strconv.Itoa(r.Port), "--bind", "127.0.0.1", "--dir", r.Dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no",
	}, options...)
	r.Restart(t)
	return r
}

// Addr is host and port.
func (r *Redis) Addr() string { return fmt.Sprintf("127.0.0.1:%d", r.Port) }

// URL is the server as a setting store.url, its database 0.
func (r *Redis) URL() string { return "redis://" + r.Addr() + "/0" }

// Kill is kill -9.
func (r *Redis) Kill() { r.proc.Kill() }

// Proc is the running process, to send it signals.
func (r *Redis) Proc() *Proc { return r.proc }

// Restart starts a server that was killed, on the same port and data, and waits until it
// answers.
func (r *Redis) Restart(t testing.TB) {
	t.Helper()
	r.proc = Start(t, filepath.Join(r.Dir, "redis.log"), Need(t, "redis-server"), r.args...)
	r.proc.WaitTCP(t, r.Port)
}
