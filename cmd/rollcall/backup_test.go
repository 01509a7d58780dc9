package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/testserver"
)

// TestBackupAndRestore backs a server up while it is written to, and holds that what is restored,
// into a store of the other kind, is sound and has everything that was confirmed before.
func TestBackupAndRestore(t *testing.T) {
	s := startServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), "")
	before := s.want(201, "POST", "/scim/v2/Users", `{"userName":"ada"}`).body["id"].(string)
	s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"g","members":[{"value":"`+before+`"}]}`)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.want(201, "POST", "/scim/v2/Users", fmt.Sprintf(`{"userName":"later%d"}`, i))
			}
		}
	})
	file := filepath.Join(t.TempDir(), "rollcall.backup")
	code, out, errs := s.cli("backup", file)
	close(stop)
	wait.Wait()
	if code != exitDone || !strings.Contains(out, "whole.") {
		t.Fatalf("backup = %d %s%s", code, out, errs)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v %v", info.Mode(), err)
	}
	if code, _, errs := s.cli("backup", file); code != exitUsage || !strings.Contains(errs, "--force") {
		t.Errorf("a second backup onto it = %d %s", code, errs)
	}
	token := s.secret("token", "create", "x", "--client", "x")
	if code, _, errs := runCLI(t, []string{"ROLLCALL_SERVER=" + s.base, "ROLLCALL_TOKEN=" + token}, "backup", file, "--force"); code != exitFailed || !strings.Contains(errs, "bootstrap token") && !strings.Contains(errs, "workspaces:manage") {
		t.Errorf("a client's backup = %d %s", code, errs)
	}
	s.proc.Signal(os.Interrupt)
	s.proc.Wait()

	redis := testserver.StartRedis(t).URL()
	for i, want := range []int{exitDone, exitBlocked} {
		if code, out, errs := runCLI(t, nil, "--config", os.DevNull, "restore", file, "--store", redis); code != want {
			t.Fatalf("restore %d = %d %s%s", i, code, out, errs)
		}
	}
	fsck(t, redis)
	again := startServer(t, redis, "")
	if got := again.want(200, "GET", "/scim/v2/Users/"+before, "").body["groups"]; got == nil {
		t.Error("the restored user has lost its group")
	}
	// From Redis, directly, while a server runs on it.
	if code, out, errs := runCLI(t, nil, "--config", os.DevNull, "backup", file, "--force", "--store", redis); code != exitDone {
		t.Errorf("backup of Redis = %d %s%s", code, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut := write(t, filepath.Join(t.TempDir(), "cut"), string(text[:len(text)-5]), 0o600)
	if code, _, errs := runCLI(t, nil, "--config", os.DevNull, "restore", cut, "--dry-run"); code != exitFailed || !strings.Contains(errs, "damaged") {
		t.Errorf("restore of a part = %d %s", code, errs)
	}
}
