package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents are the pages that tell people what to type.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			pages[strings.TrimPrefix(path, "../../")] = string(text)
		}
	}
	if len(pages) < 3 {
		t.Fatalf("only %d documents were found", len(pages))
	}
	return pages
}

var typedCommand = regexp.MustCompile("(?m)^\\s*\\$ (?:bin/)?rollcall ([^\n]*)$|`rollcall ([^`\n|]*)`")

// TestDocumentedCommandsExist holds that every command of this program that a page shows is
// one, with the flags that it shows.
func TestDocumentedCommandsExist(t *testing.T) {
	seen := 0
	for page, text := range documents(t) {
		for _, match := range typedCommand.FindAllStringSubmatch(text, -1) {
			seen++
			line, _, _ := strings.Cut(match[1]+match[2], " #")
			if err := documented(t, strings.Fields(strings.TrimSuffix(line, "\\"))); err != nil {
				t.Errorf("%s: rollcall %s: %v", page, line, err)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d commands were found in the documents", seen)
	}
}

func documented(t *testing.T, words []string) error {
	t.Helper()
	root := (&cli{stdout: io.Discard, stderr: io.Discard}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	for len(rest) > 0 && (rest[0] == "…" || rest[0] == "...") {
		rest = rest[1:]
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if cmd.HasSubCommands() && len(cmd.Flags().Args()) > 0 {
		return noArgs(cmd, cmd.Flags().Args())
	}
	return nil
}

// TestReadmeConfiguration holds that the README's configuration is one.
func TestReadmeConfiguration(t *testing.T) {
	_, config, _ := strings.Cut(documents(t)["README.md"], "```yaml\n")
	config, _, ok := strings.Cut(config, "```")
	if !ok {
		t.Fatal("README.md shows no configuration")
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "ldap")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "rollcall.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(config, "/run/secrets/ldap", secret, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runCLI(t, nil, "config", "check", "--config", file); code != exitDone {
		t.Errorf("config check = %d\n%s%s", code, out, errs)
	}
}
