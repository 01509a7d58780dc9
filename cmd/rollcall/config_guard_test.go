package main

import (
	"strings"
	"testing"
)

// TestConfigOfTheGuard holds that settings which cannot be meant are refused, with their keys.
func TestConfigOfTheGuard(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir+"/rollcall.yaml", `sources:
  corp:
    type: ldif
    path: x
    users: { base: "dc=example,dc=com" }
    protect: [""]
    notify: { url: "ftp://x", secret: "short" }
    on_missing: { do: keep, delete_after: 30d }
    guard: { min_groups: -1, canaries: [""], groups: { max_disable: 5 }, users: { max_create: many } }
`, 0o600)
	code, out, errs := runCLI(t, nil, "config", "check", "--config", file)
	if code != exitUsage {
		t.Errorf("config check = %d, want %d", code, exitUsage)
	}
	for _, key := range []string{"protect", "on_missing.delete_after", "guard.min_groups", "guard.canaries", "guard.groups.max_disable", "guard.users.max_create", "notify.url", "notify.secret"} {
		if !strings.Contains(out+errs, "sources.corp."+key) {
			t.Errorf("config check names no %s:\n%s%s", key, out, errs)
		}
	}
}
