package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// TestSchemasPage types what docs/schemas.md says, with the files that it shows.
func TestSchemasPage(t *testing.T) {
	curl := testserver.Need(t, "curl")
	page := documents(t)["docs/schemas.md"]
	dir := t.TempDir()
	files := blocks(page, "json")
	if len(files) != 3 {
		t.Fatalf("the page has %d files, want 3", len(files))
	}
	for i, name := range []string{"hr.json", "device.json", "device-type.json"} {
		write(t, filepath.Join(dir, name), files[i], 0o600)
	}
	s := startServer(t, "bolt:"+filepath.Join(dir, "rollcall.db"), "")
	bin := t.TempDir()
	write(t, filepath.Join(bin, "rollcall"), "#!/bin/sh\n"+asProgram+"=1 exec "+os.Args[0]+` "$@"`+"\n", 0o700)
	typed := 0
	for _, block := range blocks(page, "console") {
		for line := range strings.Lines(block) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			typed++
			cmd := exec.Command("/bin/sh", "-ec", command)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+filepath.Dir(curl)+":"+os.Getenv("PATH"), "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			if strings.Contains(command, "-G $ROLLCALL_SERVER/scim") && !strings.Contains(string(out), `"totalResults":1`) {
				t.Errorf("%s\nprints %s, want one user", command, out)
			}
		}
	}
	if typed < 10 {
		t.Errorf("the page has %d commands, want 10 or more", typed)
	}
	s.want(http.StatusConflict, "DELETE", "/api/v1/resource-types/Device", "")

	settings := blocks(page, "yaml")
	if len(settings) != 1 {
		t.Fatalf("the page has %d configurations, want 1", len(settings))
	}
	config := strings.ReplaceAll(settings[0], "file: ", "file: "+dir+"/")
	if code, out, errs := runCLI(t, nil, "config", "check", "--config", write(t, filepath.Join(dir, "rollcall.yaml"), config, 0o600)); code != exitDone {
		t.Errorf("config check = %d\n%s%s", code, out, errs)
	}
}
