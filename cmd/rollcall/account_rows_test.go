package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// accountRows is how many rows the table of accounts has: A1 to A26.
const accountRows = 26

// TestEveryAccountRowIsTested holds that each row has a test named after it (TestA07_…), which runs on
// both stores and at the command line too.
func TestEveryAccountRowIsTested(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	calls := map[string]map[string]bool{} // row: what its tests call, and what helpers beside them do
	for _, file := range files {
		if strings.HasPrefix(file, "clients_") { // their rows are those of clients
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		beside := map[string]*ast.FuncDecl{}
		for _, d := range tree.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				beside[fn.Name.Name] = fn
			}
		}
		for name := range beside {
			row, _, ok := strings.Cut(strings.TrimPrefix(name, "Test"), "_")
			if !ok || !strings.HasPrefix(name, "TestA") {
				continue
			}
			if calls[row] == nil {
				calls[row] = map[string]bool{}
			}
			note(calls[row], name, beside)
		}
	}
	for n := 1; n <= accountRows; n++ {
		row := fmt.Sprintf("A%02d", n)
		did := calls[row]
		switch {
		case did == nil:
			t.Errorf("row A%d has no test: name one Test%s_…", n, row)
		case !did["onStores"] && !did["StartRedis"]:
			t.Errorf("no test of row A%d runs on both stores", n)
		case !did["cli"] && !did["program"] && !did["runCLI"]:
			t.Errorf("no test of row A%d types a command", n)
		}
	}
}

// note adds what a function calls, and what those do that stand beside it.
func note(did map[string]bool, name string, beside map[string]*ast.FuncDecl) {
	ast.Inspect(beside[name], func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		called := ""
		switch f := call.Fun.(type) {
		case *ast.Ident:
			called = f.Name
		case *ast.SelectorExpr:
			called = f.Sel.Name
		}
		if known := did[called]; !known && beside[called] != nil {
			did[called] = true
			note(did, called, beside)
		}
		did[called] = true
		return true
	})
}
