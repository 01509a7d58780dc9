package main

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) deletedCommand() *cobra.Command {
	return c.group("deleted", "List, restore and purge what was deleted", c.deletedListCommand(),
		c.deletedChange(http.MethodPost, "/restore", "restore", "Bring a resource back: its id, its members and its groups", "was restored"),
		c.deletedChange(http.MethodDelete, "", "purge", "Remove what was deleted for good, before its time (store.deleted_keep)", "was purged"))
}

func (c *cli) deletedListCommand() *cobra.Command {
	var typ, workspace string
	cmd := &cobra.Command{
		Use: "list", Short: "List what was deleted and can be restored", Args: noArgs,
		Example: `  rollcall deleted list
  rollcall deleted list --type Group -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []resource
			for after := ""; ; {
				var page struct {
					Deleted []resource `json:"deleted"`
					Next    string     `json:"next"`
				}
				query := url.Values{"type": {typ}, "limit": {"1000"}, "after": {after}}
				if workspace != "" {
					query.Set("workspace", workspace)
				}
				if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/deleted", query, nil, &page); err != nil {
					return err
				}
				all = append(all, page.Deleted...)
				if after = page.Next; after == "" {
					break
				}
			}
			if c.output == "json" {
				return printJSON(c.stdout, all)
			}
			rows := make([][]string, len(all))
			for i, r := range all {
				attrs, _ := r["attributes"].(map[string]any)
				of := resource(attrs)
				at, _ := time.Parse(time.RFC3339, r.text("deletedAt"))
				name := of.text("userName")
				if name == "-" {
					name = of.text("displayName")
				}
				rows[i] = []string{r.text("type"), r.text("id"), name, r.text("owner"), when(at)}
			}
			return table(c.stdout, []string{"type", "id", "name", "owner", "deleted"}, rows)
		},
	}
	cmd.Flags().StringVar(&typ, "type", "User", "type of the resources: User, Group or one of the workspace's own")
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace, instead of the token's or the default one")
	return cmd
}

func (c *cli) deletedChange(method, path, verb, short, done string) *cobra.Command {
	var typ, workspace string
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: argsOf("the ID of what was deleted (see `rollcall deleted list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			if workspace != "" {
				query.Set("workspace", workspace)
			}
			err := c.do(cmd.Context(), method, "/api/v1/deleted/"+url.PathEscape(typ)+"/"+url.PathEscape(args[0])+path, query, nil, nil)
			if err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, map[string]any{"type": typ, "id": args[0], "done": verb})
			}
			fmt.Fprintf(c.stdout, "%s %s %s\n", typ, args[0], done)
			return nil
		},
	}
	cmd.Flags().StringVar(&typ, "type", "User", "type of the resource")
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace, instead of the token's or the default one")
	return cmd
}
