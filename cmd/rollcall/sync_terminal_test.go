package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"
)

// hungSource is a server of ours with a directory that does not answer until it is told to.
func hungSource(t *testing.T) (*served, *testserver.Slapd) {
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: corpSeed(20)})
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", corpConfig(ldap, "    timeouts: { connect: 2m, idle: 2m }\n"))
	return s, ldap
}

// running waits until a run is under way.
func (s *served) running() {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, out, _ := s.cli("sync", "list", "-o", "json"); strings.Contains(out, `"result": "running"`) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("no run is under way after a minute")
		}
	}
}

// A run that is under way is stopped by another command, says who did that, and leaves nothing behind that is in
// the way of the next one.
func TestCancel(t *testing.T) {
	s, ldap := hungSource(t)
	hang(t, ldap, true)
	ended := s.startRun()
	s.running()
	if code, out, errs := s.cli("sync", "cancel", "corp"); code != exitDone {
		t.Errorf("sync cancel = %d\n%s%s", code, out, errs)
	}
	r := <-ended
	if r.Result != dirsync.Failed || r.Failure != dirsync.FailedCancelled || !strings.Contains(r.Error, "bootstrap") {
		t.Errorf("the run = %s %s %q, want cancelled by the bootstrap token", r.Result, r.Failure, r.Error)
	}
	code, out, _ := s.cli("sync", "show", "last")
	if code != exitDone || !strings.Contains(out, "cancelled") {
		t.Errorf("sync show last = %d\n%s\nwant it to say that the run was cancelled", code, out)
	}
	if n := s.total("/scim/v2/Users?count=0"); n != 0 {
		t.Errorf("%d people were made, want none", n)
	}
	hang(t, ldap, false)
	if r := s.syncJSON(exitDone, "run", "corp"); r.Counts.Created == 0 {
		t.Errorf("the run after it made nobody: %+v", r.Counts)
	}
}

func hang(t *testing.T, ldap *testserver.Slapd, on bool) {
	t.Helper()
	sig := syscall.SIGCONT
	if on {
		sig = syscall.SIGSTOP
	}
	if err := ldap.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// On a terminal a run draws how far it is, and takes that away again; where only its output is one, it does not.
func TestProgressOnATerminal(t *testing.T) {
	script := testserver.Need(t, "script")
	s, ldap := hungSource(t)
	run := func(more string) string {
		t.Helper()
		hang(t, ldap, true)
		line := fmt.Sprintf("%q sync run corp --server %s --token %s%s", os.Args[0], s.base, testToken, more)
		cmd := exec.Command(script, "-qec", line, "/dev/null")
		cmd.Env = append(os.Environ(), asProgram+"=1", "TERM=xterm")
		wake := make(chan struct{})
		go func() {
			defer close(wake)
			time.Sleep(2 * time.Second) // some pictures of the bar
			_ = ldap.Signal(syscall.SIGCONT)
		}()
		out, err := cmd.CombinedOutput()
		<-wake
		if err != nil {
			t.Fatalf("sync run on a terminal: %v\n%s", err, out)
		}
		return string(out)
	}
	if out := run(""); !strings.Contains(out, clearLine+"read ") || strings.LastIndex(out, clearLine) < strings.LastIndex(out, "read  ") {
		t.Errorf("sync run on a terminal drew %q, want a bar that is gone at the end", out)
	}
	errs := filepath.Join(t.TempDir(), "errs")
	out := run(" 2>" + errs)
	said, err := os.ReadFile(errs)
	if err != nil || strings.Contains(out+string(said), clearLine) {
		t.Errorf("sync run with a file for its stderr drew %q %q, %v, want no bar", out, said, err)
	}
}
