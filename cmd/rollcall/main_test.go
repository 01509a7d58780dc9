package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// asProgram makes the test binary be the program, so that tests can kill it.
const asProgram = "ROLLCALL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(tested(m))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// tested runs the tests with a keyring for the audits of servers, which is not among the sources.
func tested(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rollcall-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv(keyringVariable, filepath.Join(dir, "audit.json"))
	return m.Run()
}

const keyringVariable = "ROLLCALL_AUDIT_KEYRING"

// keyringOf is a keyring for the servers of one test on one store, beside that.
func keyringOf(t *testing.T, storeURL string) string {
	test, _, _ := strings.Cut(t.Name(), "/")
	sum := sha256.Sum256([]byte(test + storeURL))
	return os.Getenv(keyringVariable) + hex.EncodeToString(sum[:8])
}

const testToken = "a-bootstrap-token-of-the-tests-long-enough"

// served is a `rollcall serve` of its own process.
type served struct {
	t        *testing.T
	base     string
	args     []string
	port     int
	opsPort  int
	log      string
	proc     *testserver.Proc
	storeURL string
	ldif     *ldifSource // of a test that has one
	smtp     *testserver.SMTP
}

// startServer runs `rollcall serve` on a store, with the configuration's text.
func startServer(t *testing.T, storeURL, config string) *served {
	t.Helper()
	testserver.Long(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "rollcall.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, port: testserver.FreePort(t), opsPort: testserver.FreePort(t), log: filepath.Join(dir, "log"), storeURL: storeURL}
	s.base = fmt.Sprintf("http://127.0.0.1:%d", s.port)
	s.args = []string{"serve", "--config", file, "--store", storeURL,
		"--listen", fmt.Sprintf("127.0.0.1:%d", s.port), "--ops-listen", fmt.Sprintf("127.0.0.1:%d", s.opsPort)}
	t.Cleanup(s.showLog)
	t.Cleanup(func() { s.checkStore(file) }) // when the server is gone
	s.start()
	return s
}

// checkStore holds that what a test leaves behind is sound, where it can still be opened.
func (s *served) checkStore(config string) {
	code, out, errs := runCLI(s.t, nil, "fsck", "--store", s.storeURL, "--config", config)
	if strings.Contains(out, " findings:") {
		s.t.Errorf("fsck of what the test left = %d\n%s%s", code, out, errs)
	}
}

func (s *served) start() {
	s.t.Helper()
	cmd := exec.Command(os.Args[0], s.args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "ROLLCALL_BOOTSTRAP_TOKEN="+testToken, keyringVariable+"="+keyringOf(s.t, s.storeURL))
	s.proc = testserver.StartCommand(s.t, s.log, cmd)
	s.proc.WaitTCP(s.t, s.opsPort)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", s.opsPort))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server is not ready after 20 s: %v", err)
		}
	}
}

// showLog shows what the server said, where a test failed.
func (s *served) showLog() {
	if s.t.Failed() {
		text, err := os.ReadFile(s.log)
		s.t.Logf("the server's log: %s (%v)", text, err)
	}
}

// answer is an HTTP answer, read.
type answer struct {
	code   int
	header http.Header
	body   map[string]any
	text   string
}

// do sends a request with the bootstrap token.
func (s *served) do(method, path, body string) answer {
	s.t.Helper()
	return s.as("Bearer "+testToken, method, path, body)
}

func (s *served) as(auth, method, path, body string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{code: resp.StatusCode, header: resp.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.body); err != nil {
			s.t.Fatalf("%s %s: the answer is no JSON object: %v\n%s", method, path, err, text)
		}
	}
	s.holdAnswer(req, body, a)
	return a
}

// want sends a request and fails the test on another status.
func (s *served) want(code int, method, path, body string) answer {
	s.t.Helper()
	a := s.do(method, path, body)
	if a.code != code {
		s.t.Fatalf("%s %s = %d, want %d\n%s", method, path, a.code, code, a.text)
	}
	return a
}

// cli runs a command in this process against the server.
func (s *served) cli(args ...string) (code int, stdout, stderr string) {
	return runCLI(s.t, []string{"ROLLCALL_SERVER=" + s.base, "ROLLCALL_TOKEN=" + testToken}, args...)
}

func runCLI(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return runCLIContext(context.Background(), environ, args...)
}

func runCLIContext(ctx context.Context, environ []string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, environ, &out, &errs)
	return code, out.String(), errs.String()
}

// onStores runs a test on each store.
func onStores(t *testing.T, test func(t *testing.T, storeURL string)) {
	t.Run("bolt", func(t *testing.T) { test(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db")) })
	t.Run("redis", func(t *testing.T) { test(t, testserver.StartRedis(t).URL()) })
}

// fsck holds that the store is sound, once nothing has it open.
func fsck(t *testing.T, storeURL string) {
	t.Helper()
	if code, out, errs := runCLI(t, nil, "fsck", "--store", storeURL, "--config", os.DevNull); code != exitDone {
		t.Errorf("fsck = %d\n%s%s", code, out, errs)
	}
}
