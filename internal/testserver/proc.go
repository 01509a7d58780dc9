// Package testserver starts real servers for tests: redis-server, slapd, 389-DS, Samba AD. Each listens on
// loopback only, on a port picked free, keeps its data in the test's temporary
// folder, and is stopped by the test that started it. It is no part of the product.
package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Need returns the path of a program. Where it is missing a test is skipped on a laptop and
// fails in CI: `make test` installs everything, so a skip there would hide something.
func Need(t testing.TB, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" || os.Getenv("ROLLCALL_TEST_TOOLS") == "required" {
		t.Fatalf("%s is not installed: run `make test`, which installs it, or see CONTRIBUTING.md", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// Long leaves a test out of `make`, which has to say yes within a minute. `make test` runs it.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes longer than -short allows")
	}
}

// FreePort picks a loopback port that is free now.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Proc is a server process that the test owns.
type Proc struct {
	Cmd  *exec.Cmd
	done chan struct{}
}

// Start runs a program and stops it at the end of the test. Its output goes to logFile.
func Start(t testing.TB, logFile, path string, args ...string) *Proc {
	t.Helper()
	return StartCommand(t, logFile, exec.Command(path, args...))
}

// StartCommand is Start for a command with an environment of its own.
func StartCommand(t testing.TB, logFile string, cmd *exec.Cmd) *Proc {
	t.Helper()
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	// The server dies with the test process, however that ends; and with it what it forked, such as
	// a Redis that rewrites its file.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	p := &Proc{Cmd: cmd, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		log.Close()
		close(p.done)
	}()
	t.Cleanup(p.Kill)
	return p
}

// Kill is kill -9, and waits until the process is gone.
func (p *Proc) Kill() {
	_ = syscall.Kill(-p.Cmd.Process.Pid, syscall.SIGKILL) // its group; it may be gone already
	<-p.done
}

// Wait waits until the process has ended by itself.
func (p *Proc) Wait() { <-p.done }

// Signal sends a signal.
func (p *Proc) Signal(s os.Signal) error { return p.Cmd.Process.Signal(s) }

// WaitTCP waits until something answers on the loopback port.
func (p *Proc) WaitTCP(t testing.TB, port int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		select {
		case <-p.done:
			t.Fatalf("%s ended before it answered on port %d", p.Cmd.Path, port)
		default:
		}
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not answer on port %d in 30 s", p.Cmd.Path, port)
}
