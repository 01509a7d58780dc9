package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/internal/recorder"
)

func (c *cli) requestsCommand() *cobra.Command {
	return c.group("requests", "See what clients sent lately, without secrets, and send it again",
		c.requestsListCommand(), c.requestsShowCommand(), c.requestsCurlCommand(), c.requestsReplayCommand())
}

// recorded asks the server for what it keeps. A store that is opened here has answered nobody.
func (c *cli) recorded(ctx context.Context, workspace string, query url.Values) ([]recorder.Exchange, error) {
	if c.server == "" {
		return nil, usagef("requests are in the memory of a running server: give --server, or set ROLLCALL_SERVER")
	}
	if workspace != "" {
		query.Set("workspace", workspace)
	}
	var list struct{ Requests []recorder.Exchange }
	err := c.do(ctx, http.MethodGet, "/api/v1/requests", query, nil, &list)
	return list.Requests, err
}

func (c *cli) requestsListCommand() *cobra.Command {
	var name, contains string
	var failed bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List what clients sent lately, newest first", Args: noArgs,
		Example: `  rollcall requests list --client okta --failed
  rollcall requests list --contains ada@example.com -o json`,
	}
	workspace := workspaceFlag(cmd)
	cmd.Flags().StringVar(&name, "client", "", "of this client alone")
	cmd.Flags().StringVar(&contains, "contains", "", "a text in the URL, the body or the answer")
	cmd.Flags().BoolVar(&failed, "failed", false, "only those with a status of 400 and more")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many, at most 1000")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"client": {name}, "contains": {contains}, "failed": {strconv.FormatBool(failed)}, "limit": {strconv.Itoa(limit)}}
		list, err := c.recorded(cmd.Context(), *workspace, query)
		if err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, list)
		}
		rows := make([][]string, len(list))
		for i, x := range list {
			rows[i] = []string{x.ID, when(x.At), orDash(x.Client), strconv.Itoa(x.Status), orDash(x.SCIMType), x.Method, x.URL, fmt.Sprintf("%.1f ms", x.Millis)}
		}
		return table(c.stdout, []string{"id", "at", "client", "status", "type", "method", "url", "took"}, rows)
	}
	return cmd
}

// oneRequest finds an exchange by its id.
func (c *cli) oneRequest(ctx context.Context, workspace, id string) (*recorder.Exchange, error) {
	list, err := c.recorded(ctx, workspace, url.Values{"limit": {"1000"}})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ID == id && strings.HasPrefix(list[i].URL, "/") {
			return &list[i], nil
		}
	}
	return nil, &exitError{exitFailed, fmt.Sprintf("the request %q is not kept any more, or by another replica: `rollcall requests list` shows them", id)}
}

func (c *cli) requestCommand(use, short string, run func(*cobra.Command, *recorder.Exchange) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: argsOf("an ID (see `rollcall requests list`)")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x, err := c.oneRequest(cmd.Context(), *workspace, args[0])
		if err != nil {
			return err
		}
		return run(cmd, x)
	}
	return cmd
}

func (c *cli) requestsShowCommand() *cobra.Command {
	cmd := c.requestCommand("show ID", "Show one request and its answer", func(_ *cobra.Command, x *recorder.Exchange) error {
		if c.output == "json" {
			return printJSON(c.stdout, x)
		}
		out := c.stdout
		fmt.Fprintf(out, "%s %s\n", x.Method, x.URL)
		for _, name := range slices.Sorted(maps.Keys(x.Headers)) {
			fmt.Fprintf(out, "%s: %s\n", name, x.Headers[name])
		}
		fmt.Fprintf(out, "\n%s\n", x.Body)
		if x.NotKept != "" {
			fmt.Fprintf(out, "(the body is not kept: %s)\n", x.NotKept)
		}
		_, err := fmt.Fprintf(out, "→ %d %s in %.1f ms, %s, client %s, workspace %s, request %s\n%s\n", x.Status, x.SCIMType, x.Millis, when(x.At), orDash(x.Client), orDash(x.Workspace), x.RequestID, x.Answer)
		return err
	})
	cmd.Example = "  rollcall requests show 17"
	return cmd
}

// target is the URL of an exchange, in its own workspace whatever the token's is.
func target(x *recorder.Exchange) string {
	if path, ok := strings.CutPrefix(x.URL, "/scim/"); ok && x.Workspace != "" {
		return "/w/" + url.PathEscape(x.Workspace) + "/scim/" + path
	}
	return x.URL
}

// whole refuses an exchange that cannot be sent as it was.
func whole(x *recorder.Exchange) error {
	switch {
	case x.NotKept != "":
		return &exitError{exitFailed, fmt.Sprintf("request %s cannot be sent again, since its body is not kept: %s", x.ID, x.NotKept)}
	case x.Redacted:
		return &exitError{exitFailed, fmt.Sprintf("request %s cannot be sent again: it had a secret, which is not kept. `rollcall requests curl` prints it for you to fill in", x.ID)}
	}
	return nil
}

func (c *cli) requestsCurlCommand() *cobra.Command {
	cmd := c.requestCommand("curl ID", "Print a request as a curl command, with your own token", func(_ *cobra.Command, x *recorder.Exchange) error {
		var b strings.Builder
		fmt.Fprintf(&b, "curl -sS -X %s", quoteShell(x.Method))
		b.WriteString(` -H "Authorization: Bearer $ROLLCALL_TOKEN"`)
		for _, name := range slices.Sorted(maps.Keys(x.Headers)) {
			if name != "User-Agent" {
				fmt.Fprintf(&b, " -H %s", quoteShell(name+": "+x.Headers[name]))
			}
		}
		if x.Body != "" {
			fmt.Fprintf(&b, " --data-binary %s", quoteShell(x.Body))
		}
		fmt.Fprintf(&b, " %s\n", quoteShell(strings.TrimSuffix(c.server, "/")+target(x)))
		if x.NotKept != "" {
			fmt.Fprintf(c.stderr, "The body is missing: %s.\n", x.NotKept)
		} else if x.Redacted {
			fmt.Fprintf(c.stderr, "A secret stands as %q: put it in.\n", recorder.Redacted)
		}
		_, err := io.WriteString(c.stdout, b.String())
		return err
	})
	cmd.Example = "  rollcall requests curl 17 | sh"
	return cmd
}

// quoteShell is a text as one word of a shell.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (c *cli) requestsReplayCommand() *cobra.Command {
	var yes *bool
	cmd := c.requestCommand("replay ID", "Send a request again, as yourself", func(cmd *cobra.Command, x *recorder.Exchange) error {
		if err := whole(x); err != nil {
			return err
		}
		if x.Method != http.MethodGet && x.Method != http.MethodHead && !strings.HasSuffix(x.URL, "/.search") {
			if err := c.confirm(*yes, fmt.Sprintf("%s %s may change something", x.Method, target(x)), "yes"); err != nil {
				return err
			}
		}
		client, err := remote(c.server, c.token)
		if err != nil {
			return err
		}
		return c.replay(cmd.Context(), client, x)
	})
	cmd.Long = `Send a request again with your own token and rights, to the workspace that it went to. What may
change something wants --yes, or an answer at a terminal. The answer goes to stdout, its status to
stderr; exit code 1 where it is an error.`
	cmd.Example = `  rollcall requests replay 17
  rollcall requests replay 18 --yes`
	yes = yesFlag(cmd)
	return cmd
}

func (c *cli) replay(ctx context.Context, client *client, x *recorder.Exchange) error {
	req, err := http.NewRequestWithContext(ctx, x.Method, strings.TrimSuffix(client.base.String(), "/")+target(x), strings.NewReader(x.Body))
	if err != nil {
		return err
	}
	for name, value := range x.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Authorization", "Bearer "+client.token)
	resp, err := client.http.Do(req)
	if err != nil {
		return unreachable(client.base.Host, err)
	}
	defer resp.Body.Close()
	fmt.Fprintf(c.stderr, "%s (it was %d)\n", resp.Status, x.Status)
	out := c.stdout
	if f, special := out.(*formatted); special {
		out = f.Writer
	}
	if _, err := io.Copy(out, resp.Body); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if resp.StatusCode >= http.StatusBadRequest {
		return &exitError{code: exitFailed}
	}
	return nil
}
