package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryRequirementHasATest: each line of docs/rfc.md names tests that are there, or says why
// we depart from the RFC; and no test of an RFC goes unnamed.
func TestEveryRequirementHasATest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "rfc.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := moduleTests(t)
	seen, named := map[string]bool{}, map[string]bool{}
	rows := 0
	for n, line := range strings.Split(string(text), "\n") {
		r, ok := readRequirement(line)
		if !ok {
			if tableLine.MatchString(line) {
				t.Errorf("docs/rfc.md:%d: %.40s… is no requirement: an id is RFC, section, number", n+1, line)
			}
			continue
		}
		rows++
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("docs/rfc.md:%d: "+format, append([]any{n + 1}, args...)...)
		}
		if seen[r.id] {
			fail("%s stands there twice", r.id)
		}
		seen[r.id] = true
		for _, problem := range r.problems(tests) {
			fail("%s: %s", r.id, problem)
		}
		for _, name := range r.tests {
			top, _, _ := strings.Cut(name, "/")
			named[top], named[name] = true, true
		}
	}
	if rows < 200 {
		t.Errorf("docs/rfc.md has %d requirements, which cannot be all", rows)
	}
	for name, f := range tests {
		if !strings.HasPrefix(name, "TestRFC") {
			continue
		}
		if !named[name] {
			t.Errorf("docs/rfc.md does not name %s", name)
		}
		for _, sub := range f.runs {
			if sub = name + "/" + sub; !named[sub] {
				t.Errorf("docs/rfc.md does not name %s", sub)
			}
		}
	}
}

// requirement is one line of a table of docs/rfc.md.
type requirement struct {
	id, says, level string
	tests           []string // between backquotes
	rest            string   // what else the last column says
}

var (
	requirementID = regexp.MustCompile(`^(7643|7644|9865|6750|9967|8417|8935|8936)-[0-9.]+-[0-9]+$`)
	tableLine     = regexp.MustCompile(`^\| [0-9]`)
	quotedName    = regexp.MustCompile("`([^`]+)`")
)

// readRequirement reads a line: id, requirement, level, and what holds it. ok is false for any
// other line.
func readRequirement(line string) (r requirement, ok bool) {
	cells := strings.Split(strings.Trim(line, "| "), "|")
	if len(cells) < 2 || !requirementID.MatchString(strings.TrimSpace(cells[0])) {
		return r, false
	}
	for len(cells) < 4 {
		cells = append(cells, "")
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	r.id, r.says, r.level = cells[0], cells[1], cells[2]
	held, departure, _ := strings.Cut(cells[3], "departure:")
	for _, m := range quotedName.FindAllStringSubmatch(held, -1) {
		r.tests = append(r.tests, m[1])
	}
	r.rest = strings.TrimSpace(departure)
	return r, len(cells) == 4
}

func (r *requirement) problems(tests map[string]testFunc) []string {
	var out []string
	if !slices.Contains([]string{"MUST", "SHOULD", "MAY"}, r.level) {
		out = append(out, "its level is none of MUST, SHOULD, MAY")
	}
	if len(strings.Fields(r.says)) < 2 {
		out = append(out, "it does not say what is required")
	}
	if len(r.tests) == 0 && len(strings.Fields(r.rest)) < 3 {
		out = append(out, "it has neither a test nor a departure with its reason")
	}
	for _, name := range r.tests {
		top, sub, _ := strings.Cut(name, "/")
		f, ok := tests[top]
		switch {
		case !ok:
			out = append(out, "there is no test "+top)
		case sub != "" && !slices.Contains(f.texts, sub):
			out = append(out, "there is no subtest "+name)
		}
	}
	return out
}

// testFunc is a test function as its source has it, with spaces as `go test -run` has them.
type testFunc struct {
	texts []string // every string in it: names of subtests are among them
	runs  []string // the names that it gives to Run itself
}

// moduleTests finds every test function of the module. A test of this package goes by its
// name, any other by package and name.
func moduleTests(t *testing.T) map[string]testFunc {
	t.Helper()
	tests := map[string]testFunc{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			name := f.Name.Name
			if pkg := strings.TrimSuffix(file.Name.Name, "_test"); pkg != "main" {
				name = pkg + "." + name
			}
			tests[name] = readTest(f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

func readTest(f *ast.FuncDecl) testFunc {
	var out testFunc
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if text, ok := literal(n); ok {
				out.texts = append(out.texts, text)
			}
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Run" && len(n.Args) > 0 {
				if text, ok := literal(n.Args[0]); ok {
					out.runs = append(out.runs, text)
				}
			}
		}
		return true
	})
	return out
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return strings.ReplaceAll(s, " ", "_"), err == nil
}

// TestRequirementsThatAreWrong: the check finds what it is for.
func TestRequirementsThatAreWrong(t *testing.T) {
	tests := map[string]testFunc{"TestA": {texts: []string{"sub_name"}}}
	for line, problems := range map[string]int{
		"| 7644-3.3-1 | says this | MUST | `TestA` |":                             0,
		"| 7644-3.3-1 | says this | MUST | `TestA/sub_name`; departure: partly |": 0,
		"| 7644-3.3-1 | says this | SHOULD | departure: a good reason |":          0,
		"| 7644-3.3-1 | says this | MUST | departure: |":                          1,
		"| 7644-3.3-1 | says this | MUST | |":                                     1,
		"| 7644-3.3-1 | says this | MUST | `TestB` |":                             1,
		"| 7644-3.3-1 | says this | MUST | `TestA/other` |":                       1,
		"| 7644-3.3-1 | says this | WILL | `TestA` |":                             1,
		"| 7644-3.3-1 | says this |":                                              2,
	} {
		r, ok := readRequirement(line)
		if got := r.problems(tests); !ok || len(got) != problems {
			t.Errorf("%s: %v, read %v, want %d problems", line, got, ok, problems)
		}
	}
}
