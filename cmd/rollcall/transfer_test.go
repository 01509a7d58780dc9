package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportImport takes a directory to another server by its lines: all of it is there, in other ids,
// and doing it again changes nothing.
func TestExportImport(t *testing.T) {
	from, to := inProcessServer(t, ""), inProcessServer(t, "")
	ada := from.want(201, "POST", "/scim/v2/Users", `{"userName":"ada","externalId":"x1","name":{"givenName":"Ada"},"emails":[{"value":"ada@example.com","type":"work"}]}`).body["id"].(string)
	from.want(201, "POST", "/scim/v2/Users", `{"userName":"off","active":false,"displayName":"=1+1"}`)
	from.want(201, "POST", "/scim/v2/Groups", `{"displayName":"g","members":[{"value":"`+ada+`"}]}`)
	code, lines, errs := from.cli("export")
	if code != exitDone || strings.Count(lines, "\n") != 3 {
		t.Fatalf("export = %d %s%s", code, lines, errs)
	}
	file := write(t, filepath.Join(t.TempDir(), "people.jsonl"), lines+"\n{\"userName\":7}\n", 0o600)
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"import", file, "--dry-run"}, exitPartial, "Would be done: 3 created, 0 updated, 0 unchanged, 1 failed"},
		{[]string{"import", file}, exitPartial, "Done: 3 created, 0 updated, 0 unchanged, 1 failed"},
		{[]string{"import", file}, exitPartial, "Done: 0 created, 0 updated, 3 unchanged, 1 failed"},
	} {
		code, out, errs := to.cli(step.args...)
		if code != step.code || !strings.Contains(out, step.want) || !strings.Contains(errs, "line 5: userName is missing") {
			t.Errorf("%v = %d %s%s, want %d %s", step.args, code, out, errs, step.code, step.want)
		}
	}
	found := to.want(200, "GET", "/scim/v2/Users?filter=userName+eq+%22ada%22", "").body["Resources"].([]any)[0].(map[string]any)
	groups, _ := found["groups"].([]any)
	if found["id"] == ada || len(groups) != 1 || dig(found, "name", "givenName") != "Ada" {
		t.Errorf("ada is %v", found)
	}

	code, csv, _ := from.cli("export", "-o", "csv")
	if code != exitDone || !strings.Contains(csv, "'=1+1") {
		t.Fatalf("export -o csv = %d %s", code, csv)
	}
	changed := strings.Replace(csv, "Ada", "Augusta", 1) + "grace,,yes,,,,grace@example.com,,\nbad,,perhaps,,,,,,\n"
	sheet := write(t, filepath.Join(t.TempDir(), "people.csv"), changed, 0o600)
	if code, out, errs := to.cli("import", sheet, "--dry-run", "--exit-code"); code != exitPartial || !strings.Contains(out, "~ User ada") || !strings.Contains(errs, `active is "perhaps"`) {
		t.Errorf("import --dry-run = %d %s%s", code, out, errs)
	}
	if err := os.WriteFile(sheet, []byte(strings.Replace(changed, "bad,,perhaps,,,,,,\n", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := to.cli("import", sheet, "--dry-run", "--exit-code"); code != exitDifferent || !strings.Contains(out, "1 created, 1 updated, 1 unchanged") {
		t.Errorf("import --dry-run --exit-code = %d %s%s", code, out, errs)
	}
	if code, out, errs := to.cli("import", sheet, "-o", "json"); code != exitDone || !strings.Contains(out, `"created": 1`) {
		t.Errorf("import = %d %s%s", code, out, errs)
	}
	if code, _, errs := to.cli("import", write(t, filepath.Join(t.TempDir(), "x.csv"), "userName,shoeSize\n", 0o600)); code != exitUsage || !strings.Contains(errs, `the column "shoeSize"`) {
		t.Errorf("a column that is none: %d %s", code, errs)
	}
}

func TestOutputForms(t *testing.T) {
	s := inProcessServer(t, "")
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"ada","name":{"givenName":"Ada"}}`)
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"bob","title":"@SUM(A1)"}`)
	for form, want := range map[string][]string{
		"jsonl": {`"userName":"ada"`, "\n{"}, "yaml": {"userName: ada", "  name:\n"}, "csv": {"userName", `"{""givenName"":""Ada""}"`, "'@SUM(A1)"}, "table": {"USER NAME", "ada"},
	} {
		code, out, errs := s.cli("user", "list", "-o", form)
		for _, text := range want {
			if code != exitDone || !strings.Contains(out, text) {
				t.Errorf("user list -o %s = %d %s%s, want %q", form, code, out, errs, text)
			}
		}
	}
	if code, out, _ := s.cli("version", "-o", "yaml"); code != exitDone || out != "version: dev\n" {
		t.Errorf("version -o yaml = %d %q", code, out)
	}
}
