package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/store/boltdb"
)

// TestNextStep holds that what goes wrong first for newcomers says what to do.
func TestNextStep(t *testing.T) {
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "rollcall.yaml"), fmt.Sprintf(`store: { url: "bolt:%[1]s/rollcall.db" }
sources:
  corp: { type: ldif, path: "%[1]s/a", users: { base: "dc=example,dc=com" } }
  hr: { type: ldif, path: "%[1]s/b", users: { base: "dc=example,dc=com" } }
`, dir), 0o600)
	db, err := boltdb.Open(filepath.Join(dir, "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	nobody := fmt.Sprintf("redis://127.0.0.1:%d/0", testserver.FreePort(t))
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no such source", []string{"sync", "run", "crop"}, exitFailed, `there is no source "crop"; the configuration has corp, hr`},
		{"no such run", []string{"sync", "show", "nosuch"}, exitFailed, "`rollcall sync list`"},
		{"no Redis", []string{"user", "list", "--store", nobody}, exitUnreachable, "Is the Redis of store.url running, and is that its address?"},
		{"an empty store", []string{"fsck"}, exitDone, "no resources; 0 unique names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := runCLI(t, nil, append(tt.args, "--config", config)...)
			if code != tt.code || !strings.Contains(out+errs, tt.says) {
				t.Errorf("rollcall %q = %d, want %d\n%s%s\nwant %q in it", tt.args, code, tt.code, out, errs, tt.says)
			}
		})
	}
}

// TestStoreInUse holds that each command says what to do where a server has the embedded store.
func TestStoreInUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rollcall.db")
	db, err := boltdb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for command, want := range map[string]string{
		"fsck":      "Stop the server that has it open",
		"user list": "with --server and --token",
	} {
		code, _, errs := runCLI(t, nil, append(strings.Fields(command), "--store", "bolt:"+file)...)
		if code != exitUnreachable || !strings.Contains(errs, want) {
			t.Errorf("rollcall %s = %d %s, want %d and %q", command, code, errs, exitUnreachable, want)
		}
	}
}
