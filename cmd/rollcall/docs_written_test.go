package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var writeDocs = flag.Bool("write-docs", false, "write the pages that are made from the code anew")

// sameDoc holds that a page made from the code is up to date, or writes it.
func sameDoc(t *testing.T, path, want string) {
	t.Helper()
	file := filepath.Join("../..", path)
	if *writeDocs {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the code says (%v): run go test ./cmd/rollcall -run '^%s$' -write-docs", path, err, t.Name())
	}
}

// runTool runs a program and fails the test with what it says, if it fails.
func runTool(t *testing.T, path string, args ...string) string {
	t.Helper()
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(path), args, err, out)
	}
	return string(out)
}
