package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"rollcall/internal/testserver"
)

// TestAsk holds that what cannot simply be done again is asked for at a terminal, and
// nowhere else.
func TestAsk(t *testing.T) {
	testserver.Need(t, "script")
	s := inProcessServer(t, "")
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"grace"}`)
	there := func() bool {
		t.Helper()
		return strings.Contains(s.want(200, "GET", "/scim/v2/Users", "").text, `"grace"`)
	}
	terminal := func(answer, command string) string {
		t.Helper()
		return typeIn(t, t.TempDir(), "printf '"+answer+`\n' | script -qc "`+command+`" /dev/null`, "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken)
	}
	if out := terminal("n", "rollcall user delete grace"); !strings.Contains(out, "Delete the account of grace? [y/N]") || !strings.Contains(out, "nothing was done") || !there() {
		t.Errorf("after n, grace is there: %t\n%s", there(), out)
	}
	if out := terminal("y", "rollcall user delete grace"); there() {
		t.Errorf("after y grace is still there\n%s", out)
	}
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"grace"}`)
	if out := terminal("", "rollcall user delete grace --yes"); strings.Contains(out, "y/N") || there() {
		t.Errorf("with --yes it asked, or grace is there: %t\n%s", there(), out)
	}
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"grace"}`)
	if code, _, errs := s.cli("user", "delete", "grace"); code != exitDone || strings.Contains(errs, "y/N") || there() {
		t.Errorf("without a terminal: %d, grace is there: %t\n%s", code, there(), errs)
	}
}

// TestAskedCommands holds that every command that asks is one.
func TestAskedCommands(t *testing.T) {
	have := map[string]bool{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		have[cmd.CommandPath()] = cmd.Flags().Lookup("yes") != nil
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk((&cli{}).root())
	for path := range asked {
		if !have[path] {
			t.Errorf("%s is no command, or has no --yes", path)
		}
	}
}
