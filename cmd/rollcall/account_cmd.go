package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rollcall/account"
	"rollcall/scim"
)

// peopleCommands are the commands about accounts that stand by themselves.
func (c *cli) peopleCommands() []*cobra.Command {
	return []*cobra.Command{
		c.loginCommand(), c.logoutCommand(), c.passwordCommand(), c.sessionCommand(), c.impersonateCommand(),
		c.invitationCommand(), c.registrationCommand(), c.discoverCommand(), c.emailCommand(),
		c.leaseCommand(), c.trialCommand(), c.secretCommand(), c.credentialCommand(), c.workspaceCommand(), c.settingsCommand(), c.auditCommand(),
	}
}

// accountCommands are those of `rollcall user` beside list and show.
func (c *cli) accountCommands() []*cobra.Command {
	return []*cobra.Command{
		c.userCreateCommand(), c.userUpdateCommand(), c.userGroupsCommand(), c.userRoleCommand(),
		c.userActiveCommand("disable NAME", "Lock a user out: sessions end, tokens are suspended", false),
		c.userActiveCommand("enable NAME", "Let a disabled user in again", true),
		c.userStateCommand("deactivate NAME", "Take a user offline: kept, and shown in no list"), c.userEraseCommand(), c.userActivateCommand(),
		c.userDeleteCommand(), c.userWhyCommand(), c.userMatrixCommand(),
	}
}

// userRef is the path of one user under /api/v1, and the query that names the workspace.
func (c *cli) userRef(ctx context.Context, workspace, name string) (id string, query url.Values, err error) {
	id, err = c.userID(ctx, workspace, name)
	return id, inWorkspace(workspace), err
}

func (c *cli) userCreateCommand() *cobra.Command {
	var display, email, id string
	var options creation
	var groups []string
	var password, mail bool
	cmd := &cobra.Command{
		Use: "create USER-NAME", Short: "Make a user, with roles and groups", Args: argsOf("a USER-NAME"),
		Example: `  rollcall user create ada --name "Ada Lovelace" --email ada@example.com --role admin
  echo 'correct horse battery' | rollcall user create ada --password --group Engineering`,
	}
	workspace := workspaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&display, "name", "", "name to show")
	f.StringVar(&email, "email", "", "e-mail address")
	options.register(cmd)
	f.BoolVar(&mail, "mail", false, "mail them a link by which they set a password")
	f.StringVar(&id, "id", "", "id, a UUID (default: a new one)")
	f.StringSliceVar(&groups, "group", nil, "group that they join, by name or id; may be repeated")
	f.BoolVar(&password, "password", false, "ask for a password, or read it from the input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		user := map[string]any{"userName": args[0]}
		if display != "" {
			user["displayName"] = display
		}
		if email != "" {
			user["emails"] = []any{map[string]any{"value": email, "primary": true}}
		}
		if password {
			text, err := c.readSecret("Password")
			if err != nil {
				return err
			}
			user["password"] = text
		}
		body := map[string]any{"user": user}
		options.into(cmd, body)
		if mail {
			body["mail"] = true
		}
		if id != "" {
			body["id"] = id
		}
		if len(groups) > 0 {
			body["groups"] = groups
		}
		var made resource
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/users", inWorkspace(*workspace), body, &made); err != nil {
			return err
		}
		return c.printUser(made)
	}
	return cmd
}

// printUser prints a user: the id alone, or all of it as JSON.
func (c *cli) printUser(r resource) error {
	if c.output == "json" {
		return printJSON(c.stdout, r)
	}
	_, err := fmt.Fprintln(c.stdout, r.text("id"))
	return err
}

func (c *cli) userGroupsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "groups NAME [GROUP...]", Short: "Put a user into these groups and no others", Args: cobra.MinimumNArgs(1),
		Example: "  rollcall user groups ada Engineering Everybody",
	}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, query, err := c.userRef(cmd.Context(), *workspace, args[0])
		if err != nil {
			return err
		}
		var after resource
		body := map[string]any{"groups": append([]string{}, args[1:]...)}
		if err := c.do(cmd.Context(), http.MethodPut, "/api/v1/users/"+url.PathEscape(id)+"/groups", query, body, &after); err != nil {
			return err
		}
		return c.printUser(after)
	}
	return cmd
}

// patchUser changes a user by SCIM.
func (c *cli) patchUser(ctx context.Context, workspace, name string, ops ...map[string]any) error {
	id, err := c.userID(ctx, workspace, name)
	if err != nil {
		return err
	}
	body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": ops}
	return c.do(ctx, http.MethodPatch, scimPath(workspace, "Users")+"/"+url.PathEscape(id), nil, body, nil)
}

func (c *cli) userRoleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "role NAME ROLE", Short: "Give a user another role: what was for the old one ends", Args: argsOf("a NAME", "a ROLE"),
		Example: "  rollcall user role ada admin",
	}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		role := []any{map[string]any{"value": args[1], "primary": true}}
		if err := c.patchUser(cmd.Context(), *workspace, args[0], map[string]any{"op": "replace", "path": "roles", "value": role}); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s has the role %s.\n", args[0], args[1])
		return nil
	}
	return cmd
}

func (c *cli) userActiveCommand(use, short string, active bool) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: argsOf("a NAME")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.patchUser(cmd.Context(), *workspace, args[0], map[string]any{"op": "replace", "path": "active", "value": active}); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s is %s.\n", args[0], map[bool]string{true: "enabled", false: "disabled"}[active])
		return nil
	}
	return cmd
}

func (c *cli) userStateCommand(use, short string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: argsOf("a NAME")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, query, err := c.userRef(cmd.Context(), *workspace, args[0])
		if err != nil {
			return err
		}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/users/"+url.PathEscape(id)+"/deactivate", query, nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s is offline: `rollcall user activate` brings them back.\n", args[0])
		return nil
	}
	return cmd
}

func (c *cli) userActivateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "activate USER-NAME", Short: "Bring a deactivated user back", Args: argsOf("a USER-NAME")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var after resource
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/activate", inWorkspace(*workspace), map[string]string{"userName": args[0]}, &after); err != nil {
			return err
		}
		return c.printUser(after)
	}
	return cmd
}

func (c *cli) userDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete NAME", Short: "Delete a user's account in a workspace", Args: argsOf("a NAME")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := c.userID(cmd.Context(), *workspace, args[0])
		if err != nil {
			return err
		}
		if err := c.do(cmd.Context(), http.MethodDelete, scimPath(*workspace, "Users")+"/"+url.PathEscape(id), nil, nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s is deleted.\n", args[0])
		return nil
	}
	return cmd
}

func (c *cli) userWhyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "why NAME [PERMISSION]", Short: "Tell what a user may do, and by which role and group", Args: cobra.RangeArgs(1, 2),
		Example: "  rollcall user why ada users:delete",
	}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{"user": {args[0]}}
		if *workspace != "" {
			query.Set("workspace", *workspace)
		}
		var text json.RawMessage
		if len(args) == 2 {
			query.Set("permission", args[1])
		}
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/authorization", query, nil, &text); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, text)
		}
		var all struct{ Permissions []account.Answer }
		var one account.Answer
		if len(args) == 2 {
			if err := json.Unmarshal(text, &one); err != nil {
				return err
			}
			all.Permissions = []account.Answer{one}
		} else if err := json.Unmarshal(text, &all); err != nil {
			return err
		}
		var rows [][]string
		for _, a := range all.Permissions {
			rows = append(rows, []string{string(a.Permission), map[bool]string{true: "yes", false: "no"}[a.Allowed], because(a.Because)})
		}
		return table(c.stdout, []string{"permission", "allowed", "because"}, rows)
	}
	return cmd
}

// because is the chain from a role to where it comes from.
func because(reasons []account.Reason) string {
	var parts []string
	for _, r := range reasons {
		chain := "role " + r.Role
		if r.Group != "" {
			chain += " ← group " + r.Group
		}
		for _, name := range slices.Backward(r.Through) {
			chain += " ← group " + name
		}
		if len(r.LDAPGroup) > 0 {
			chain += " ← LDAP group " + strings.Join(r.LDAPGroup, ", ")
		}
		parts = append(parts, chain)
	}
	return orDash(strings.Join(parts, "; "))
}

func (c *cli) userMatrixCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: "matrix", Short: "Show who may do what, by user and by group", Args: noArgs}
	workspace := workspaceFlag(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "show at most so many users, 1000 at most")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"count": {fmt.Sprint(limit)}}
		if *workspace != "" {
			query.Set("workspace", *workspace)
		}
		var m account.Matrix
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/authorization", query, nil, &m); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, m)
		}
		var rows [][]string
		for kind, list := range map[string][]account.Row{"group": m.Groups, "user": m.Users} {
			for _, r := range list {
				rows = append(rows, []string{kind, r.Name, permissionList(r.Permissions)})
			}
		}
		return table(c.stdout, []string{"kind", "name", "may"}, rows)
	}
	return cmd
}

func permissionList(list []scim.Permission) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = string(p)
	}
	return orDash(strings.Join(names, " "))
}

func (c *cli) leaseCommand() *cobra.Command {
	list := &cobra.Command{Use: "list USER", Short: "List what applications hold on to a user", Args: argsOf("a USER")}
	where := workspaceFlag(list)
	list.RunE = func(cmd *cobra.Command, args []string) error {
		id, query, err := c.userRef(cmd.Context(), *where, args[0])
		if err != nil {
			return err
		}
		var answer struct{ Leases []account.Lease }
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/users/"+url.PathEscape(id)+"/leases", query, nil, &answer); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, answer.Leases)
		}
		rows := make([][]string, len(answer.Leases))
		for i, l := range answer.Leases {
			rows[i] = []string{l.ID, l.Application, orDash(l.Reason), when(l.Created), when(l.ExpiresAt)}
		}
		return table(c.stdout, []string{"id", "application", "reason", "taken", "expires"}, rows)
	}
	var application, reason, ttl string
	take := &cobra.Command{Use: "take USER", Short: "Hold on to a user while a job of theirs runs", Args: argsOf("a USER"),
		Example: "  rollcall lease take ada --application render --reason 'frame 17' --ttl 10m"}
	at := workspaceFlag(take)
	take.Flags().StringVar(&application, "application", "cli", "who holds on")
	take.Flags().StringVar(&reason, "reason", "", "what for")
	take.Flags().StringVar(&ttl, "ttl", "10m", "for how long, at most a day")
	take.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := ParseDuration(ttl)
		if err != nil {
			return usagef("--ttl: %v", err)
		}
		id, query, err := c.userRef(cmd.Context(), *at, args[0])
		if err != nil {
			return err
		}
		var l account.Lease
		body := map[string]any{"application": application, "reason": reason, "ttlSeconds": int64(time.Duration(d) / time.Second)}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/users/"+url.PathEscape(id)+"/leases", query, body, &l); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, l)
		}
		_, err = fmt.Fprintln(c.stdout, l.ID)
		return err
	}
	return c.group("lease", "Hold on to users while jobs of theirs run", list, take,
		c.leaseChangeCommand("renew USER ID", "Hold on for as long again", http.MethodPut),
		c.leaseChangeCommand("release USER ID", "Let go of a user", http.MethodDelete))
}

func (c *cli) leaseChangeCommand(use, short, method string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: argsOf("a USER", "an ID (see `rollcall lease list`)")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, query, err := c.userRef(cmd.Context(), *workspace, args[0])
		if err != nil {
			return err
		}
		return c.do(cmd.Context(), method, "/api/v1/users/"+url.PathEscape(id)+"/leases/"+url.PathEscape(args[1]), query, nil, nil)
	}
	return cmd
}
