package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"rollcall/account"
	"rollcall/internal/simulate"
	"rollcall/internal/testserver"
	"rollcall/scim"
)

// simServer is a server in this process, with two workspaces and a client's token for each.
type simServer struct {
	*httptest.Server
	handler http.Handler
	tokens  [2]string
	stop    func() // may be called twice
}

// startSimServer opens a store; around stands before the handler and may be nil.
func startSimServer(t *testing.T, storeURL string, around func(http.Handler) http.Handler) *simServer {
	t.Helper()
	config := defaultConfig()
	config.Store.URL = storeURL
	workspaces := []string{"default", "second"}
	for _, workspace := range workspaces {
		client := &ClientConfig{}
		client.setDefaults("idp-" + workspace)
		client.Workspace, client.Rate = workspace, noRate // a simulator in this process is faster than any identity provider
		config.Clients[client.Name] = client
	}
	ctx := context.Background()
	core, err := openCore(ctx, config, nil, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	s := &simServer{}
	s.stop = sync.OnceFunc(func() {
		if s.Server != nil {
			s.Server.Close()
		}
		if err := core.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	t.Cleanup(s.stop)
	admin := scim.WithActor(ctx, &scim.Actor{Kind: "operator", ID: "test", Name: "test", All: true})
	for i, workspace := range workspaces {
		_, s.tokens[i], err = core.accounts.CreateToken(admin, account.NewToken{Name: "idp", Workspace: workspace, Client: "idp-" + workspace})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.handler, err = core.handler(ctx, core.accounts)
	if err != nil {
		t.Fatal(err)
	}
	if around != nil {
		s.handler = around(s.handler)
	}
	s.Server = httptest.NewServer(s.handler)
	return s
}

// simulate runs a simulation by the command line, and reads its report.
func (s *simServer) simulate(t *testing.T, workspace int, args ...string) (int, *simulate.Report) {
	t.Helper()
	args = append([]string{"simulate", args[0], s.URL + args[1], "-o", "json", "--token", s.tokens[workspace]}, args[2:]...)
	code, out, errs := runCLI(t, nil, args...)
	report := &simulate.Report{}
	if err := json.Unmarshal([]byte(out), report); err != nil {
		t.Fatalf("%s = %d, and prints no report: %v\n%s%s", strings.Join(args, " "), code, err, out, errs)
	}
	return code, report
}

// simulations are the clients, as the command line names them.
var simulations = []struct {
	name string
	args []string
}{
	{"okta oin", []string{"okta", "/scim/v2", "--mode", "oin"}},
	{"okta aiw", []string{"okta", "/scim/v2", "--mode", "aiw"}},
	{"entra", []string{"entra", "/scim/v2/"}},
	{"entra with the flag", []string{"entra", "/scim/v2?aadOptscim062020"}},
	{"validator", []string{"validator", "/scim/v2"}},
	{"onelogin", []string{"onelogin", "/scim/v2"}},
	{"jumpcloud", []string{"jumpcloud", "/scim/v2"}},
	{"authentik", []string{"authentik", "/scim/v2"}},
}

// TestSimulations plays each client in two workspaces at the same time, with the same names: nothing is refused or
// lost, nothing leaks from one to the other, nothing stays behind, and the store is sound.
func TestSimulations(t *testing.T) {
	for _, c := range simulations {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			simulateTwice(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), c.args)
		})
	}
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		simulateTwice(t, testserver.StartRedis(t).URL(), []string{"entra", "/scim/v2?aadOptscim062020"})
	})
}

func simulateTwice(t *testing.T, storeURL string, args []string) {
	s := startSimServer(t, storeURL, nil)
	var both sync.WaitGroup
	for workspace := range s.tokens {
		both.Go(func() {
			code, report := s.simulate(t, workspace, append(slices.Clone(args), "--prefix", "both")...)
			clean(t, code, report)
		})
	}
	both.Wait()
	for _, token := range s.tokens {
		for _, path := range []string{"/scim/v2/Users", "/scim/v2/Groups"} {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			answer := httptest.NewRecorder()
			s.handler.ServeHTTP(answer, req)
			if !strings.Contains(answer.Body.String(), `"totalResults":0`) {
				t.Errorf("GET %s after the runs = %s, want nothing", path, answer.Body)
			}
		}
	}
	s.stop()
	fsck(t, storeURL)
}

// clean holds that a run went without a fault.
func clean(t *testing.T, code int, r *simulate.Report) {
	t.Helper()
	if code == exitDone && r.OK() && r.Requests > 40 {
		return
	}
	t.Errorf("exit code %d: %s", code, r.Summary())
	for _, s := range r.Steps {
		for i := 0; i < min(3, len(s.Refusals)); i++ {
			t.Errorf("%s %s: %+v", s.ID, s.What, s.Refusals[i])
		}
		for i := 0; i < min(3, len(s.Lost)); i++ {
			t.Errorf("%s %s: %s", s.ID, s.What, s.Lost[i])
		}
	}
}
