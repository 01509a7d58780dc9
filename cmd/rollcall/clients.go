package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/account"
)

func (c *cli) clientCommand() *cobra.Command {
	return c.group("client", "List, pause and resume clients, and make their secrets",
		c.clientListCommand(), c.clientPauseCommand(), c.clientResumeCommand(),
		c.group("secret", "Make the secrets that clients give /oauth2/token", c.clientSecretCreateCommand()))
}

func (c *cli) clientListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List clients: how they sign in, and which are paused", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list struct {
				Clients []account.ClientInfo `json:"clients"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/clients", nil, nil, &list); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, list.Clients)
			}
			rows := make([][]string, len(list.Clients))
			for i, info := range list.Clients {
				rate, paused := "off", "-"
				if info.Rate > 0 {
					rate = Rate(info.Rate).String()
				}
				if info.Paused {
					paused = "by " + info.PausedBy
				}
				rows[i] = []string{info.Name, info.Workspace, orDash(strings.Join(info.SignsInBy, " ")), rate,
					orDash(strings.Join(info.AllowFrom, " ")), when(info.LastUsed), paused}
			}
			return table(c.stdout, []string{"name", "workspace", "signs in by", "rate", "allowed from", "last used", "paused"}, rows)
		},
	}
}

func (c *cli) clientPauseCommand() *cobra.Command {
	return c.clientChange("pause", "Answer every request of a client 503, within a second everywhere", "is paused: `rollcall client resume` ends that")
}

func (c *cli) clientResumeCommand() *cobra.Command {
	return c.clientChange("resume", "End a client's pause", "is not paused any more")
}

func (c *cli) clientChange(verb, short, done string) *cobra.Command {
	query := url.Values{}
	var workspace string
	cmd := &cobra.Command{
		Use: verb + " NAME", Short: short, Args: argsOf("a NAME (see `rollcall client list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if workspace != "" {
				query.Set("workspace", workspace)
			}
			var info account.ClientInfo
			if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/clients/"+url.PathEscape(args[0])+"/"+verb, query, nil, &info); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, info)
			}
			fmt.Fprintf(c.stderr, "Client %s of workspace %s %s.\n", info.Name, info.Workspace, done)
			return nil
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace of the client (default: your own, else the configured one)")
	return cmd
}

func (c *cli) clientSecretCreateCommand() *cobra.Command {
	ask := tokenRequest{Use: account.UseSecret}
	var f tokenFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a secret for a client and print it, once", Args: argsOf("the NAME of a client"),
		Long: `Make a secret that a client gives /oauth2/token (OAuth 2.0 client credentials) for an access
token. The client id is the client's NAME. The secret itself opens nothing else.`,
		Example: `  rollcall client secret create nightly-report --scopes users:list,users:read
  curl -s -u nightly-report:SECRET -d grant_type=client_credentials https://scim.example.com/oauth2/token`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.Name, ask.Client = args[0], args[0]
			return c.createToken(cmd.Context(), ask, f, "Client secret")
		},
	}
	f.add(cmd, &ask)
	return cmd
}
