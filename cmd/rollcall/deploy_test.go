package main

import (
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"rollcall/internal/testserver"
)

func readFileT(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnit holds that systemd takes the unit, finds it hard enough, and that it starts what there is.
func TestUnit(t *testing.T) {
	analyze := testserver.Need(t, "systemd-analyze")
	const unit = "../../deploy/systemd/rollcall.service"
	out, err := exec.Command(analyze, "security", "--offline=true", unit).CombinedOutput()
	m := regexp.MustCompile(`Overall exposure level for rollcall.service: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > 2.0 {
		t.Errorf("the unit's exposure is %s, want 2.0 at most", m[1])
	}
	text := readFileT(t, unit)
	for _, line := range regexp.MustCompile(`(?m)^Exec\w+=/usr/local/bin/rollcall (.*)$`).FindAllStringSubmatch(text, -1) {
		if err := documented(t, strings.Fields(line[1])); err != nil {
			t.Errorf("the unit runs rollcall %s: %v", line[1], err)
		}
	}
	if !strings.Contains(text, "Type=notify\n") || !strings.Contains(text, "LoadCredential=") {
		t.Error("the unit is no Type=notify with LoadCredential")
	}
	checkConfig(t, readFileT(t, "../../deploy/systemd/rollcall.yaml"))
}

// TestNotify has serve tell a service manager that it is ready, alive and stopping.
func TestNotify(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "notify"), "@rollcall-test-" + strconv.Itoa(os.Getpid())} {
		addr := &net.UnixAddr{Name: socket, Net: "unixgram"}
		conn, err := net.ListenUnixgram("unixgram", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan int, 1)
		go func() {
			code, _, _ := runCLIContext(ctx, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=300000"}, "serve", "--config", os.DevNull,
				"--store", "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
			ended <- code
		}()
		for _, want := range []string{"READY=1", "WATCHDOG=1", "STOPPING=1"} {
			if want == "STOPPING=1" {
				cancel()
			}
			waitFor(t, conn, want)
		}
		if code := <-ended; code != exitDone {
			t.Errorf("serve ended with %d", code)
		}
	}
}

// waitFor reads what the service says until it says want.
func waitFor(t *testing.T, conn *net.UnixConn, want string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf := make([]byte, 512)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("the service did not say %s: %v", want, err)
		}
		if strings.Contains(string(buf[:n]), want) {
			return
		}
	}
}

// TestDockerfile runs the commands of the image's build stage, as there may be no daemon to do so,
// and holds that what comes out runs in an empty root as nobody in particular.
func TestDockerfile(t *testing.T) {
	text := strings.ReplaceAll(readFileT(t, "../../deploy/Dockerfile"), "\\\n", " ")
	for _, want := range []string{"FROM scratch", "USER 65532:65532", "HEALTHCHECK", "ca-certificates.crt", "VOLUME /var/lib/rollcall"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	for _, list := range regexp.MustCompile(`(?m)CMD (\[.*\])`).FindAllStringSubmatch(text, -1) {
		var words []string
		if err := json.Unmarshal([]byte(list[1]), &words); err != nil {
			t.Fatal(err)
		}
		if words[0] == "/usr/local/bin/rollcall" {
			words = words[1:]
		}
		if err := documented(t, words); err != nil {
			t.Errorf("the image runs rollcall %q: %v", words, err)
		}
	}
	env := regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(text)
	if _, _, err := Load(Options{File: os.DevNull, Environ: strings.Fields(env[1]), Validators: validators()}); err != nil {
		t.Errorf("the image's settings: %v", err)
	}
	build := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 .* go build .*)$`).FindStringSubmatch(text)
	if build == nil || !strings.Contains(readFileT(t, "../../Makefile"), "CGO_ENABLED=0 $(GO) build -trimpath") || !strings.Contains(build[1], "-trimpath") {
		t.Fatalf("the image is not built as `make build` builds: %q", build)
	}
	if os.Getenv("ROLLCALL_PROOF") == "" {
		return // building takes a minute: make proof does
	}
	root := t.TempDir()
	command := strings.ReplaceAll(build[1], "/out/rollcall", filepath.Join(root, "rollcall"))
	cmd := exec.Command("/bin/sh", "-ec", command)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "TARGETOS=linux", "TARGETARCH=", "VERSION=v0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	program, err := elf.Open(filepath.Join(root, "rollcall"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if libs, err := program.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("the program is not static: %v %v", libs, err)
	}
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if out := runTool(t, testserver.Need(t, "chroot"), "--userspec=65532:65532", root, "/rollcall", "version"); out != "rollcall v0\n" {
		t.Errorf("in an empty root it says %q", out)
	}
}

// TestCompose starts the Redis of the compose file with the secrets that the file makes, and holds
// that Rollcall takes it for safe with the settings there.
func TestCompose(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Command     []string
			Environment map[string]string
			ReadOnly    bool `yaml:"read_only"`
		}
	}
	if err := yaml.Unmarshal([]byte(readFileT(t, "../../deploy/compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := strings.NewReplacer("$$", "$", "cd /secrets", "cd "+dir, "chown 65532 password\n", "", "chown 999 redis.conf\n", "").Replace(file.Services["secrets"].Command[2])
	for range 2 { // the second changes nothing
		runTool(t, "/bin/sh", "-euc", script)
	}
	redis := file.Services["redis"].Command
	if len(redis) < 2 || redis[1] != "/secrets/redis.conf" {
		t.Fatalf("redis runs %q", redis)
	}
	port := testserver.FreePort(t)
	args := append([]string{filepath.Join(dir, "redis.conf")}, redis[2:]...)
	args = append(args, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir())
	testserver.Start(t, filepath.Join(t.TempDir(), "redis.log"), testserver.Need(t, "redis-server"), args...).WaitTCP(t, port)

	var environ []string
	for name, value := range file.Services["rollcall"].Environment {
		value = strings.NewReplacer("redis:6379", fmt.Sprintf("127.0.0.1:%d", port), "/secrets/", dir+"/").Replace(value)
		environ = append(environ, name+"="+value)
	}
	if code, out, errs := runCLI(t, environ, "--config", os.DevNull, "fsck"); code != exitDone || errs != "" {
		t.Errorf("fsck = %d %s%s", code, out, errs)
	}
	if !file.Services["rollcall"].ReadOnly {
		t.Error("the container's root is not read-only")
	}
	if err := documented(t, file.Services["rollcall"].Command); err != nil {
		t.Errorf("the container runs %q: %v", file.Services["rollcall"].Command, err)
	}
}

// TestSBOM holds that the program tells what is built in.
func TestSBOM(t *testing.T) {
	code, out, errs := runCLI(t, nil, "version", "--sbom", "--of", os.Args[0])
	var bom struct {
		BOMFormat  string
		Components []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal([]byte(out), &bom); code != exitDone || err != nil || bom.BOMFormat != "CycloneDX" {
		t.Fatalf("version --sbom = %d %s%s %v", code, out, errs, err)
	}
	found := map[string]bool{}
	for _, c := range bom.Components {
		found[c.Name] = c.Version != ""
	}
	for _, name := range []string{"go", "go.etcd.io/bbolt", "github.com/redis/go-redis/v9"} {
		if !found[name] {
			t.Errorf("the list has no %s", name)
		}
	}
}

// TestReleaseFiles holds that what the release takes along is there, or is written by its hook.
func TestReleaseFiles(t *testing.T) {
	text := readFileT(t, "../../.goreleaser.yaml")
	var file map[string]any
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	docs := t.TempDir()
	if code, out, errs := runCLI(t, nil, "docs", "--dir", docs); code != exitDone {
		t.Fatalf("docs = %d %s%s", code, out, errs)
	}
	for _, m := range regexp.MustCompile(`(?m)src: "?([^",\s]+)|^      - ([A-Za-z]\S*)$`).FindAllStringSubmatch(text, -1) {
		path := filepath.Join("../..", m[1]+m[2])
		if name, ok := strings.CutPrefix(m[1], "bin/docs/"); ok {
			path = filepath.Join(docs, name)
		}
		if found, err := filepath.Glob(path); err != nil || len(found) == 0 {
			t.Errorf("the release takes %s along, which is not there", m[1]+m[2])
		}
	}
	for _, line := range regexp.MustCompile(`go run ./cmd/rollcall ([^\n]*)`).FindAllStringSubmatch(text, -1) {
		if err := documented(t, strings.Fields(line[1])); err != nil {
			t.Errorf("the release runs rollcall %s: %v", line[1], err)
		}
	}
	man := readFileT(t, filepath.Join(docs, "rollcall-sync-run.1"))
	if !strings.Contains(man, "Exit codes") {
		t.Error("the man page of sync run says nothing of exit codes")
	}
}

const chart = "../../deploy/helm/rollcall"

func validate(t *testing.T, schemaFile string, doc any) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	schema, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(plain)
}

// TestChartValues holds the chart together without helm: its values obey its schema, which knows
// each of them, templates use no other, and what it has copies of is what is elsewhere.
func TestChartValues(t *testing.T) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(readFileT(t, chart+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	if err := validate(t, chart+"/values.schema.json", values); err != nil {
		t.Errorf("values.yaml: %v", err)
	}
	for name, wrong := range map[string]map[string]any{
		"an unknown value": {"replicas": 2}, "a number as text": {"replicaCount": "2"}, "a password in the URL": {"store": map[string]any{"url": "redis://u:p@h/0"}},
		"no URL": {"store": map[string]any{"url": "h:6379"}}, "a secret without a name": {"secretFiles": map[string]any{"ldap": map[string]any{}}},
	} {
		if validate(t, chart+"/values.schema.json", wrong) == nil {
			t.Errorf("the schema takes %s", name)
		}
	}
	templates, err := filepath.Glob(chart + "/templates/*")
	if err != nil || len(templates) < 12 {
		t.Fatalf("%d templates: %v", len(templates), err)
	}
	used := regexp.MustCompile(`\.Values\.([A-Za-z.]+)`)
	for _, file := range templates {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		for _, m := range used.FindAllStringSubmatch(readFileT(t, file), -1) {
			at := any(values)
			for _, key := range strings.Split(m[1], ".") {
				section, ok := at.(map[string]any)
				if at, ok = section[key]; !ok {
					t.Errorf("%s uses .Values.%s, which values.yaml has not", file, m[1])
				}
			}
		}
	}
	for copied, original := range map[string]string{"rollcall.rules.yaml": "prometheus/rollcall.rules.yaml", "rollcall.json": "grafana/rollcall.json"} {
		text := readFileT(t, "../../deploy/"+original)
		if *writeDocs {
			write(t, chart+"/files/"+copied, text, 0o644)
		}
		if readFileT(t, chart+"/files/"+copied) != text {
			t.Errorf("the chart's %s is not deploy/%s: run go test ./cmd/rollcall -run TestChartValues -write-docs", copied, original)
		}
	}
}

func dig(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}
