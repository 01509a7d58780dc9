package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"rollcall/internal/ops"
	"rollcall/internal/testserver"
)

// metricsOf is the text of a server's /metrics.
func (s *served) metrics() string {
	s.t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.opsPort))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// TestMetricsOfServe asks a server for what its clients made use of.
func TestMetricsOfServe(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "clients: {okta: {user_name_email: true}}")
	_, token, _ := s.cli("token", "create", "okta", "--client", "okta")
	okta := "Bearer " + strings.TrimSpace(token)
	if a := s.as(okta, "POST", "/scim/v2/Users", `{"userName":"jane"}`); a.code != 400 || a.body["scimType"] != "invalidValue" {
		t.Errorf("a userName that is no e-mail address: %d %s", a.code, a.text)
	}
	if a := s.as(okta, "POST", "/scim/v2/users", `{"userName":"jane@example.com","shoeSize":40}`); a.code != 201 {
		t.Errorf("POST = %d %s", a.code, a.text)
	}
	s.as("", "GET", "/scim/v2/Users", "")
	text := s.metrics()
	for _, line := range []string{
		`rollcall_patch_quirks_total{client="okta",quirk="endpoint-case"} 1`, `rollcall_patch_quirks_total{client="okta",quirk="unknown-attribute"} 1`,
		`rollcall_scim_requests_total{client="okta",code="400",op="create",resource="User",scim_type="invalidValue",workspace="default"} 1`,
		`rollcall_http_requests_total{code="201",method="POST",route="/scim/v2/Users"} 1`,
		`rollcall_http_requests_total{code="201",method="POST",route="/api/v1/tokens"} 1`,
		`rollcall_auth_failures_total{reason="missing"} 1`, `rollcall_store_up 1`, `rollcall_config_last_reload_successful 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics has no line %s:\n%s", line, text)
		}
	}
	if strings.Contains(text, "jane") {
		t.Error("/metrics names a person")
	}
}

// prometheus is a real one that reads a server.
type prometheus struct {
	t    *testing.T
	base string
}

func startPrometheus(t *testing.T, opsPort int) *prometheus {
	t.Helper()
	rules, err := filepath.Abs("../../deploy/prometheus/rollcall.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), testserver.FreePort(t)
	config := write(t, filepath.Join(dir, "prometheus.yaml"), fmt.Sprintf(`
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [%q]
scrape_configs:
  - job_name: rollcall
    static_configs: [{ targets: ["127.0.0.1:%d"] }]
`, rules, opsPort), 0o600)
	proc := testserver.Start(t, filepath.Join(dir, "log"), testserver.Need(t, "prometheus"), "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	proc.WaitTCP(t, port)
	return &prometheus{t, fmt.Sprintf("http://127.0.0.1:%d", port)}
}

func (p *prometheus) get(path string, out any) bool {
	resp, err := http.Get(p.base + path)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(out) == nil
}

// series is how many series an expression has, with what is wrong with it.
func (p *prometheus) series(expr string) (n int, wrong string) {
	var answer struct {
		Error string `json:"error"`
		Data  struct {
			Result []json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if !p.get("/api/v1/query?query="+url.QueryEscape(expr), &answer) {
		return 0, "no answer"
	}
	return len(answer.Data.Result), answer.Error
}

// dashboard lists the expressions of the Grafana dashboard by panel.
func dashboard(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/rollcall.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	panels := map[string][]string{}
	rows := 0
	for _, p := range d.Panels {
		if p.Type == "row" {
			rows++
		}
		for _, target := range p.Targets {
			panels[p.Title] = append(panels[p.Title], target.Expr)
		}
	}
	if rows != 4 || len(panels) < 20 {
		t.Fatalf("the dashboard has %d rows and %d panels", rows, len(panels))
	}
	return panels
}

var ourMetric = regexp.MustCompile(`rollcall_[a-z_]+`)

// TestDashboardAndAlerts has a real Prometheus read a server that everything has happened to, and
// holds that every panel of the dashboard shows something, that Prometheus can evaluate every
// rule, and that each has its page.
func TestDashboardAndAlerts(t *testing.T) {
	t.Parallel()
	testserver.Long(t)
	testserver.Need(t, "prometheus")
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer hook.Close()
	people := write(t, filepath.Join(t.TempDir(), "people.ldif"), blocks(documents(t)["docs/ldap.md"], "ldif")[0], 0o600)
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", fmt.Sprintf(`
sources: {corp: {type: ldif, path: %q, schedule: "@hourly"}}
clients: {okta: {rate: 1/m}}
events:
  allow_networks: [127.0.0.0/8]
  streams: {hook: {method: webhook, endpoint: %q, secret: "0123456789abcdef0123456789abcdef"}}
`, people, hook.URL))
	if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
		t.Fatalf("sync run = %d %s%s", code, out, errs)
	}
	_, token, _ := s.cli("token", "create", "okta", "--client", "okta", "--expires", "48h")
	for range 4 {
		s.as("Bearer "+strings.TrimSpace(token), "GET", "/scim/v2/users?count=1", "")
	}
	s.as("", "GET", "/scim/v2/Users", "")
	p := startPrometheus(t, s.opsPort)
	window := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*")
	pending := dashboard(t)
	last := map[string]string{}
	for deadline := time.Now().Add(60 * time.Second); len(pending) > 0 && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		for title, exprs := range pending {
			pending[title] = slices.DeleteFunc(exprs, func(expr string) bool {
				n, wrong := p.series(window.Replace(expr))
				last[expr] = wrong
				return n > 0
			})
			if len(pending[title]) == 0 {
				delete(pending, title)
			}
		}
	}
	for title, exprs := range pending {
		t.Errorf("the panel %q shows nothing for %s %s", title, exprs, last[exprs[0]])
	}
	checkRules(t, p)
}

func checkRules(t *testing.T, p *prometheus) {
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name, Query, Health, LastError string
					Annotations                    map[string]string
				}
			}
		}
	}
	healthy := func() bool {
		if !p.get("/api/v1/rules", &rules) || len(rules.Data.Groups) != 1 {
			return false
		}
		return !slices.ContainsFunc(rules.Data.Groups[0].Rules, func(r struct {
			Name, Query, Health, LastError string
			Annotations                    map[string]string
		}) bool {
			return r.Health == "unknown"
		})
	}
	for deadline := time.Now().Add(30 * time.Second); !healthy() && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	if len(rules.Data.Groups) != 1 || len(rules.Data.Groups[0].Rules) < 10 {
		t.Fatalf("Prometheus took no rules: %+v", rules)
	}
	index := documents(t)["docs/alerts.md"]
	for _, r := range rules.Data.Groups[0].Rules {
		if r.Health != "ok" {
			t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
		}
		for _, metric := range ourMetric.FindAllString(r.Query, -1) {
			if n, wrong := p.series(metric); n == 0 {
				t.Errorf("%s asks for %s, which nothing has %s", r.Name, metric, wrong)
			}
		}
		page := r.Annotations["runbook_url"]
		if _, err := os.Stat("../../" + page); err != nil {
			t.Errorf("%s: its page: %v", r.Name, err)
		}
		if !strings.Contains(index, "(runbooks/"+r.Name+".md)") {
			t.Errorf("docs/alerts.md does not list %s", r.Name)
		}
	}
}

// TestAlertsFire turns the rules over to promtool with a time line in which each has a reason.
func TestAlertsFire(t *testing.T) {
	testserver.Long(t)
	rules, err := filepath.Abs("../../deploy/prometheus/rollcall.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert string }
		}
	}
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile("testdata/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Groups[0].Rules {
		if !strings.Contains(string(cases), "alertname: "+r.Alert+"\n") {
			t.Errorf("testdata/alerts_test.yaml lets no alert %s fire", r.Alert)
		}
	}
	test := write(t, filepath.Join(t.TempDir(), "test.yaml"), "rule_files: ["+rules+"]\n"+string(cases), 0o600)
	runTool(t, testserver.Need(t, "promtool"), "test", "rules", test)
}

// TestMetricsPage holds that docs/metrics.md says what there is.
func TestMetricsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\nWhat `/metrics` on `server.ops_listen` shows, beside what Go programs tell of themselves (`go_…`, `process_…`). Written from the code by\n" +
		"`go test ./cmd/rollcall -run TestMetricsPage -write-docs`. [alerts.md](alerts.md) has the rules and the dashboard.\n\n| metric | type | labels | says |\n|---|---|---|---|\n")
	for _, m := range ops.NewMetrics(version).List() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	sameDoc(t, "docs/metrics.md", b.String())
}
