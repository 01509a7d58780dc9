package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const siteFile = `# our site
workspaces:
  default:
    settings:
      passwordPolicy: { minLength: 14 }
    groups:
      Engineering:
        description: They build it
        members: [ada, bob]
      Old: { absent: true }
  lab:
    preset: pysyft
    settings: { sessionMaxHours: 8 }
clients:
  okta: { rate: 50/s }
  entra:
    jwt: { preset: entra, tenant_id: 1f0c0000-0000-0000-0000-000000000000 }
`

// applying is a server in this process, with a configuration file that apply changes.
func applying(t *testing.T, config string) (s *served, file string, apply func(args ...string) (int, string, string)) {
	s = inProcessServer(t, "")
	file = write(t, filepath.Join(t.TempDir(), "rollcall.yaml"), config, 0o600)
	return s, file, func(args ...string) (int, string, string) { return s.cli(append(args, "--config="+file)...) }
}

// TestApply makes a site as a file says, and holds the laws of it: a dry run changes nothing, what
// removes wants --yes, a second time changes nothing, and neither does applying what export gives.
func TestApply(t *testing.T) {
	t.Parallel()
	s, config, cli := applying(t, "logging: { level: info }\n\nclients:\n  # from the works council\n  okta:\n    rate: 100/s # agreed\n\n  # old\n  hr: { token: true }\n\n# the end\nserver: { listen: 127.0.0.1:0 }\n")
	for _, name := range []string{"ada", "bob", "eve"} {
		s.want(201, "POST", "/scim/v2/Users", `{"userName":"`+name+`"}`)
	}
	s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Old"}`)
	site := write(t, filepath.Join(t.TempDir(), "site.yaml"), siteFile, 0o600)
	want := func(code int, texts string, args ...string) string {
		t.Helper()
		got, out, errs := cli(args...)
		if got != code {
			t.Fatalf("%v = %d, want %d\n%s%s", args, got, code, out, errs)
		}
		for text := range strings.SplitSeq(texts, "|") {
			if !strings.Contains(out+errs, text) {
				t.Fatalf("%v does not say %q:\n%s%s", args, text, out, errs)
			}
		}
		return out
	}
	const planned = "+ group Engineering|- group Old|~ settings default|passwordPolicy.minLength: 8 → 14|+ workspace lab|~ client okta|~ rate: 100/s → 50/s|+ client entra"
	want(exitDifferent, planned+"|Would be done: 3 made, 2 changed, 1 removed", "apply", "-f", site, "--dry-run", "--exit-code")
	want(exitUsage, "2 of these steps remove or weaken something|--yes", "apply", "-f", site)
	want(exitDifferent, "Old", "apply", "-f", site, "--dry-run", "--exit-code") // nothing was changed
	want(exitDone, planned+"|Done: 3 made", "apply", "-f", site, "--yes")
	want(exitDone, "Nothing to change.", "apply", "-f", site)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{"  # from the works council\n", "rate: 50/s", "  # old\n  hr: { token: true }\n", "tenant_id: 1f0c0000", "# the end\nserver: { listen: 127.0.0.1:0 }\n"} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("the configuration file lost %q:\n%s", kept, text)
		}
	}
	want(exitDone, "", "config", "check")

	exported := want(exitDone, "", "export")
	for _, text := range []string{"  lab:\n    preset: pysyft", "Engineering:", "- ada\n", "clients:", "rate: 50/s"} {
		if !strings.Contains(exported, text) {
			t.Errorf("export --config lacks %q:\n%s", text, exported)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "all.yaml"), exported, 0o600)
	want(exitDone, "Nothing to change.", "apply", "-f", dir, "--dry-run", "--exit-code")

	// What was changed by hand comes back, and the same file makes an empty server the same.
	s.want(204, "DELETE", "/scim/v2/Groups/"+s.want(200, "GET", "/scim/v2/Groups?filter=displayName+eq+%22Engineering%22", "").body["Resources"].([]any)[0].(map[string]any)["id"].(string), "")
	want(exitDone, "+ group Engineering|+ members: ada", "apply", "-f", site)
	other, _, there := applying(t, "# nothing yet\n")
	for _, name := range []string{"ada", "bob"} {
		other.want(201, "POST", "/scim/v2/Users", `{"userName":"`+name+`"}`)
	}
	if code, out, errs := there("apply", "-f", dir, "--yes"); code != exitDone {
		t.Fatalf("apply elsewhere = %d\n%s%s", code, out, errs)
	}
	if code, out, errs := there("export"); code != exitDone || !sameLines(out, exported) {
		t.Errorf("export elsewhere = %d\n%s\nwant\n%s%s", code, out, exported, errs)
	}
	fewer := write(t, filepath.Join(dir, "fewer"), "workspaces: {default: {groups: {Engineering: {members: [ada]}}}}\nclients: {hr: {absent: true}}\n", 0o600)
	want(exitDone, "- members: bob|! a member is removed|- client hr", "apply", "-f", fewer, "--yes")
	if text, err := os.ReadFile(config); err != nil || strings.Contains(string(text), "hr:") || !strings.Contains(string(text), "entra:") {
		t.Errorf("the client is still there: %v\n%s", err, text)
	}
}

// sameLines compares two texts without regard to the order of clients.
func sameLines(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

// TestApplyErrors holds that what is wrong is told at once, with its place, and that nothing is done.
func TestApplyErrors(t *testing.T) {
	t.Parallel()
	s, config, cli := applying(t, "clients: {}\n")
	for name, tt := range map[string]struct{ text, want string }{
		"key":        {"workspaces:\n  default:\n    setings: {}\n", `:3:5: unknown key "setings" in workspaces.default. Did you mean "settings"?`},
		"setting":    {"workspaces: {default: {settings: {pasword: 1}}}", `:1:35: unknown key "pasword"`},
		"below":      {"workspaces:\n  default:\n    settings:\n      passwordPolicy: {minLen: 3}\n", `:4:23: workspaces.default.settings.passwordPolicy: unknown field "minLen"`},
		"type":       {"workspaces: {default: {settings: {roles: 7}}}", ":1:42: workspaces.default.settings.roles:"},
		"value":      {"workspaces:\n  default:\n    settings:\n      passwordPolicy:\n        minLength: 2\n", ":5:9: workspaces.default.settings: passwordPolicy: minLength is between 8 and 128"},
		"preset":     {"workspaces: {default: {preset: pysyft}}", ":1:32: workspaces.default.preset: the workspace has the preset default"},
		"no preset":  {"workspaces: {new: {preset: nonsense}}", `:1:28: workspace new: preset: "nonsense" is none of`},
		"member":     {"workspaces:\n  default:\n    groups:\n      g:\n        members:\n          - nobody\n", `:6:13: workspaces.default.groups.g.members: there is no user "nobody" in default`},
		"twice":      {"workspaces: {default: {groups: {g: {}}}}\n---\nworkspaces: {default: {groups: {g: {}}}}", `:3:33: workspaces.default.groups: the group "g" is told a second time`},
		"client":     {"clients:\n  okta:\n    rat: 1/s\n", `:3:5: unknown key "rat" in clients.okta. Did you mean "rate"?`},
		"rate":       {"clients:\n  okta:\n    rate: fast\n", `:3:11: clients.okta.rate: "fast" is no rate`},
		"schedule":   {"sources:\n  hr:\n    type: ldif\n    path: x.ldif\n    schedule: never\n", ":5:15: sources.hr.schedule:"},
		"null":       {"clients:\n  okta:\n    rate:\n", "Done: 1 made"}, // the default
		"absent":     {"workspaces: {default: {groups: {g: {absent: true, admin: true}}}}", ":1:33: workspaces.default.groups.g: what is absent has nothing else"},
		"not a YAML": {"workspaces: [", "x.yaml:1:"},
		"a list":     {"- workspaces\n", ":1:1: this is no section"},
	} {
		file := write(t, filepath.Join(t.TempDir(), "x.yaml"), tt.text, 0o600)
		code, out, errs := cli("apply", "-f", file, "--yes")
		want := exitUsage
		if name == "null" {
			want = exitDone
		}
		if code != want || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%s: apply = %d, want %d and %q\n%s%s", name, code, want, tt.want, out, errs)
		}
	}
	if _, out, _ := s.cli("workspace", "list", "-o", "jsonl"); strings.Count(out, "\n") != 1 {
		t.Errorf("a workspace was made: %s", out)
	}
	file := write(t, filepath.Join(t.TempDir(), "x.yaml"), "clients: {okta: {token: true}}\n", 0o600)
	t.Run("no file", func(t *testing.T) {
		if code, _, errs := runCLI(t, []string{"ROLLCALL_SERVER=" + s.base, "ROLLCALL_TOKEN=" + testToken}, "apply", "-f", file); code != exitUsage || !strings.Contains(errs, "--config FILE") {
			t.Errorf("without a configuration file = %d %s", code, errs)
		}
	})
	for args, want := range map[string]string{"": "say what to apply", "-f none.yaml": "none.yaml is not there"} {
		if code, _, errs := cli(append([]string{"apply"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("apply %s = %d %s, want %q", args, code, errs, want)
		}
	}
	if _, err := os.Stat(config); err != nil {
		t.Error(err)
	}
}

// A secret is never in what is exported or shown.
func TestApplyTellsNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canary-3f9a-canary-3f9a-canary-3f9a"
	s, config, cli := applying(t, "clients:\n  hr:\n    basic:\n      user: hr\n      password: "+canary+"\n")
	_ = s
	code, out, errs := cli("export")
	if code != exitDone || strings.Contains(out+errs, canary) || !strings.Contains(errs, "clients.hr.basic.password is a secret") {
		t.Errorf("export --config = %d\n%s%s", code, out, errs)
	}
	file := write(t, filepath.Join(t.TempDir(), "x.yaml"), strings.Replace(out, "user: hr", "user: hr2", 1), 0o600)
	if code, out, errs := cli("apply", "-f", file, "--yes"); code != exitDone || strings.Contains(out+errs, canary) {
		t.Errorf("apply = %d\n%s%s", code, out, errs)
	}
	if text, err := os.ReadFile(config); err != nil || !strings.Contains(string(text), canary) || !strings.Contains(string(text), "hr2") {
		t.Errorf("the password is not kept: %v\n%s", err, text)
	}
	other := write(t, filepath.Join(t.TempDir(), "x.yaml"), "clients: {hr: {basic: {password: another-"+canary+"}}}\n", 0o600)
	for _, form := range []string{"table", "json"} {
		if code, out, errs := cli("apply", "-f", other, "--dry-run", "-o", form); code != exitDone || strings.Contains(out+errs, canary) || !strings.Contains(out, "basic.password") {
			t.Errorf("apply --dry-run -o %s = %d\n%s%s", form, code, out, errs)
		}
	}
}

// TestApplyPage types what docs/apply.md says.
func TestApplyPage(t *testing.T) {
	t.Parallel()
	page := documents(t)["docs/apply.md"]
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rollcall.yaml"), "logging: { level: warn }\n", 0o600)
	write(t, filepath.Join(dir, "site.yaml"), blocks(page, "yaml")[0], 0o600)
	write(t, filepath.Join(dir, "people.ldif"), "", 0o600)
	typeIn(t, dir, "rollcall user create ada && rollcall user create grace")
	printed := typeIn(t, dir, strings.Join(typedLines(page), "\n"))
	for _, want := range []string{"Would be done: 5 made, 1 changed, 0 removed", "Done: 5 made", "Nothing to change."} {
		if !strings.Contains(printed, want) {
			t.Errorf("the page's commands do not print %q:\n%s", want, printed)
		}
	}
}
