package testserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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
	r := &Redis{Port: FreePort(t), Dir: t.TempDir()}
	r.args = append([]string{
		"--port", strconv.Itoa(r.Port), "--bind", "127.0.0.1", "--dir", r.Dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no", "--repl-diskless-sync-delay", "0",
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

// TearFile cuts so many bytes off the end of the append-only file of a server that was killed.
func (r *Redis) TearFile(t testing.TB, bytes int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.Dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		t.Fatalf("append-only files %v, %v, want one", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], max(0, info.Size()-bytes)); err != nil {
		t.Fatal(err)
	}
}

// RepairFile cuts the append-only file behind its last whole change.
func (r *Redis) RepairFile(t testing.TB) {
	t.Helper()
	cmd := exec.Command(Need(t, "redis-check-aof"), "--fix", filepath.Join(r.Dir, "appendonlydir", "appendonly.aof.manifest"))
	cmd.Stdin = strings.NewReader("y\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// Do sends a command, and returns what the reply says; of several parts, each on a line.
func (r *Redis) Do(t testing.TB, args ...string) string {
	t.Helper()
	reply, err := sendRedis(r.Addr(), args...)
	if err != nil {
		t.Fatalf("%s: %s: %v", r.Addr(), strings.Join(args, " "), err)
	}
	return reply
}

// Until sends a command again and again, until the reply is as ok has it.
func (r *Redis) Until(t testing.TB, ok func(reply string) bool, args ...string) {
	t.Helper()
	waitFor(t, strings.Join(args, " "), func() (bool, string) {
		reply, err := sendRedis(r.Addr(), args...)
		return err == nil && ok(reply), fmt.Sprint(reply, err)
	})
}

// waitFor waits for something that takes its time on a busy machine.
func waitFor(t testing.TB, what string, ok func() (done bool, state string)) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		done, state := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after a minute: %s", what, state)
		}
	}
}

// sendRedis sends one command over a connection of its own.
func sendRedis(addr string, args ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	fmt.Fprintf(conn, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(a), a)
	}
	return readRedis(bufio.NewReader(conn))
}

func readRedis(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '-':
		return "", errors.New(rest)
	case '$', '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return "", err
		}
		if kind == '$' {
			text := make([]byte, n+2)
			_, err := io.ReadFull(in, text)
			return string(text[:n]), err
		}
		parts := make([]string, n)
		for i := range parts {
			if parts[i], err = readRedis(in); err != nil {
				return "", err
			}
		}
		return strings.Join(parts, "\n"), nil
	}
	return rest, nil
}
