package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"rollcall/internal/api"
)

// resource is one resource as SCIM sends it.
type resource map[string]any

func (r resource) text(name string) string {
	switch v := r[name].(type) {
	case nil:
		return "-"
	case string:
		return orDash(v)
	default:
		return fmt.Sprint(v)
	}
}

// primary is the primary, else the first, value of a multi-valued attribute.
func (r resource) primary(name string) string {
	values, _ := r[name].([]any)
	best := "-"
	for i, v := range values {
		m, _ := v.(map[string]any)
		if s, ok := m["value"].(string); ok && (i == 0 || m["primary"] == true) {
			best = s
		}
	}
	return best
}

func (c *cli) userCommand() *cobra.Command {
	columns := func(r resource) []string {
		return []string{r.text("id"), r.text("userName"), r.text("displayName"), r.primary("emails"), r.text("active")}
	}
	return c.group("user", "List users, make them, and say what they may do", append(c.accountCommands(),
		c.listCommand("Users", "user", []string{"id", "user name", "display name", "e-mail", "active"}, columns, `  rollcall user list --filter 'userName sw "a" and active eq true'
  rollcall user list --filter 'emails.value ew "@example.com"' -o json`),
		c.showCommand("Users", "user", "userName", "id, userName or externalId"))...)
}

func (c *cli) groupCommand() *cobra.Command {
	columns := func(r resource) []string {
		return []string{r.text("id"), r.text("displayName"), r.text("externalId")}
	}
	return c.group("group", "List groups, make them, and say who is in them", append(c.groupCommands(),
		c.listCommand("Groups", "group", []string{"id", "display name", "external id"}, columns, `  rollcall group list --filter 'displayName co "data"'`),
		c.showCommand("Groups", "group", "displayName", "id, displayName or externalId"))...)
}

// pageSize is how many resources a list asks for at a time.
const pageSize = 500

func (c *cli) listCommand(endpoint, noun string, heading []string, columns func(resource) []string, example string) *cobra.Command {
	var filter, workspace string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List " + noun + "s, all or by a SCIM filter", Args: noArgs, Example: example,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, total, err := c.list(cmd.Context(), scimPath(workspace, endpoint), filter, limit)
			if err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, all)
			}
			rows := make([][]string, len(all))
			for i, r := range all {
				rows[i] = columns(r)
			}
			if err := table(c.stdout, heading, rows); err != nil {
				return err
			}
			if total > len(all) {
				fmt.Fprintf(c.stderr, "%d of %d shown: --limit shows more\n", len(all), total)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&filter, "filter", "", "SCIM filter (RFC 7644 §3.4.2.2)")
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace (default: the token's)")
	cmd.Flags().IntVar(&limit, "limit", 100, "show at most so many, 0 for all")
	return cmd
}

// list reads pages until it has limit resources, or all of them.
func (c *cli) list(ctx context.Context, path, filter string, limit int) (all []resource, total int, err error) {
	query := url.Values{"excludedAttributes": {"members"}} // a list of groups with all their members helps nobody
	if filter != "" {
		query.Set("filter", filter)
	}
	all = []resource{}
	for {
		count := pageSize
		if limit > 0 {
			count = min(count, limit-len(all))
		}
		query.Set("startIndex", strconv.Itoa(len(all)+1))
		query.Set("count", strconv.Itoa(count))
		var page struct {
			TotalResults int
			Resources    []resource
		}
		if err := c.do(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, 0, err
		}
		all = append(all, page.Resources...)
		if len(page.Resources) == 0 || len(all) >= page.TotalResults || limit > 0 && len(all) >= limit {
			return all, page.TotalResults, nil
		}
	}
}

func (c *cli) showCommand(endpoint, noun, nameAttr, what string) *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show one " + noun + " by " + what, Args: argsOf("one " + what),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := c.find(cmd.Context(), scimPath(workspace, endpoint), nameAttr, args[0])
			if err != nil {
				return err
			}
			if r == nil {
				return &exitError{exitFailed, fmt.Sprintf("there is no %s %q: `rollcall %s list` shows them", noun, args[0], noun)}
			}
			return printJSON(c.stdout, r)
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace (default: the token's)")
	return cmd
}

// find looks for a resource by its id, then by its name, then by its externalId; nil for none.
func (c *cli) find(ctx context.Context, path, nameAttr, name string) (resource, error) {
	var r resource
	err := c.do(ctx, http.MethodGet, path+"/"+url.PathEscape(name), nil, nil, &r)
	var p *api.Problem
	if err == nil || !errors.As(err, &p) || p.Status != http.StatusNotFound {
		return r, err
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	for _, attr := range []string{nameAttr, "externalId"} {
		var page struct{ Resources []resource }
		query := url.Values{"filter": {attr + " eq " + string(quoted)}}
		if err := c.do(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, err
		}
		if len(page.Resources) > 0 {
			return page.Resources[0], nil
		}
	}
	return nil, nil
}

func scimPath(workspace, endpoint string) string {
	if workspace == "" {
		return "/scim/v2/" + endpoint
	}
	return "/w/" + url.PathEscape(workspace) + "/scim/v2/" + endpoint
}
