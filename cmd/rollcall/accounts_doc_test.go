package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rollcall/account"
	"rollcall/internal/testserver"
)

// presetTable is every preset's roles and what each may do.
func presetTable() string {
	var b strings.Builder
	for _, p := range account.Presets() {
		fmt.Fprintf(&b, "\n### Preset `%s`\n\n| permission |", p.Preset)
		for _, r := range p.Roles {
			fmt.Fprintf(&b, " `%s` |", r.Name)
		}
		b.WriteString("\n|---|" + strings.Repeat(":-:|", len(p.Roles)) + "\n")
		for _, perm := range account.Permissions() {
			fmt.Fprintf(&b, "| `%s` |", perm)
			for _, r := range p.Roles {
				mark := " |"
				if slices.Contains(r.Permissions, perm) {
					mark = " ✓ |"
				}
				b.WriteString(mark)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// TestPresetTable holds that docs/accounts.md shows the presets as they are.
func TestPresetTable(t *testing.T) {
	const file = "../../docs/accounts.md"
	page := documents(t)["docs/accounts.md"]
	before, rest, ok := strings.Cut(page, "<!-- presets -->\n")
	shown, after, ok2 := strings.Cut(rest, "<!-- /presets -->")
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the presets", file)
	}
	if shown == presetTable() {
		return
	}
	if !*updateDocs {
		t.Fatalf("%s shows other presets than there are: run this test with -update-docs", file)
	}
	if err := os.WriteFile(file, []byte(before+"<!-- presets -->\n"+presetTable()+"<!-- /presets -->"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestAccountsGuide types what docs/accounts.md says.
func TestAccountsGuide(t *testing.T) {
	t.Parallel()
	testserver.Need(t, "curl")
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	var printed strings.Builder
	for _, command := range typedLines(documents(t)["docs/accounts.md"]) {
		printed.WriteString(typeIn(t, t.TempDir(), command, "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken))
	}
	for _, want := range []string{`"userName":"ada"`, "rc_", "expiresAt", "DATA_SCIENTIST", "lastLogin", "auditor", "s3cret", "ada_w", "frame 17", "secrets are encrypted", "The password is set", "pysyft", "Your account is changed", "DATA_SCIENTIST", "DESIGNER", "sheila@example.org", "testbed", "nina@example.org", "They only read"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the page's commands do not print %q:\n%s", want, &printed)
		}
	}
	if strings.Contains(printed.String(), `:problem:`) || strings.Contains(printed.String(), "api:messages:2.0:Error") {
		t.Errorf("a command of the page is refused:\n%s", &printed)
	}
	if a := s.tryLogin("", "ada", "a new password", ""); a.code != 200 {
		t.Errorf("login with the password that the page sets = %d %s", a.code, a.text)
	}
}
