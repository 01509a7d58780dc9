package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"rollcall/scim"
)

// groupCommands are those of `rollcall group` beside list and show.
func (c *cli) groupCommands() []*cobra.Command {
	return []*cobra.Command{
		c.groupWriteCommand("create NAME", "Make a group", true), c.groupWriteCommand("update NAME", "Change a group", false),
		c.groupDeleteCommand(), c.groupMemberCommand("add GROUP USER", "Make a user a member of a group", "add"),
		c.groupMemberCommand("remove GROUP USER", "Take a user out of a group", "remove"),
	}
}

func (c *cli) groupID(ctx context.Context, workspace, name string) (string, error) {
	r, err := c.find(ctx, scimPath(workspace, "Groups"), "displayName", name)
	if err != nil {
		return "", err
	}
	if r == nil {
		return "", &exitError{exitFailed, fmt.Sprintf("there is no group %q: `rollcall group list` shows them", name)}
	}
	return r.text("id"), nil
}

func (c *cli) groupWriteCommand(use, short string, create bool) *cobra.Command {
	var description, name string
	var admin bool
	var ldap []string
	cmd := &cobra.Command{Use: use, Short: short, Args: argsOf("a NAME")}
	if create {
		cmd.Example = `  rollcall group create Administrators --admin --description "They run this"`
	}
	workspace := workspaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&description, "description", "", "what it is for")
	f.BoolVar(&admin, "admin", false, "its members are administrators, those of groups in it too")
	f.StringSliceVar(&ldap, "ldap-group", nil, "LDAP group whose members it gets at each sync; may be repeated")
	if !create {
		f.StringVar(&name, "name", "", "a new name")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ext := map[string]any{}
		if f.Changed("description") {
			ext["description"] = description
		}
		if f.Changed("admin") {
			ext["admin"] = admin
		}
		if f.Changed("ldap-group") {
			ext["ldapGroupNames"] = ldap
		}
		if create {
			body := map[string]any{"displayName": args[0], scim.AccountGroupURN: ext}
			var made resource
			if err := c.do(cmd.Context(), http.MethodPost, scimPath(*workspace, "Groups"), nil, body, &made); err != nil {
				return err
			}
			return c.printUser(made)
		}
		value := map[string]any{scim.AccountGroupURN: ext}
		if name != "" {
			value["displayName"] = name
		}
		return c.patchGroup(cmd.Context(), *workspace, args[0], map[string]any{"op": "replace", "value": value})
	}
	return cmd
}

func (c *cli) patchGroup(ctx context.Context, workspace, name string, op map[string]any) error {
	id, err := c.groupID(ctx, workspace, name)
	if err != nil {
		return err
	}
	body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []any{op}}
	return c.do(ctx, http.MethodPatch, scimPath(workspace, "Groups")+"/"+url.PathEscape(id), nil, body, nil)
}

func (c *cli) groupDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete NAME", Short: "Delete a group; its members stay", Args: argsOf("a NAME")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := c.groupID(cmd.Context(), *workspace, args[0])
		if err != nil {
			return err
		}
		if err := c.do(cmd.Context(), http.MethodDelete, scimPath(*workspace, "Groups")+"/"+url.PathEscape(id), nil, nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "The group %s is deleted.\n", args[0])
		return nil
	}
	return cmd
}

func (c *cli) groupMemberCommand(use, short, op string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: argsOf("a GROUP", "a USER")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		user, err := c.userID(cmd.Context(), *workspace, args[1])
		if err != nil {
			return err
		}
		change := map[string]any{"op": "add", "path": "members", "value": []any{map[string]any{"value": user}}}
		if op == "remove" {
			change = map[string]any{"op": "remove", "path": fmt.Sprintf("members[value eq %q]", user)}
		}
		return c.patchGroup(cmd.Context(), *workspace, args[0], change)
	}
	return cmd
}
