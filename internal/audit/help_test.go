package audit_test

import (
	"os"
	"path/filepath"
	"testing"
)

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f.Name()), text, 0o400)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
