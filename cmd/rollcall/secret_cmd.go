package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rollcall/account"
)

func (c *cli) secretCommand() *cobra.Command {
	set := c.secretOne("set USER NAME", "Keep a secret of a user, read from the input", http.MethodPut)
	get := c.secretOne("get USER NAME", "Print a secret: your own (USER is me), or with a token that may", http.MethodGet)
	remove := c.secretOne("delete USER NAME", "Delete a secret of a user", http.MethodDelete)
	list := &cobra.Command{Use: "list USER", Short: "List a user's secrets by name, never what they are", Args: argsOf("a USER (or me)")}
	workspace := workspaceFlag(list)
	list.RunE = func(cmd *cobra.Command, args []string) error {
		path, query, err := c.vaultPath(cmd, *workspace, args[0])
		if err != nil {
			return err
		}
		var answer struct{ Secrets []account.SecretInfo }
		if err := c.do(cmd.Context(), http.MethodGet, path+"/secrets", query, nil, &answer); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, answer.Secrets)
		}
		rows := make([][]string, len(answer.Secrets))
		for i, s := range answer.Secrets {
			rows[i] = []string{s.Name, when(s.LastUpdate)}
		}
		return table(c.stdout, []string{"name", "last update"}, rows)
	}
	rotate := &cobra.Command{
		Use: "rotate", Short: "Make a new key and encrypt every secret anew with it", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var done account.Rotated
			if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/secrets/rotate", nil, nil, &done); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "%d secrets are encrypted with the new key %s; the old keys are gone.\n", done.Reencrypted, done.Key)
			return nil
		},
	}
	return c.group("secret", "Keep secrets of users, encrypted", set, get, list, remove, rotate)
}

// vaultPath is the path of the user whose secrets are meant; "me" is whoever has the token.
func (c *cli) vaultPath(cmd *cobra.Command, workspace, user string) (string, url.Values, error) {
	if user == "me" {
		return "/api/v1/users/me", inWorkspace(workspace), nil
	}
	id, query, err := c.userRef(cmd.Context(), workspace, user)
	return "/api/v1/users/" + url.PathEscape(id), query, err
}

func (c *cli) secretOne(use, short, method string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: argsOf("a USER (or me)", "a NAME")}
	if method == http.MethodPut {
		cmd.Example = "  echo 's3cret' | rollcall secret set me api-key"
	}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, query, err := c.vaultPath(cmd, *workspace, args[0])
		if err != nil {
			return err
		}
		path += "/secrets/" + url.PathEscape(args[1])
		var answer struct{ Value string }
		switch method {
		case http.MethodGet:
			if err := c.do(cmd.Context(), method, path, query, nil, &answer); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.stdout, answer.Value)
			return err
		case http.MethodPut:
			value, err := c.readSecret("Secret")
			if err != nil {
				return err
			}
			return c.do(cmd.Context(), method, path, query, map[string]string{"value": value}, nil)
		}
		return c.do(cmd.Context(), method, path, query, nil, nil)
	}
	return cmd
}

func (c *cli) credentialCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List everybody's credentials, never the secrets", Args: noArgs}
	workspace := workspaceFlag(list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		var answer struct{ Credentials []account.CredentialInfo }
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/credentials", inWorkspace(*workspace), nil, &answer); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, answer.Credentials)
		}
		rows := make([][]string, len(answer.Credentials))
		for i, cr := range answer.Credentials {
			rows[i] = []string{cr.UserName, cr.Key, cr.Type, orDash(cr.User), when(time.UnixMilli(cr.LastUpdate))}
		}
		return table(c.stdout, []string{"user", "key", "type", "login", "last update"}, rows)
	}
	var login string
	var oauth bool
	set := &cobra.Command{
		Use: "set USER KEY", Short: "Keep what a user signs in with somewhere, read from the input", Args: argsOf("a USER (or me)", "a KEY"),
		Long: "Keep what a user signs in with at a connection, or for a parameter of a plugin preset. The KEY is\nconnections/NAME or plugins/PLUGIN/PARAMSET/PRESET/PARAM.",
		Example: `  echo 's3cret' | rollcall credential set me connections/warehouse --login ada
  echo 't0ken' | rollcall credential set ada plugins/maps/keys/default/token --oauth2`,
	}
	at := workspaceFlag(set)
	set.Flags().StringVar(&login, "login", "", "login name, for the type BASIC")
	set.Flags().BoolVar(&oauth, "oauth2", false, "it is of the type OAUTH2")
	set.RunE = func(cmd *cobra.Command, args []string) error {
		path, query, err := c.credentialPath(cmd, *at, args)
		if err != nil {
			return err
		}
		body := map[string]string{"type": "BASIC", "user": login}
		if oauth {
			body = map[string]string{"type": "OAUTH2"}
		}
		if body["secret"], err = c.readSecret("Secret"); err != nil {
			return err
		}
		return c.do(cmd.Context(), http.MethodPut, path, query, body, nil)
	}
	remove := &cobra.Command{Use: "delete USER KEY", Short: "Delete a credential of a user", Args: argsOf("a USER (or me)", "a KEY")}
	from := workspaceFlag(remove)
	remove.RunE = func(cmd *cobra.Command, args []string) error {
		path, query, err := c.credentialPath(cmd, *from, args)
		if err != nil {
			return err
		}
		return c.do(cmd.Context(), http.MethodDelete, path, query, nil, nil)
	}
	return c.group("credential", "Keep what users sign in with elsewhere", set, list, remove)
}

func (c *cli) credentialPath(cmd *cobra.Command, workspace string, args []string) (string, url.Values, error) {
	parts := strings.Split(args[1], "/")
	if !(len(parts) == 2 && parts[0] == "connections" || len(parts) == 5 && parts[0] == "plugins") {
		return "", nil, usagef("%q is no KEY: connections/NAME, or plugins/PLUGIN/PARAMSET/PRESET/PARAM", args[1])
	}
	path, query, err := c.vaultPath(cmd, workspace, args[0])
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return path + "/credentials/" + strings.Join(parts, "/"), query, err
}
