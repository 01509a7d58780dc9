package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	dirsync "rollcall/sync"
)

func (c *cli) syncCommand() *cobra.Command {
	return c.group("sync", "Bring people and groups in from the sources",
		c.syncPlanCommand(), c.syncRunCommand(), c.syncListCommand(), c.syncShowCommand())
}

func sourcePath(source, what string) string {
	return "/api/v1/sources/" + url.PathEscape(source) + "/" + what
}

func (c *cli) syncPlanCommand() *cobra.Command {
	var exitCode bool
	cmd := &cobra.Command{
		Use: "plan SOURCE", Short: "Show what a run would change, and change nothing", Args: argsOf("a SOURCE"),
		Example: `  rollcall sync plan corp
  rollcall sync plan corp --exit-code    # 3 if anything would change`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var report dirsync.Report
			if err := c.do(cmd.Context(), http.MethodPost, sourcePath(args[0], "plans"), nil, nil, &report); err != nil {
				return err
			}
			if err := c.printReport(&report); err != nil {
				return err
			}
			if code := reportCode(&report); code != exitDone {
				return &exitError{code: code}
			}
			if exitCode && report.ChangeCount > 0 {
				return &exitError{code: exitDifferent}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "end with 3 where anything would change")
	return cmd
}

func (c *cli) syncRunCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run SOURCE", Short: "Run a source now", Args: argsOf("a SOURCE"),
		Long: `Run a source now, and wait for its end.

Exit codes: 0 all of it is in · 4 some entries could not be used · 5 the guard refused, nothing was
applied · 6 the directory or the store could not be reached · 7 another run of the source is under
way. docs/ldap.md says what to do about each.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var report dirsync.Report
			if err := c.do(cmd.Context(), http.MethodPost, sourcePath(args[0], "runs"), nil, nil, &report); err != nil {
				return err
			}
			if err := c.printReport(&report); err != nil {
				return err
			}
			if code := reportCode(&report); code != exitDone {
				return &exitError{code: code}
			}
			return nil
		},
	}
}

func (c *cli) syncListCommand() *cobra.Command {
	var source string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List past runs, newest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if source != "" {
				query.Set("source", source)
			}
			var list struct {
				Runs []*dirsync.Report `json:"runs"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/sync/runs", query, nil, &list); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, list.Runs)
			}
			rows := make([][]string, len(list.Runs))
			for i, r := range list.Runs {
				n := r.Counts
				rows[i] = []string{r.ID, r.Source, string(r.Trigger), when(r.Started), string(r.Result),
					fmt.Sprint(n.Users), fmt.Sprint(n.Groups), fmt.Sprint(n.Created), fmt.Sprint(n.Updated), fmt.Sprint(n.Disabled), fmt.Sprint(r.ErrorCount)}
			}
			return table(c.stdout, []string{"run", "source", "trigger", "started", "result", "users", "groups", "created", "updated", "disabled", "errors"}, rows)
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "of this source alone")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many")
	return cmd
}

func (c *cli) syncShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show one run: its changes, and the entries it could not use", Args: argsOf("a RUN (see `rollcall sync list`), or last"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var report dirsync.Report
			if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/sync/runs/"+url.PathEscape(args[0]), nil, nil, &report); err != nil {
				return err
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
