package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// demoRun is a demo under way in this process.
type demoRun struct {
	welcome string
	stop    func() int
}

func startDemo(t *testing.T, args ...string) demoRun {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, args...), os.Environ(), w, &stderr)
		w.Close()
	}()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), "Ctrl-C stops it.\n") {
		n, err := r.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			cancel()
			t.Fatalf("the demo ended with %d before it was ready:\n%s%s", <-done, seen.String(), stderr.String())
		}
	}
	go io.Copy(io.Discard, r)
	stop := func() int { cancel(); return <-done }
	t.Cleanup(cancel)
	return demoRun{seen.String(), stop}
}

// commands are the shell commands that the demo says to try.
func (d demoRun) commands() []string {
	_, rest, _ := strings.Cut(d.welcome, "Try, in another terminal:\n\n")
	rest, _, _ = strings.Cut(rest, "\n\n")
	rest = strings.ReplaceAll(rest, "\\\n", "")
	return strings.Split(rest, "\n")
}

func TestDemoCommandsWorkAsPrinted(t *testing.T) {
	testserver.Need(t, "curl")
	d := startDemo(t)
	commands := d.commands()
	if len(commands) != 4 {
		t.Fatalf("%d commands are printed, want an export and three to try:\n%s", len(commands), d.welcome)
	}
	for i, command := range commands[1:] {
		out, err := exec.Command("sh", "-ec", commands[0]+"\n"+command).Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		var answer map[string]any
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatalf("%s\nprints %s", command, out)
		}
		if answer["detail"] != nil {
			t.Errorf("%s\nis refused: %s", command, out)
		}
		if n, isList := answer["totalResults"].(float64); isList && n == 0 {
			t.Errorf("command %d finds nothing: %s", i, command)
		}
	}
	if code := d.stop(); code != exitDone {
		t.Errorf("the demo ended with %d, want %d", code, exitDone)
	}
}

func TestDemoKeepsItsData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	startDemo(t, "--data", dir).stop()
	began := time.Now()
	again := startDemo(t, "--data", dir)
	t.Logf("second start: %v", time.Since(began))
	if !strings.Contains(again.welcome, "0 created, 1240 unchanged") {
		t.Errorf("the second start of a kept demo:\n%s", again.welcome)
	}
	again.stop()
	fsck(t, "bolt:"+filepath.Join(dir, "rollcall.db"))
}

// What differs from one start of the demo to the next.
var demoVaries = regexp.MustCompile(`rollcall [\w.-]+, the demo|bolt:\S+|in [\d.]+ s|127\.0\.0\.1:\d+|rc_\w+`)

func TestReadmeTranscriptIsWhatTheDemoPrints(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, ok := strings.Cut(string(readme), "$ make run\n")
	shown, _, _ = strings.Cut(shown, "```")
	d := startDemo(t)
	defer d.stop()
	mask := func(s string) string { return demoVaries.ReplaceAllString(s, "…") }
	if !ok || mask(shown) != mask(d.welcome) {
		t.Errorf("README.md shows\n%s\nbut the demo prints\n%s", shown, d.welcome)
	}
}

func TestDemoTellsOfATakenPort(t *testing.T) {
	d := startDemo(t)
	defer d.stop()
	port := regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`).FindStringSubmatch(d.welcome)[1]
	code, _, errs := runCLI(t, nil, "demo", "--listen", port, "--ops-listen", "127.0.0.1:0")
	if code != exitFailed || !strings.Contains(errs, "--listen 127.0.0.1:0") {
		t.Errorf("demo on a taken port = %d %s, want a way out", code, errs)
	}
}

func TestDirectoryIsWhatItsScriptMakes(t *testing.T) {
	cmd := exec.Command("go", "run", "generate.go")
	cmd.Dir = "demodata"
	made, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := directory.ReadFile("demodata/directory.ldif")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, kept) {
		t.Error("demodata/directory.ldif is not what generate.go makes: run `make generate`")
	}
}
