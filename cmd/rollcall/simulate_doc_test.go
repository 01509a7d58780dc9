package main

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

var updateDocs = flag.Bool("update-docs", false, "write what commands print into docs/")

// What differs from one run to the next.
var simVaries = regexp.MustCompile(`in [\d.]+ s|sim-[0-9a-z]+`)

// TestSimulateGuide holds that docs/simulate.md shows what the program prints.
func TestSimulateGuide(t *testing.T) {
	t.Parallel()
	testserver.Long(t)
	const file = "../../docs/simulate.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	good := startSimServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), nil)
	bad := startSimServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), breaking(ignoresDeactivation))
	blocks := []struct {
		command string
		print   func() string
	}{
		{"$ rollcall simulate okta http://127.0.0.1:8080/scim/v2\n", func() string {
			_, out, _ := runCLI(t, nil, "simulate", "okta", good.URL+"/scim/v2", "--token", good.tokens[0])
			return out
		}},
		{"$ rollcall simulate okta http://127.0.0.1:8080/scim/v2 --users 10 --groups 3\n", func() string {
			_, out, _ := runCLI(t, nil, "simulate", "okta", bad.URL+"/scim/v2", "--token", bad.tokens[0], "--users", "10", "--groups", "3", "--prefix", "sim-mwrc0wpi")
			return "…\n" + strings.Join(regexp.MustCompile(`(?m)^(lost|okta).*\n`).FindAllString(out, -1), "")
		}},
	}
	for _, b := range blocks {
		before, rest, ok := strings.Cut(guide, b.command)
		shown, after, closed := strings.Cut(rest, "```")
		if !ok || !closed {
			t.Fatalf("%s does not show %s", file, b.command)
		}
		printed := b.print()
		if simVaries.ReplaceAllString(shown, "…") == simVaries.ReplaceAllString(printed, "…") {
			continue
		}
		if !*updateDocs {
			t.Errorf("%s shows for %s\n%s\nbut the program prints (-update-docs writes it)\n%s", file, b.command, shown, printed)
		}
		guide = before + b.command + printed + "```" + after
	}
	if *updateDocs {
		if err := os.WriteFile(file, []byte(guide), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func ignoresDeactivation(w http.ResponseWriter, r *http.Request, body string, inner good) {
	if strings.Contains(body, `{"active":false}`) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	pass(w, inner(r.Method, r.RequestURI, body))
}
