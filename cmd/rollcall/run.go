package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// cli is one call of the program: its surroundings and the flags that every command shares.
type cli struct {
	environ        []string
	stdin          io.Reader
	lines          *bufio.Reader // of stdin
	stdout, stderr io.Writer

	configFile string
	storeURL   string
	server     string
	token      string
	output     string
	color      string
}

// run is the whole program: arguments in, exit code out.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	return runInput(ctx, args, environ, os.Stdin, stdout, stderr)
}

func runInput(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "rollcall:", err)
	}
	return exitCode(err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rollcall",
		Short: "A SCIM 2.0 server and LDAP sync daemon",
		Example: `  rollcall demo                             # everything in one process, with sample data
  rollcall serve --config rollcall.yaml     # the server and the scheduler
  rollcall sync plan corp                   # what the next run would change`,
		SilenceUsage:          true,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v. `%s --help` lists the flags", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVarP(&c.configFile, "config", "c", "", "configuration file (default: ROLLCALL_CONFIG, ./rollcall.yaml, /etc/rollcall/rollcall.yaml)")
	f.StringVar(&c.storeURL, "store", "", "store URL, instead of store.url: redis://… or bolt:PATH")
	f.StringVar(&c.server, "server", c.env("ROLLCALL_SERVER"), "URL of a running server to talk to (ROLLCALL_SERVER); without it, the store is opened here")
	f.StringVar(&c.token, "token", "", "token for --server (ROLLCALL_TOKEN)")
	f.StringVarP(&c.output, "output", "o", "table", "table, json, yaml, jsonl or csv")
	f.StringVar(&c.color, "color", "auto", "colours: auto, always or never (NO_COLOR)")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.check() }
	root.AddCommand(c.serveCommand(), c.demoCommand(), c.syncCommand(), c.userCommand(), c.groupCommand(),
		c.tokenCommand(), c.schemaCommand(), c.eventsCommand(), c.clientCommand(), c.fsckCommand(), c.storeCommand(), c.deletedCommand(), c.configCommand(), c.openapiCommand(), c.versionCommand(), c.healthcheckCommand(), c.simulateCommand())
	root.AddCommand(c.peopleCommands()...)
	root.AddCommand(c.operateCommands()...)
	c.addQuestions(root)
	return root
}

func (c *cli) check() error {
	if err := c.setOutput(); err != nil {
		return err
	}
	if c.color != "auto" && c.color != "always" && c.color != "never" {
		return usagef("--color %q is none of auto, always, never", c.color)
	}
	if c.token == "" { // not the flag's default, which --help would print
		c.token = c.env("ROLLCALL_TOKEN")
	}
	return nil
}

// colour tells whether what is written to w may be coloured. No meaning is told by colour alone.
func (c *cli) colour(w io.Writer) bool {
	switch {
	case c.color == "always":
		return true
	case c.color == "never", c.env("NO_COLOR") != "", c.env("TERM") == "dumb":
		return false
	}
	return isTerminal(w)
}

// env reads one variable of the environment.
func (c *cli) env(name string) string {
	for i := len(c.environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(c.environ[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// noArgs and argsOf refuse arguments that a command does not take, with what to do.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		hint := ""
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf(" Did you mean %q?", near[0])
		}
		return usagef("%q is no command of %s.%s `%s --help` lists them", args[0], cmd.CommandPath(), hint, cmd.CommandPath())
	}
	return usagef("`%s` takes no arguments, got %q", cmd.CommandPath(), args[0])
}

func argsOf(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usagef("`%s` takes %s; got %d arguments. `%[1]s --help` shows how", cmd.CommandPath(), strings.Join(names, " and "), len(args))
	}
}

// group is a command that only holds others.
func (c *cli) group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: noArgs, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	g.AddCommand(commands...)
	return g
}

// operateCommands are for those who run the program.
func (c *cli) operateCommands() []*cobra.Command {
	return []*cobra.Command{c.doctorCommand(), c.backupCommand(), c.restoreCommand(), c.exportCommand(), c.importCommand(), c.applyCommand(), c.requestsCommand(), c.docsCommand()}
}
