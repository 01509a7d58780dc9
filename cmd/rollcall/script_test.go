package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"

	"rollcall/internal/testserver"
)

// TestScripts runs testdata/script/*.txtar, each against a server of its own (with the file
// server.yaml of the script as its configuration), and holds that every command of the program
// is used by some script. To the commands of testscript come:
//
//	rollcall ARG...        the program, in this process, which must end with 0 (or not, after !)
//	exits N ARG...         the program, which must end with N
//	input TEXT...          what the program's next call reads, a line each
//	capture NAME REGEXP    sets NAME to the first group of what stdout has
//	begin ARG...           the program, in the background, until the script ends or says finish
//	says REGEXP            waits until what runs in the background has printed that
//	ready ARG...           waits until rollcall healthcheck ARG... ends with 0
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scripts: %v", err)
	}
	var mu sync.Mutex
	used := map[string]bool{}
	t.Run("all", func(t *testing.T) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				config, dir := "", t.TempDir()
				for _, f := range archive.Files {
					write(t, filepath.Join(dir, f.Name), string(f.Data), 0o600)
					if f.Name == "server.yaml" {
						config = strings.ReplaceAll(string(f.Data), "$FILES", dir)
					}
				}
				ops := testserver.FreePort(t)
				s := &scripted{ops: fmt.Sprintf("127.0.0.1:%d", ops), server: inProcessServer(t, config), files: dir, use: func(path string) {
					mu.Lock()
					defer mu.Unlock()
					used[path] = true
				}}
				testscript.Run(t, s.params(file))
			})
		}
	})
	if t.Failed() {
		return
	}
	for _, path := range leaves((&cli{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}).root()) {
		if !used[path] {
			t.Errorf("no script uses `%s`: add it to one of testdata/script", path)
		}
	}
}

// leaves are the paths of all commands that do something.
func leaves(cmd *cobra.Command) []string {
	if !cmd.HasSubCommands() {
		return []string{cmd.CommandPath()}
	}
	var all []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			all = append(all, leaves(sub)...)
		}
	}
	return all
}

// scripted is one script and its server.
type scripted struct {
	server *served
	files  string // folder of the script's files, which the server's configuration calls $FILES
	ops    string // a free address for health checks
	use    func(path string)
	input  string
	finish func() int // ends what runs in the background
}

func (s *scripted) params(file string) testscript.Params {
	return testscript.Params{
		Files: []string{file},
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROLLCALL_SERVER", s.server.base)
			env.Setenv("ROLLCALL_TOKEN", testToken)
			env.Setenv("FILES", s.files)
			env.Setenv("ROLLCALL_SERVER_OPS_LISTEN", s.ops)
			env.Setenv("ROLLCALL_SERVER_LISTEN", "127.0.0.1:0")
			env.Setenv("STORE", "bolt:"+filepath.Join(env.WorkDir, "store.db"))
			env.Defer(func() {
				if s.finish != nil {
					s.finish()
				}
			})
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"rollcall": func(ts *testscript.TestScript, neg bool, args []string) {
				if code := s.run(ts, args); (code == exitDone) == neg {
					ts.Fatalf("rollcall %s = %d", strings.Join(args, " "), code)
				}
			},
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				want, err := strconv.Atoi(args[0])
				if err != nil || neg {
					ts.Fatalf("usage: exits CODE ARG...")
				}
				if code := s.run(ts, args[1:]); code != want {
					ts.Fatalf("rollcall %s = %d, want %d", strings.Join(args[1:], " "), code, want)
				}
			},
			"input": func(_ *testscript.TestScript, _ bool, args []string) { s.input = strings.Join(args, "\n") + "\n" },
			"capture": func(ts *testscript.TestScript, _ bool, args []string) {
				m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
				if len(m) != 2 {
					ts.Fatalf("stdout has no %s:\n%s", args[1], ts.ReadFile("stdout"))
				}
				ts.Setenv(args[0], m[1])
			},
			"begin":  s.begin,
			"finish": s.end,
			"says": func(ts *testscript.TestScript, _ bool, args []string) {
				s.wait(ts, func() bool { return regexp.MustCompile(args[0]).MatchString(ts.ReadFile("background")) })
			},
			"ready": func(ts *testscript.TestScript, _ bool, args []string) {
				s.wait(ts, func() bool { return s.run(ts, append([]string{"healthcheck"}, args...)) == exitDone })
			},
		},
	}
}

// environ are the variables of the script that the program may look at.
func (s *scripted) environ(ts *testscript.TestScript) []string {
	var environ []string
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "NO_COLOR", "ROLLCALL_SERVER", "ROLLCALL_TOKEN", "ROLLCALL_CONFIG", "ROLLCALL_STORE_URL", "ROLLCALL_SERVER_LISTEN", "ROLLCALL_SERVER_OPS_LISTEN", "ROLLCALL_BOOTSTRAP_TOKEN"} {
		if v := ts.Getenv(name); v != "" {
			environ = append(environ, name+"="+v)
		}
	}
	return environ
}

func (s *scripted) run(ts *testscript.TestScript, args []string) int {
	s.use(commandPath(args))
	var stdout, stderr bytes.Buffer
	code := runInput(context.Background(), args, s.environ(ts), strings.NewReader(s.input), &stdout, &stderr)
	s.input = ""
	_, _ = ts.Stdout().Write(stdout.Bytes())
	_, _ = ts.Stderr().Write(stderr.Bytes())
	return code
}

func (s *scripted) begin(ts *testscript.TestScript, _ bool, args []string) {
	s.use(commandPath(args))
	ctx, cancel := context.WithCancel(context.Background())
	out, err := os.Create(ts.MkAbs("background"))
	ts.Check(err)
	done := make(chan int, 1)
	environ := s.environ(ts)
	go func() { done <- runInput(ctx, args, environ, strings.NewReader(""), out, out) }()
	s.finish = func() int {
		cancel()
		s.finish = nil
		code := <-done
		_ = out.Close()
		return code
	}
}

func (s *scripted) end(ts *testscript.TestScript, _ bool, _ []string) {
	if s.finish == nil {
		ts.Fatalf("nothing runs in the background")
	}
	if code := s.finish(); code != exitDone && code != exitInterrupted {
		ts.Fatalf("what ran in the background ended with %d:\n%s", code, ts.ReadFile("background"))
	}
}

// wait waits for what the background does.
func (s *scripted) wait(ts *testscript.TestScript, done func() bool) {
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("nothing of that in a minute:\n%s", ts.ReadFile("background"))
		}
	}
}

// commandPath is the command that arguments name, as cobra finds it.
func commandPath(args []string) string {
	root := (&cli{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, _, err := root.Find(slices.Clone(args))
	if err != nil {
		return ""
	}
	return cmd.CommandPath()
}
