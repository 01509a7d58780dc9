package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"rollcall/account"
)

func (c *cli) trialCommand() *cobra.Command {
	var days int
	grant := &cobra.Command{Use: "grant USER", Short: "Grant a user a trial from now on", Args: argsOf("a USER"),
		Example: "  rollcall trial grant ada --days 30"}
	where := workspaceFlag(grant)
	grant.Flags().IntVar(&days, "days", 30, "for how many days")
	grant.RunE = func(cmd *cobra.Command, args []string) error {
		now := time.Now()
		return c.putTrial(cmd.Context(), *where, args[0], func(account.Trial) (int64, int64) {
			return now.UnixMilli(), now.AddDate(0, 0, days).UnixMilli()
		})
	}
	expire := &cobra.Command{Use: "expire USER", Short: "End a user's trial now", Args: argsOf("a USER")}
	at := workspaceFlag(expire)
	expire.RunE = func(cmd *cobra.Command, args []string) error {
		return c.putTrial(cmd.Context(), *at, args[0], func(t account.Trial) (int64, int64) {
			return t.GrantedOn, max(t.GrantedOn, time.Now().UnixMilli())
		})
	}
	show := &cobra.Command{Use: "show USER", Short: "Show a user's trial", Args: argsOf("a USER")}
	of := workspaceFlag(show)
	show.RunE = func(cmd *cobra.Command, args []string) error {
		t, _, err := c.trial(cmd.Context(), *of, args[0])
		if err != nil {
			return err
		}
		return c.printTrial(t)
	}
	list := &cobra.Command{Use: "list", Short: "List the users who have or had a trial", Args: noArgs}
	in := workspaceFlag(list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		all, _, err := c.list(cmd.Context(), scimPath(*in, "Users"), accountURN+":trial.grantedOn pr", 0)
		if err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, all)
		}
		rows := make([][]string, len(all))
		for i, r := range all {
			ext, _ := r[accountURN].(map[string]any)
			trial, _ := ext["trial"].(map[string]any)
			rows[i] = []string{r.text("userName"), resource(trial).text("grantedOn"), resource(trial).text("expiresOn"), r.text("active")}
		}
		return table(c.stdout, []string{"user", "granted", "expires", "active"}, rows)
	}
	return c.group("trial", "Grant trials, list them and end them", grant, show, list, expire)
}

const accountURN = "urn:rollcall:params:scim:schemas:extension:account:2.0:User"

func (c *cli) trial(ctx context.Context, workspace, user string) (t account.Trial, path string, err error) {
	id, query, err := c.userRef(ctx, workspace, user)
	if err != nil {
		return t, "", err
	}
	path = "/api/v1/users/" + url.PathEscape(id) + "/trial"
	return t, path, c.do(ctx, http.MethodGet, path, query, nil, &t)
}

func (c *cli) putTrial(ctx context.Context, workspace, user string, dates func(account.Trial) (grantedOn, expiresOn int64)) error {
	t, path, err := c.trial(ctx, workspace, user)
	if err != nil {
		return err
	}
	granted, expires := dates(t)
	if granted == 0 {
		return &exitError{exitFailed, user + " never had a trial: `rollcall trial grant` grants one"}
	}
	body := map[string]int64{"grantedOn": granted, "expiresOn": expires}
	if err := c.do(ctx, http.MethodPut, path, inWorkspace(workspace), body, &t); err != nil {
		return err
	}
	return c.printTrial(t)
}

func (c *cli) printTrial(t account.Trial) error {
	if c.output == "json" {
		return printJSON(c.stdout, t)
	}
	at := func(milli int64) string {
		if milli == 0 {
			return "-"
		}
		return when(time.UnixMilli(milli))
	}
	return table(c.stdout, []string{"granted", "expires", "valid", "expired"}, [][]string{{at(t.GrantedOn), at(t.ExpiresOn), fmt.Sprint(t.Valid), fmt.Sprint(t.Expired)}})
}
