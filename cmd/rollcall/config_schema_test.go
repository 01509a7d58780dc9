package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// fieldComments reads what the comments of a struct's fields say, by type and field.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	comments := map[string]string{}
	files, err := filepath.Glob("config*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range fields.Fields.List {
					text := field.Comment.Text()
					if text == "" {
						text = field.Doc.Text()
					}
					for _, name := range field.Names {
						comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(text), " ")
					}
				}
			}
			return true
		})
	}
	return comments
}

var exampleLine = regexp.MustCompile(`^( *)(?:# )?"?([A-Za-z_-]+)"?:(?:(?: +[^#\s].*?)?  +# (.*)|.*)$`)

// exampleComments reads what the lines of the example say of their settings, by key.
func exampleComments(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	var indents []int
	var keys []string
	for line := range strings.Lines(readFileT(t, "../../deploy/rollcall.example.yaml")) {
		m := exampleLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		for len(indents) > 0 && indents[len(indents)-1] >= len(m[1]) {
			indents, keys = indents[:len(indents)-1], keys[:len(keys)-1]
		}
		indents, keys = append(indents, len(m[1])), append(keys, m[2])
		if m[3] == "" {
			continue
		}
		path := strings.Join(keys, ".")
		path = regexp.MustCompile(`^(sources|clients|schemas|events\.streams)\.[a-z-]+`).ReplaceAllString(path, "$1.NAME")
		if found[path] == "" {
			found[path] = m[3]
		}
	}
	if len(found) < 20 {
		t.Fatalf("only %d settings of the example have a comment", len(found))
	}
	return found
}

// plainTexts are for settings that need no comment where they stand.
var plainTexts = map[string]string{
	"tls_key": "the key of tls_cert", "client_key": "the key of client_cert", "password": "its password", "sentinel_password": "its password",
	"base": "DN below which they are; for groups, left out, there are none", "filter": "an LDAP filter beside the preset's", "exclude": "an LDAP filter of those to leave out",
	"attributes": "SCIM path, then LDAP attribute, over the preset's", "page_size": "entries of a page", "timezone": "in which schedule is read",
	"workspace": "workspace that it is for", "issuer": "the claim iss", "audience": "the claim aud", "jwks_url": "where the issuer's keys are", "client": "a client",
}

// TestSettingsPage holds that docs/settings.md, and the texts that the schema has, say what
// the code says.
func TestSettingsPage(t *testing.T) {
	comments, example := fieldComments(t), exampleComments(t)
	texts := map[string]string{}
	var walk func(section reflect.Type, prefix string)
	walk = func(section reflect.Type, prefix string) {
		for _, s := range settingsOf(section) {
			key, field := join(prefix, s.key), section.Field(s.index)
			text := example[key]
			if text == "" {
				text = regexp.MustCompile("^"+field.Name+" (is|are|says) ").ReplaceAllString(comments[section.Name()+"."+field.Name], "")
			}
			if text == "" {
				text = plainTexts[s.key]
			}
			text = strings.ReplaceAll(text, " (design.md §4.5)", "")
			if text != "" {
				texts[key] = text
			}
			switch {
			case isSection(s.typ):
				walk(s.typ, key)
			case isNamed(s.typ):
				walk(s.typ.Elem().Elem(), key+".NAME")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	written, err := json.MarshalIndent(texts, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	sameDoc(t, "cmd/rollcall/settings.json", string(written)+"\n")
	if *writeDocs {
		settingTexts = written
	}

	var b strings.Builder
	b.WriteString("# Settings\n\nEvery setting of rollcall.yaml, written from the code by `go test ./cmd/rollcall -run TestSettingsPage -write-docs`. NAME is a name of yours. A setting comes from the\n" +
		"file, then the environment, then a flag; the later one wins. A secret may be in a file instead: its key, or variable, with `_file`, or `_FILE`, at its end.\n" +
		"[rollcall.example.yaml](../deploy/rollcall.example.yaml) has them with comments, `rollcall config schema` prints them for editors, `rollcall config show --origin` prints yours.\n\n" +
		"| setting | default | variable | what it is |\n|---|---|---|---|\n")
	for _, s := range settingsList() {
		value := "-"
		if s.value != "" {
			value = "`" + s.value + "`"
		}
		env := "-"
		if s.env != "" {
			env = "`" + s.env + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.key, value, env, strings.ReplaceAll(s.text, "|", "\\|"))
	}
	sameDoc(t, "docs/settings.md", b.String())
}

// TestConfigSchema holds the schema against the configurations that there are, and against some
// that are wrong.
func TestConfigSchema(t *testing.T) {
	code, out, errs := runCLI(t, nil, "config", "schema")
	if code != exitDone {
		t.Fatalf("config schema = %d %s", code, errs)
	}
	file := write(t, filepath.Join(t.TempDir(), "schema.json"), out, 0o600)
	check := func(text string) error {
		var doc any
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		return validate(t, file, doc)
	}
	good := map[string]string{"the example": readFileT(t, "../../deploy/rollcall.example.yaml"), "init": initialConfig}
	for page, text := range documents(t) {
		for i, block := range blocks(text, "yaml") {
			if strings.HasPrefix(page, "docs/ldap") || page == "docs/redis.md" || page == "README.md" {
				good[fmt.Sprint(page, i)] = block
			}
		}
	}
	for name, text := range good {
		if err := check(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"an unknown key": "server: {listn: x}", "an unknown key of a source": "sources: {corp: {schedul: x}}", "no word of the list": "logging: {level: loud}",
		"a text for a number": "store: {feed_keep: many}", "a list for a text": "server: {listen: [a]}",
	} {
		if check(text) == nil {
			t.Errorf("the schema takes %s: %s", name, text)
		}
	}
}

func TestConfigInit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rollcall.yaml")
	if code, _, errs := runCLI(t, nil, "config", "init", "--file", file); code != exitDone {
		t.Fatalf("config init = %d %s", code, errs)
	}
	if code, out, errs := runCLI(t, nil, "config", "check", "--config", file); code != exitDone || errs != "" {
		t.Errorf("config check = %d %s%s", code, out, errs)
	}
	if code, _, errs := runCLI(t, nil, "config", "init", "--file", file); code != exitUsage || !strings.Contains(errs, "is there already") {
		t.Errorf("a second init = %d %s", code, errs)
	}
	// With its examples switched on it is a configuration too.
	secret := write(t, filepath.Join(t.TempDir(), "ldap"), "a-password-of-the-directory\n", 0o600)
	on := regexp.MustCompile(`(?m)^# ((?:sources|clients|  ).*)$`).ReplaceAllString(initialConfig, "$1")
	on = strings.Replace(on, "/run/secrets/ldap", secret, 1)
	if err := os.WriteFile(file, []byte(on), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runCLI(t, nil, "config", "check", "--config", file); code != exitDone || !strings.Contains(on, "\nsources:\n  corp:\n") {
		t.Errorf("config check with everything on = %d %s%s\n%s", code, out, errs, on)
	}
}
