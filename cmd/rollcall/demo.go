package main

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rollcall/account"
	"rollcall/scim"
	dirsync "rollcall/sync"
)

// directory is the people and groups of Larkspur Instruments, an invented company. See
// demodata/generate.go.
//
//go:embed demodata/directory.ldif
var directory embed.FS

// demoSource is the name of the demo's source, and demoTokenLife how long its token is good.
const (
	demoSource    = "larkspur"
	demoTokenLife = 24 * time.Hour
)

func (c *cli) demoCommand() *cobra.Command {
	var data, listen, opsListen string
	cmd := &cobra.Command{
		Use: "demo", Short: "Everything in one process, with sample data", Args: noArgs,
		Long: `Run everything in one process: the embedded store, a sample directory of 1,200 people and
40 groups as a source, one sync, and the server. It needs nothing else, and keeps nothing
after its end unless --data says where.`,
		Example: `  rollcall demo
  rollcall demo --data ./demo --listen 127.0.0.1:8081`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, address := range map[string]string{"--listen": listen, "--ops-listen": opsListen} {
				if hint, ok := checkAddress(address); !ok {
					return usagef("%s: %q is no address. %s", flag, address, hint)
				}
			}
			if data == "" {
				dir, err := os.MkdirTemp("", "rollcall-demo-")
				if err != nil {
					return err
				}
				defer os.RemoveAll(dir)
				data = dir
			}
			config := demoConfig(data)
			config.Server.Listen, config.Server.OpsListen = listen, opsListen
			return c.demo(cmd.Context(), config)
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "folder to keep the store in (default: a temporary one, removed at the end)")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address for SCIM, API and console; port 0 picks a free one")
	cmd.Flags().StringVar(&opsListen, "ops-listen", "127.0.0.1:9090", "address for health checks; port 0 picks a free one")
	return cmd
}

func demoConfig(data string) *Config {
	config := defaultConfig()
	config.Store.URL = "bolt:" + filepath.Join(data, "rollcall.db")
	config.Secrets.Keyring = filepath.Join(data, "keyring.json")
	config.Audit.Keyring = filepath.Join(data, "audit-keyring.json")
	s := &SourceConfig{}
	s.setDefaults(demoSource)
	s.Type, s.Path = "ldif", "demodata/directory.ldif"
	s.Users.Base, s.Groups.Base = "ou=people,dc=larkspur,dc=example", "ou=groups,dc=larkspur,dc=example"
	config.Sources[demoSource] = s
	return config
}

func (c *cli) demo(ctx context.Context, config *Config) error {
	log := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	core, err := openCore(ctx, config, directory, log)
	if err != nil {
		return openHint(err)
	}
	defer core.Close()
	s, err := core.listen(ctx, "all")
	if err != nil {
		return err
	}
	began := time.Now()
	report, err := core.sources[demoSource].runner.Run(ctx, dirsync.Demo)
	if err != nil {
		return err
	}
	if report.Result != dirsync.OK {
		_ = report.WriteText(c.stderr)
		return &exitError{reportCode(report), "the sample directory could not be brought in"}
	}
	token, err := core.demoToken(ctx)
	if err != nil {
		return err
	}
	c.welcome(report, time.Since(began), s.api.net.Addr().String(), token, core.config.Store.URL)
	err = s.run(ctx)
	fmt.Fprintln(c.stdout, "\nStopped.")
	return err
}

// demoToken makes a token for this run of the demo; those of earlier ones end by themselves.
func (c *core) demoToken(ctx context.Context) (string, error) {
	ctx = scim.WithActor(ctx, &scim.Actor{Kind: "operator", ID: "demo", Name: "demo", All: true})
	_, text, err := c.accounts.CreateToken(ctx, account.NewToken{
		Name: "demo", Workspace: "default", Scopes: account.Permissions(), Life: demoTokenLife,
	})
	return text, err
}

func (c *cli) welcome(report *dirsync.Report, took time.Duration, addr, token, store string) {
	n := report.Counts
	base := "http://" + addr
	p := func(format string, args ...any) { fmt.Fprintf(c.stdout, format+"\n", args...) }
	p("rollcall %s, the demo: everything in one process.", version)
	p("")
	p("  store    %s", store)
	p("  source   %s: %d people, %d groups of an invented company", report.Source, n.Users, n.Groups)
	p("  sync     %s in %.1f s: %d created, %d unchanged, %d memberships added", report.Result, took.Seconds(), n.Created, n.Unchanged, n.MembersAdded)
	p("  SCIM     %s/scim/v2", base)
	p("  console  %s/console/", base)
	p("  token    %s", token)
	p("           (may do everything in this demo, for 24 hours)")
	p("")
	p("Try, in another terminal:")
	p("")
	p("  export ROLLCALL_SERVER=%s ROLLCALL_TOKEN=%s", base, token)
	for _, command := range demoCommands(base) {
		p("  %s", command)
	}
	p("")
	p("Ctrl-C stops it.")
}

// demoCommands are what to try first. They work as they are printed.
func demoCommands(base string) []string {
	auth := `-H "Authorization: Bearer $ROLLCALL_TOKEN"`
	return []string{
		`curl -s ` + auth + ` '` + base + `/scim/v2/Users?filter=userName%20sw%20%22ada%22&count=2'`,
		`curl -s ` + auth + ` -H 'Content-Type: application/scim+json' ` + base + `/scim/v2/Users \
    -d '{"schemas":["` + scim.UserURN + `"],"userName":"grace@example.com","active":true}'`,
		`curl -s ` + auth + ` '` + base + `/scim/v2/Groups?filter=displayName%20eq%20%22Data%20Readers%22&excludedAttributes=members'`,
	}
}
