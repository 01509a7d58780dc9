package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) userUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update NAME ATTRIBUTE=VALUE...", Short: "Change attributes of a user, or with me of your own account",
		Long: `Change attributes of a user, or with the name me of your own account. What is not named stays as
it is.

An attribute is named as in a filter. A value is JSON, or else a text; without a value the
attribute is removed.`,
		Example: `  rollcall user update ada title=Countess name.familyName=Lovelace
  rollcall user update me nickName= 'preferences=[{"name":"dailyDigestEmails","value":"false"}]'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%s needs a NAME, and at least one ATTRIBUTE=VALUE", cmd.CommandPath())
			}
			return nil
		},
	}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ops, err := updates(args[1:])
		if err != nil {
			return err
		}
		if args[0] != "me" {
			err = c.patchUser(cmd.Context(), *workspace, args[0], ops...)
		} else {
			body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": ops}
			err = c.do(cmd.Context(), http.MethodPatch, scimPath(*workspace, "Me"), nil, body, nil)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s is changed.\n", map[bool]string{true: "Your account", false: args[0]}[args[0] == "me"])
		return nil
	}
	return cmd
}

// updates are the operations of a PATCH that set attributes, each given as name=value.
func updates(args []string) ([]map[string]any, error) {
	var ops []map[string]any
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usagef("%q is no ATTRIBUTE=VALUE", arg)
		}
		if text == "" {
			ops = append(ops, map[string]any{"op": "remove", "path": name})
			continue
		}
		var value any = text
		if parsed := any(nil); json.Unmarshal([]byte(text), &parsed) == nil && parsed != nil {
			if _, number := parsed.(float64); !number { // a telephone number is a text
				value = parsed
			}
		}
		ops = append(ops, map[string]any{"op": "replace", "path": name, "value": value})
	}
	return ops, nil
}
