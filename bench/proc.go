package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// startTimeout is how long a server may take to answer, stopTimeout how long to stop when asked.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

// workshop is the folder of one run and the servers in it. It ends what it started, and nothing
// else.
type workshop struct {
	dir   string
	procs []*proc
}

// proc is a server that we started.
type proc struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

func (p *proc) pid() int { return p.cmd.Process.Pid }

func newWorkshop() (*workshop, error) {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	return &workshop{dir: dir}, err
}

// Close stops every server, the last one first, and removes the folder.
func (w *workshop) Close() error {
	for _, p := range slices.Backward(w.procs) {
		p.stop()
	}
	return os.RemoveAll(w.dir)
}

// path is a file of the workshop.
func (w *workshop) path(name string) string { return filepath.Join(w.dir, name) }

// start starts a server and waits until ready says so. cmd has no context: when that ends, Close
// stops the server in order.
func (w *workshop) start(ctx context.Context, name string, cmd *exec.Cmd, ready func() error) (*proc, error) {
	p := &proc{name: name, log: w.path(name + ".log"), cmd: cmd, done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, w.dir
	// A group of its own, so that Ctrl-C reaches us alone and we stop it in order; and it dies
	// with us, however that happens.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	w.procs = append(w.procs, p)
	go func() {
		_ = cmd.Wait()
		log.Close()
		close(p.done)
	}()
	return p, p.await(ctx, ready)
}

func (p *proc) await(ctx context.Context, ready func() error) error {
	deadline := time.After(startTimeout)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
			return fmt.Errorf("%s ended at its start:\n%s", p.name, p.tail())
		case <-deadline:
			return fmt.Errorf("%s is not ready after %v: %w\n%s", p.name, startTimeout, err, p.tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop asks the server to end, and makes it where it does not.
func (p *proc) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// tail is the end of the server's log.
func (p *proc) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// answers tells whether something listens.
func answers(addr string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// isReady asks a readiness check.
func isReady(addr string) func() error {
	return func() error {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", resp.Status)
		}
		return nil
	}
}

// freeAddr picks a loopback address that is free now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// program finds a program that the benchmark needs.
func program(name string) (string, error) {
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: apt-get install redis-server slapd ldap-utils", name)
}

// output runs a program to its end, and says with an error what it said.
func (w *workshop) output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	out, _, err := w.outputAndPeak(ctx, cmd)
	return out, err
}

// outputAndPeak is output, with the most memory that the program had. What the kernel tells of a child that has
// ended (ru_maxrss) counts what its parent had when it was started.
func (w *workshop) outputAndPeak(ctx context.Context, cmd *exec.Cmd) (out []byte, peak int64, err error) {
	cmd.Dir = w.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &said
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case err = <-ended:
			over = true
		case <-tick.C:
			if now, err := peakMemory(cmd.Process.Pid); err == nil {
				peak = max(peak, now)
			}
		}
	}
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w\n%s%.2000s", filepath.Base(cmd.Path), err, said.String(), text.String())
	}
	return text.Bytes(), peak, nil
}
