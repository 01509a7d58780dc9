package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/account"
)

func (c *cli) workspaceCommand() *cobra.Command {
	return c.group("workspace", "List and make workspaces, and say who is in them",
		c.workspaceListCommand(), c.workspaceCreateCommand(), c.memberCommand())
}

func (c *cli) workspaceListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List workspaces", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list struct {
				Workspaces []account.WorkspaceInfo `json:"workspaces"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/workspaces", nil, nil, &list); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, list.Workspaces)
			}
			rows := make([][]string, len(list.Workspaces))
			for i, w := range list.Workspaces {
				rows[i] = []string{w.Name, w.Preset}
			}
			return table(c.stdout, []string{"name", "preset"}, rows)
		},
	}
}

func (c *cli) workspaceCreateCommand() *cobra.Command {
	var preset string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a workspace with the roles of a preset", Args: argsOf("a NAME"),
		Example: "  rollcall workspace create lab --preset pysyft",
		RunE: func(cmd *cobra.Command, args []string) error {
			var made account.WorkspaceInfo
			body := map[string]string{"name": args[0], "preset": preset}
			if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/workspaces", nil, body, &made); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, made)
			}
			fmt.Fprintf(c.stderr, "The workspace %s is there, with the roles of %s: `rollcall settings show --workspace %[1]s` lists them.\n", made.Name, made.Preset)
			return nil
		},
	}
	var names []string
	for _, p := range account.Presets() {
		names = append(names, p.Preset)
	}
	cmd.Flags().StringVar(&preset, "preset", account.DefaultPreset, "one of "+strings.Join(names, ", "))
	return cmd
}

func (c *cli) memberCommand() *cobra.Command {
	var role string
	add := &cobra.Command{
		Use: "add WORKSPACE USER-ID", Short: "Give a person of another workspace an account in this one, with the same id", Args: argsOf("a WORKSPACE", "a USER-ID"),
		Example: "  rollcall workspace member add lab 01a21287-38fe-7b3f-a1e2-680e98ea7518 --role admin",
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{}
			if role != "" {
				body["role"] = role
			}
			return c.changeMember(cmd, http.MethodPut, args, body)
		},
	}
	add.Flags().StringVar(&role, "role", "", "role in the workspace (default: its first)")
	remove := &cobra.Command{
		Use: "remove WORKSPACE USER-ID", Short: "Take a person's account in a workspace away; others stay", Args: argsOf("a WORKSPACE", "a USER-ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeMember(cmd, http.MethodDelete, args, nil)
		},
	}
	return c.group("member", "Add people to a workspace and remove them", add, remove)
}

func (c *cli) changeMember(cmd *cobra.Command, method string, args []string, body any) error {
	var user resource
	path := "/api/v1/workspaces/" + url.PathEscape(args[0]) + "/members/" + url.PathEscape(args[1])
	if err := c.do(cmd.Context(), method, path, nil, body, &user); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(c.stdout, user)
	}
	state := "is in"
	if method == http.MethodDelete {
		state = "is no longer in"
	}
	fmt.Fprintf(c.stderr, "%s %s %s.\n", user.text("userName"), state, args[0])
	return nil
}

func (c *cli) settingsCommand() *cobra.Command {
	show := &cobra.Command{Use: "show", Short: "Print a workspace's settings as JSON", Args: noArgs}
	workspace := workspaceFlag(show)
	show.RunE = func(cmd *cobra.Command, _ []string) error {
		var text json.RawMessage
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/settings", inWorkspace(*workspace), nil, &text); err != nil {
			return err
		}
		return printJSON(c.stdout, text)
	}
	patch := &cobra.Command{
		Use: "patch JSON|@FILE", Short: "Change a workspace's settings by a merge patch (RFC 7396)", Args: argsOf("a JSON object, or @ and a FILE"),
		Example: `  rollcall settings patch '{"defaultGroups": ["Everybody"]}'
  rollcall settings patch '{"passwordPolicy": {"minLength": 14}}' --workspace lab`,
	}
	where := workspaceFlag(patch)
	patch.RunE = func(cmd *cobra.Command, args []string) error {
		text := []byte(args[0])
		if file, ok := strings.CutPrefix(args[0], "@"); ok {
			var err error
			if text, err = os.ReadFile(file); err != nil {
				return usagef("%v", err)
			}
		}
		if !json.Valid(text) {
			return usagef("%q is no JSON object", args[0])
		}
		var after json.RawMessage
		if err := c.do(cmd.Context(), http.MethodPatch, "/api/v1/settings", inWorkspace(*where), json.RawMessage(text), &after); err != nil {
			return err
		}
		return printJSON(c.stdout, after)
	}
	return c.group("settings", "Show and change a workspace's settings: roles, passwords, sessions and more", show, patch)
}
