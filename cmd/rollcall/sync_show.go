package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	dirsync "rollcall/sync"
)

func (c *cli) syncListCommand() *cobra.Command {
	var source string
	var limit int
	var plans bool
	cmd := &cobra.Command{
		Use: "list", Short: "List past runs, newest first", Args: noArgs,
		Example: `  rollcall sync list
  rollcall sync list --source corp --plans    # the plans that are kept, instead of runs`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, query := "/api/v1/sync/runs", url.Values{"limit": {strconv.Itoa(limit)}}
			switch {
			case plans && source == "":
				return usagef("--plans needs --source: plans are kept by source")
			case plans:
				path = sourcePath(source, "plans")
			case source != "":
				query.Set("source", source)
			}
			var list struct {
				Runs  []*dirsync.Report `json:"runs"`
				Plans []*dirsync.Report `json:"plans"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, path, query, nil, &list); err != nil {
				return err
			}
			reports := list.Runs
			if plans {
				reports = list.Plans
			}
			if c.output == "json" {
				return printJSON(c.stdout, reports)
			}
			return c.printRuns(reports, plans)
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "of this source alone")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many")
	cmd.Flags().BoolVar(&plans, "plans", false, "plans instead of runs")
	return cmd
}

func (c *cli) printRuns(reports []*dirsync.Report, plans bool) error {
	first := "run"
	if plans {
		first = "plan"
	}
	rows := make([][]string, len(reports))
	for i, r := range reports {
		n := r.Counts.Tally
		if plans {
			n = r.Planned
		}
		rows[i] = []string{r.ID, r.Source, string(r.Trigger), when(r.Started), string(r.Result),
			fmt.Sprint(r.Counts.Users), fmt.Sprint(r.Counts.Groups), fmt.Sprint(n.Created), fmt.Sprint(n.Updated),
			fmt.Sprint(n.Disabled), fmt.Sprint(n.Deleted), fmt.Sprint(r.ErrorCount)}
	}
	return table(c.stdout, []string{first, "source", "trigger", "started", "result", "users", "groups", "created", "updated", "disabled", "deleted", "errors"}, rows)
}

func (c *cli) syncShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show one run or plan: its changes, and the entries it could not use",
		Args: argsOf("a RUN or PLAN (see `rollcall sync list`), the name of a source for its newest run, or last"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			var report dirsync.Report
			if err := client.call(cmd.Context(), http.MethodGet, runPath(args[0], ""), nil, nil, &report); err != nil {
				return err
			}
			return c.printWhole(cmd.Context(), client, &report)
		},
	}
}

func runPath(id, what string) string {
	path := "/api/v1/sync/runs/" + url.PathEscape(id)
	if what != "" {
		path += "/" + what
	}
	return path
}

// printWhole prints a report with every change of it that is kept.
func (c *cli) printWhole(ctx context.Context, client *client, r *dirsync.Report) error {
	for len(r.Changes) < r.ChangeCount {
		var page struct {
			Changes []dirsync.Change `json:"changes"`
		}
		query := url.Values{"from": {strconv.Itoa(len(r.Changes))}}
		if err := client.call(ctx, http.MethodGet, runPath(r.ID, "changes"), query, nil, &page); err != nil {
			return err
		}
		if len(page.Changes) == 0 {
			break // a run that was applied keeps the first ones; the change feed has the rest
		}
		r.Changes = append(r.Changes, page.Changes...)
	}
	if c.output == "json" {
		return printJSON(c.stdout, r)
	}
	return r.WriteText(c.stdout)
}
