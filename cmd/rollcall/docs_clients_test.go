package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// blocks are the fenced texts of a kind on a page.
func blocks(page, kind string) []string {
	var all []string
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestClientsPage types what docs/clients.md says, against a server with the page's settings.
func TestClientsPage(t *testing.T) {
	curl := testserver.Need(t, "curl")
	page := documents(t)["docs/clients.md"]
	dir := t.TempDir()
	password := write(t, filepath.Join(dir, "agent"), "a password of some length\n", 0o600)
	settings := blocks(page, "yaml")
	if len(settings) != 2 {
		t.Fatalf("the page has %d configurations, want 2", len(settings))
	}
	config := strings.ReplaceAll(settings[0], "/run/secrets/agent", password) + strings.TrimPrefix(settings[1], "clients:\n")
	s := inProcessServer(t, config)

	// The page's program is this test.
	write(t, filepath.Join(dir, "rollcall"), "#!/bin/sh\n"+asProgram+"=1 exec "+os.Args[0]+` "$@"`+"\n", 0o700)
	var script strings.Builder
	typed := 0
	for _, block := range blocks(page, "console") {
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				typed++
				script.WriteString(strings.ReplaceAll(command, "https://scim.example.com", s.base))
			}
		}
	}
	if typed < 10 {
		t.Fatalf("the page has %d commands, want 10 or more", typed)
	}
	cmd := exec.Command("/bin/sh", "-eux", "-c", script.String())
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+filepath.Dir(curl)+":"+os.Getenv("PATH"), "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the page's commands: %v\n%s", err, out)
	}
	for _, want := range []string{`"totalResults":0`, "The old one, ", "is revoked", "by bootstrap:bootstrap", "is not paused any more"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page's commands do not print %q:\n%s", want, out)
		}
	}
}
