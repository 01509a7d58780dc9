package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/account"
	"rollcall/internal/audit"
)

func (c *cli) auditCommand() *cobra.Command {
	return c.group("audit", "Read the audit, and prove that nobody has tampered with it",
		c.auditListCommand(), c.auditVerifyCommand(), c.auditRotateCommand())
}

func (c *cli) auditListCommand() *cobra.Command {
	var filter string
	var count int
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List who did what, newest first", Args: noArgs,
		Long: `List the changes of resources and the events of a workspace (or of all together, with
--workspace sys), newest first. --filter is a SCIM filter over the attributes that docs/audit.md
lists. With -o jsonl each line of the output is one line of the audit, with what attributes were
before and after: an export.`,
		Example: `  rollcall audit list --filter 'type eq "login.failed" and at gt "2026-11-01T00:00:00Z"'
  rollcall audit list --filter 'subject eq "0192…" or actor eq "user:0192…"'
  rollcall audit list --all -o jsonl > audit.jsonl`,
	}
	workspace := workspaceFlag(cmd)
	cmd.Flags().StringVar(&filter, "filter", "", "SCIM filter that a line has to match")
	cmd.Flags().IntVar(&count, "count", 50, "how many lines to list")
	cmd.Flags().BoolVar(&all, "all", false, "list all that there are")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if count < 1 {
			return usagef("--count %d: it is at least 1", count)
		}
		query := url.Values{}
		if *workspace != "" {
			query.Set("workspace", *workspace)
		}
		if filter != "" {
			query.Set("filter", filter)
		}
		client, done, err := c.dial(cmd.Context())
		if err != nil {
			return err
		}
		defer done()
		lines := []audit.Line{}
		for all || len(lines) < count {
			query.Set("count", "1000")
			if !all {
				query.Set("count", strconv.Itoa(min(count-len(lines), 1000)))
			}
			var page audit.Page
			if err := client.call(cmd.Context(), http.MethodGet, "/api/v1/audit", query, nil, &page); err != nil {
				return err
			}
			lines = append(lines, page.Lines...)
			if page.Next == "" {
				break
			}
			query.Set("cursor", page.Next)
		}
		return c.printAudit(lines)
	}
	return cmd
}

func (c *cli) printAudit(lines []audit.Line) error {
	if c.output == "json" {
		return printJSON(c.stdout, lines)
	}
	rows := make([][]string, len(lines))
	for i, l := range lines {
		subject, what := "-", []string{}
		if l.Subject != nil {
			subject = l.Subject.Type + "/" + l.Subject.ID
		}
		for _, ch := range l.Changes {
			what = append(what, ch.Attribute[strings.LastIndex(ch.Attribute, ":")+1:])
		}
		if n := len(l.Added) + len(l.Removed); n > 0 {
			what = append(what, fmt.Sprintf("+%d -%d members", len(l.Added), len(l.Removed)))
		}
		if len(l.Detail) > 0 {
			if text, err := json.Marshal(l.Detail); err == nil && len(text) <= 120 {
				what = append(what, string(text))
			}
		}
		if l.Outcome != "" {
			what = append(what, l.Outcome)
		}
		actor := cmp.Or(l.Actor, "-")
		if l.By != "" {
			actor += " by " + l.By
		}
		rows[i] = []string{when(l.At), l.Type, actor, subject, strings.Join(what, " ")}
	}
	return table(c.stdout, []string{"time", "type", "actor", "subject", "what"}, rows)
}

func (c *cli) auditVerifyCommand() *cobra.Command {
	var from uint64
	var workspace string
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that no line of the audit was changed, removed, put elsewhere or cut off", Args: noArgs,
		Long: `Check the audit of every workspace, or of one: that every block follows the one before and was
sealed with a key of the keyring (audit.keyring), that every change of the feed is still what was
sealed, and that the newest block is there that was noted beside the keyring.

Exit code 0 when all is well, 1 when something is not.`,
		Example: `  rollcall audit verify
  rollcall audit verify --workspace lab -o json
  rollcall audit verify --workspace default --from 1200   # behind a backup that was restored`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			names := []string{workspace}
			if workspace == "" {
				if names, err = auditedBy(cmd, client); err != nil {
					return err
				}
			}
			reports, bad := []audit.Report{}, false
			for _, name := range names {
				query := url.Values{"from": {strconv.FormatUint(from, 10)}}
				if name != "" {
					query.Set("workspace", name)
				}
				var r audit.Report
				if err := client.call(cmd.Context(), http.MethodGet, "/api/v1/audit/verify", query, nil, &r); err != nil {
					return err
				}
				reports, bad = append(reports, r), bad || len(r.Findings) > 0
			}
			if err := c.printVerified(reports); err != nil {
				return err
			}
			if bad {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "this workspace alone, or sys for what belongs to none (default: all that you may enter)")
	cmd.Flags().Uint64Var(&from, "from", 0, "begin with this block, instead of the oldest")
	return cmd
}

// auditedBy are the workspaces whose audits the caller may read: their own, where they may not list any.
func auditedBy(cmd *cobra.Command, client *client) ([]string, error) {
	var answer struct{ Workspaces []account.WorkspaceInfo }
	if err := client.call(cmd.Context(), http.MethodGet, "/api/v1/workspaces", nil, nil, &answer); err != nil {
		return []string{""}, nil //nolint:nilerr // the token's own
	}
	var names []string
	for _, w := range answer.Workspaces {
		names = append(names, w.Name)
	}
	// Who may not enter every workspace gets 404 for what belongs to none.
	err := client.call(cmd.Context(), http.MethodGet, "/api/v1/audit", url.Values{"workspace": {account.SystemAudit}, "count": {"1"}}, nil, nil)
	if err == nil && !slices.Contains(names, account.SystemAudit) {
		names = append(names, account.SystemAudit)
	}
	return names, nil
}

func (c *cli) printVerified(reports []audit.Report) error {
	if c.output == "json" {
		return printJSON(c.stdout, reports)
	}
	for _, r := range reports {
		for _, f := range r.Findings {
			fmt.Fprintf(c.stdout, "%s: %s\n", r.Workspace, f)
		}
		if r.More {
			fmt.Fprintf(c.stdout, "%s: there is more; these are the first %d\n", r.Workspace, len(r.Findings))
		}
		verdict := "whole"
		if n := len(r.Findings); n > 0 {
			verdict = fmt.Sprintf("NOT whole, %d findings", n)
		}
		fmt.Fprintf(c.stdout, "%s: %s: %d blocks from %d on, %d changes (%d trimmed, %d not sealed yet), %d events, %d erased\n",
			r.Workspace, verdict, r.Blocks, r.From, r.Changes, r.Trimmed, r.Unsealed, r.Events, r.Erased)
	}
	return nil
}

func (c *cli) auditRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Make a new key to seal the audit with; what was sealed before keeps its own", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var done struct {
				Key string `json:"key"`
			}
			if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/audit/rotate", nil, nil, &done); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, done)
			}
			fmt.Fprintf(c.stdout, "The audit is sealed with the new key %s from now on. Copy the keyring to every replica, and into your backup of it.\n", done.Key)
			return nil
		},
	}
}
