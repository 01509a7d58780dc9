// Package rollcall holds no code: only the rules of its tree, as tests.
package rollcall

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which of our packages each of our packages may import. To add an arrow, add
// it here and explain it in the commit. cmd and bench may import everything.
var arrows = map[string][]string{
	"scim":                {},
	"scim/scimhttp":       {"scim"},
	"account":             {"scim"},
	"store":               {"scim"},
	"store/redisdb":       {"scim", "store"},
	"store/boltdb":        {"scim", "store"},
	"store/storetest":     {"scim", "store", "internal/testserver"},
	"sync":                {"scim"},
	"ldapsrc":             {"sync", "scim", "ldapsrc/presets"},
	"ldapsrc/presets":     {},
	"internal/api":        {"account", "sync", "scim", "internal/audit", "internal/events", "internal/recorder", "internal/schemas"}, // it translates calls about streams and schemas
	"internal/audit":      {"account", "scim", "store"},                                                                              // account for keyrings and events; store for what a change is, byte by byte
	"internal/events":     {"account", "scim"},                                                                                       // account for the names of permissions
	"internal/linear":     {},                                                                                                        // judges histories of tests, of a store and of a server alike
	"internal/ops":        {},
	"internal/recorder":   {}, // what it keeps is text
	"internal/schemas":    {"scim"},
	"internal/simulate":   {},
	"console":             {"account", "sync", "scim", "internal/audit"},
	"internal/testserver": {},
}

// testArrows are more that a package's tests may import.
var testArrows = map[string][]string{
	"store":         {"store/boltdb", "store/redisdb", "store/storetest", "internal/testserver", "internal/linear"},
	"store/redisdb": {"store/storetest", "store/boltdb", "internal/testserver"}, // boltdb to copy into
	"store/boltdb":  {"store/storetest", "store/redisdb", "internal/testserver"},
	"ldapsrc":       {"internal/testserver"},
	// A real feed and real state.
	"sync":             {"store", "store/boltdb", "internal/testserver"},
	"internal/audit":   {"store/boltdb", "store/redisdb", "internal/testserver"},
	"internal/events":  {"store", "store/boltdb"},
	"internal/schemas": {"store", "store/boltdb"},
}

// importers says which of our packages alone may import a third-party module. cmd and bench may
// build its clients.
var importers = map[string][]string{
	"github.com/elimity-com/scim/schema": {"scim"},
	"github.com/elimity-com/scim/errors": {"scim/scimhttp"},
	"golang.org/x/text":                  {"scim"},
	"github.com/klauspost/compress":      {"store"},
	"github.com/redis/go-redis/v9":       {"store/redisdb", "bench"},
	"go.etcd.io/bbolt":                   {"store/boltdb"},
	"github.com/go-ldap/ldap/v3":         {"ldapsrc", "bench"},
	"github.com/robfig/cron/v3":          {"sync"},
	"github.com/coreos/go-oidc/v3":       {"account"},
	"golang.org/x/oauth2":                {"account"},
	"golang.org/x/time":                  {"account"},
	"golang.org/x/crypto":                {"account"},
	"github.com/wneessen/go-mail":        {"account"},
	"github.com/spf13/cobra":             {"cmd/rollcall"},
	"golang.org/x/term":                  {"cmd/rollcall"},
	"github.com/lmittmann/tint":          {"cmd/rollcall"},
	"github.com/prometheus":              {"internal/ops"},
	"go.opentelemetry.io":                {"internal/ops"},
	"github.com/goccy/go-yaml":           {"cmd/rollcall"},
	"github.com/go-jose/go-jose/v4":      {"internal/events"},
	"github.com/anishathalye/porcupine":  {"internal/linear"},
}

// dirs are the only folders that the top level may hold (design.md §3).
var dirs = []string{"scim", "sync", "ldapsrc", "store", "cmd", "deploy", "account", "console", "docs", "bench", "internal", ".ci", ".git", "bin"}

func TestImports(t *testing.T) {
	seen := 0
	walkGo(t, func(dir, path string, imports []string) {
		seen++
		test := strings.HasSuffix(path, "_test.go")
		if strings.HasPrefix(dir, "cmd") || dir == "bench" || dir == "." {
			return
		}
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("%s: package %s has no row in arrows: say there what it may import", path, dir)
		}
		if test {
			allowed = slices.Concat(allowed, testArrows[dir], []string{dir})
		}
		for _, imp := range imports {
			if ours, ok := strings.CutPrefix(imp, "rollcall/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: %s may import only %v", path, ours, dir, allowed)
			}
		}
	})
	if seen < 20 {
		t.Fatalf("only %d Go files were found: the walk is broken", seen)
	}
}

func TestThirdPartyImporters(t *testing.T) {
	walkGo(t, func(dir, path string, imports []string) {
		for _, imp := range imports {
			for lib, ours := range importers {
				if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !slices.Contains(ours, dir) {
					t.Errorf("%s imports %s, which is left to %v", path, imp, ours)
				}
			}
		}
	})
}

func TestTopLevel(t *testing.T) {
	entries, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(".[a-z]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(entries, hidden...) {
		if info, err := filepath.Glob(e + "/*"); err == nil && len(info) > 0 && !slices.Contains(dirs, e) {
			t.Errorf("folder %s is not one of %v", e, dirs)
		}
	}
}

// TestSkips holds that no test skips itself but for want of a tool, which fails in CI, or in -short.
func TestSkips(t *testing.T) {
	walkText(t, func(path, line string) {
		if strings.Contains(line, "t.Skip") && path != "arch_test.go" && !strings.HasPrefix(path, "internal/testserver/") {
			t.Errorf("%s skips a test: %s", path, strings.TrimSpace(line))
		}
	})
}

func walkGo(t *testing.T, fn func(dir, path string, imports []string)) {
	t.Helper()
	walk(t, func(path string) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		var imports []string
		for _, i := range f.Imports {
			imp, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imports = append(imports, imp)
		}
		fn(filepath.ToSlash(filepath.Dir(path)), path, imports)
	})
}

func walk(t *testing.T, fn func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "demodata") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ".go") {
			fn(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func walkText(t *testing.T, fn func(path, line string)) {
	t.Helper()
	walk(t, func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fn(filepath.ToSlash(path), line)
		}
	})
}
