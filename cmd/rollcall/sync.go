package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	dirsync "rollcall/sync"
)

func (c *cli) syncCommand() *cobra.Command {
	return c.group("sync", "Bring people and groups in from the sources",
		c.syncPlanCommand(), c.syncApplyCommand(), c.syncRunCommand(), c.syncApproveCommand(), c.syncUndoCommand(), c.syncCancelCommand(),
		c.syncListCommand(), c.syncShowCommand())
}

func sourcePath(source, what string) string {
	path := "/api/v1/sources/" + url.PathEscape(source)
	if what != "" {
		path += "/" + what
	}
	return path
}

// runExits says what the commands that run a source end with.
const runExits = `Exit codes: 0 all of it is in · 1 refused, the world moved since the plan · 4 some entries could not
be used · 5 the guard refused, nothing was applied · 6 the directory or the store could not be
reached · 7 another run of the source is under way. docs/ldap.md says what to do about each.`

// order makes a call that plans or runs a source, shows how far it is at a terminal, and prints the
// report that it answers.
func (c *cli) order(ctx context.Context, path string) (*dirsync.Report, error) {
	client, done, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	report := &dirsync.Report{}
	err = c.withProgress(ctx, client, path, func() error {
		return client.call(ctx, http.MethodPost, path, nil, nil, report)
	})
	if err != nil {
		return nil, err
	}
	if err := c.printWhole(ctx, client, report); err != nil {
		return nil, err
	}
	if code := reportCode(report); code != exitDone {
		return report, &exitError{code: code}
	}
	return report, nil
}

func (c *cli) syncPlanCommand() *cobra.Command {
	var exitCode bool
	cmd := &cobra.Command{
		Use: "plan SOURCE", Short: "Show what a run would change, and change nothing", Args: argsOf("a SOURCE"),
		Long: `Show what a run would change, every change with its old and its new values, and change nothing.

The plan is kept: rollcall sync apply PLAN does just that, or refuses if the world has moved since.`,
		Example: `  rollcall sync plan corp
  rollcall sync plan corp --exit-code    # 3 if anything would change`,
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := c.order(cmd.Context(), sourcePath(args[0], "plans"))
			if err == nil && exitCode && report.ChangeCount > 0 {
				return &exitError{code: exitDifferent}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "end with 3 where anything would change")
	return cmd
}

// orderCommand is a command that does something with the id or name of its argument.
func (c *cli) orderCommand(cmd *cobra.Command, path func(arg string) string) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		_, err := c.order(cmd.Context(), path(args[0]))
		return err
	}
	return cmd
}

func (c *cli) syncRunCommand() *cobra.Command {
	return c.orderCommand(&cobra.Command{
		Use: "run SOURCE", Short: "Run a source now", Args: argsOf("a SOURCE"),
		Long: "Run a source now, and wait for its end.\n\n" + runExits,
	}, func(source string) string { return sourcePath(source, "runs") })
}

func (c *cli) syncApplyCommand() *cobra.Command {
	return c.orderCommand(&cobra.Command{
		Use: "apply PLAN", Short: "Apply a plan: just what it shows, or nothing", Args: argsOf("a PLAN (its id is what `rollcall sync plan` shows)"),
		Long: `Apply a plan that ` + "`rollcall sync plan`" + ` has made. The source is read again: where that does not
lead to just the changes that the plan shows, nothing is applied, and what has moved is listed.

` + runExits,
		Example: `  rollcall sync apply 0199d2c1-7f3a-7c7e-8a51-3a9be0c5a7b2`,
	}, func(id string) string { return "/api/v1/sync/plans/" + url.PathEscape(id) + "/apply" })
}

func (c *cli) syncApproveCommand() *cobra.Command {
	return c.orderCommand(&cobra.Command{
		Use: "approve RUN", Short: "Apply what the guard has blocked", Args: argsOf("a RUN or PLAN that is blocked, the name of a source for its newest run, or last"),
		Long: `Apply what a blocked run, or a blocked plan, shows. The source is read again: where that does not
lead to just the same changes, nothing is applied, and what has moved is listed.

` + runExits,
		Example: `  rollcall sync show last       # look at it first
  rollcall sync approve last`,
	}, func(id string) string { return runPath(id, "approve") })
}

func (c *cli) syncUndoCommand() *cobra.Command {
	return c.orderCommand(&cobra.Command{
		Use: "undo RUN", Short: "Take back what a run did", Args: argsOf("a RUN, the name of a source for its newest run, or last"),
		Long: `Take back what a run did: each person and group becomes what it was before, where nobody has
changed it since. What somebody has changed is left as it is and listed (exit code 4). From then
on scheduled runs of the source that would change anything wait for you: put the directory or the
settings right, and run the source by hand.

` + runExits,
		Example: `  rollcall sync list --source corp
  rollcall sync undo 0199d2c1-7f3a-7c7e-8a51-3a9be0c5a7b2`,
	}, func(id string) string { return runPath(id, "undo") })
}

func (c *cli) syncCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel RUN", Short: "Stop a run that is under way", Args: argsOf("a RUN, the name of a source for its newest run, or last"),
		Long: `Stop a run that is under way, on whichever replica. What it had applied stays; the next run does
the rest. The run itself ends with exit code 130.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var report dirsync.Report
			if err := c.do(cmd.Context(), http.MethodPost, runPath(args[0], "cancel"), nil, nil, &report); err != nil {
				return err
			}
			if report.Result == dirsync.Running {
				return errors.New("the run was told to stop, and has not ended yet: `rollcall sync show " + report.ID + "` tells when it has")
			}
			return c.printReport(&report)
		},
	}
}

func (c *cli) printReport(r *dirsync.Report) error {
	if c.output == "json" {
		return printJSON(c.stdout, r)
	}
	return r.WriteText(c.stdout)
}
