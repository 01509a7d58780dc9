package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"rollcall/account"
	"rollcall/scim"
)

func (c *cli) tokenCommand() *cobra.Command {
	return c.group("token", "Create, list, rotate and revoke the tokens that clients sign in with",
		c.tokenCreateCommand(), c.tokenListCommand(), c.tokenRotateCommand(), c.tokenRevokeCommand())
}

// tokenRequest is the body of POST /tokens.
type tokenRequest struct {
	Name      string            `json:"name"`
	Use       account.Use       `json:"use,omitempty"`
	Workspace string            `json:"workspace,omitempty"`
	Client    string            `json:"client,omitempty"`
	Scopes    []scim.Permission `json:"scopes,omitempty"`
	ExpiresIn int64             `json:"expiresIn,omitempty"`
	MaxRole   string            `json:"maxRole,omitempty"`
}

// tokenFlags are those that every command has which makes a token.
type tokenFlags struct {
	scopes  []string
	expires string
}

func (f *tokenFlags) add(cmd *cobra.Command, ask *tokenRequest) {
	flags := cmd.Flags()
	flags.StringVar(&ask.Workspace, "workspace", "", "workspace that it is for (default: your own, else the client's, else default)")
	flags.StringSliceVar(&f.scopes, "scopes", nil, "permissions, separated by commas (default: all of users and groups)")
	flags.StringVar(&ask.MaxRole, "max-role", "", "the highest role that it may assign (default: none, unless it holds roles:assign)")
	flags.StringVar(&f.expires, "expires", "365d", "how long it lives, at most 400d")
}

func (c *cli) tokenCreateCommand() *cobra.Command {
	var ask tokenRequest
	var f tokenFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a token and print it, once", Args: argsOf("a NAME"),
		Example: `  rollcall token create okta --client okta
  rollcall token create nightly-report --scopes users:list,users:read --expires 30d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.Name = args[0]
			return c.createToken(cmd.Context(), ask, f, "Token")
		},
	}
	f.add(cmd, &ask)
	cmd.Flags().StringVar(&ask.Client, "client", "", "client (identity provider) that it belongs to: the owner of what it creates")
	return cmd
}

// createToken makes a token or a client secret, as what says, and prints it.
func (c *cli) createToken(ctx context.Context, ask tokenRequest, f tokenFlags, what string) error {
	for _, s := range f.scopes {
		ask.Scopes = append(ask.Scopes, scim.Permission(s))
	}
	life, err := ParseDuration(f.expires)
	if err != nil {
		return usagef("--expires: %v", err)
	}
	ask.ExpiresIn = int64(time.Duration(life) / time.Second)
	var made madeToken
	if err := c.do(ctx, http.MethodPost, "/api/v1/tokens", nil, ask, &made); err != nil {
		return err
	}
	return c.printToken(made, what)
}

// madeToken is a token with its text.
type madeToken struct {
	account.Token
	Text string `json:"token"`
}

// printToken prints a new token: its text alone to stdout.
func (c *cli) printToken(made madeToken, what string) error {
	if c.output == "json" {
		return printJSON(c.stdout, made)
	}
	fmt.Fprintf(c.stderr, "%s %s %q for workspace %s, good until %s. It is shown this once:\n", what, made.ID, made.Name, made.Workspace, when(made.Expires))
	_, err := fmt.Fprintln(c.stdout, made.Text)
	return err
}

func (c *cli) tokenRotateCommand() *cobra.Command {
	var overlap string
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Make a token like another, and let that one end", Args: argsOf("an ID (see `rollcall token list`)"),
		Example: `  rollcall token rotate veefTvpYWP                 # both work for three days
  rollcall token rotate veefTvpYWP --overlap 0s    # it leaked: it ends now`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := ParseDuration(overlap)
			if err != nil {
				return usagef("--overlap: %v", err)
			}
			body := map[string]int64{"overlapSeconds": int64(time.Duration(d) / time.Second)}
			var made madeToken
			if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/tokens/"+url.PathEscape(args[0])+"/rotate", nil, body, &made); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "The old one, %s, ends in %s at the latest.\n", args[0], d)
			what := "Token"
			if made.Use == account.UseSecret {
				what = "Client secret"
			}
			return c.printToken(made, what)
		},
	}
	cmd.Flags().StringVar(&overlap, "overlap", Duration(account.DefaultOverlap).String(), "for how long the old one goes on")
	return cmd
}

func (c *cli) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List tokens: never the secret", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list struct {
				Tokens []account.Token `json:"tokens"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/tokens", nil, nil, &list); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, list.Tokens)
			}
			rows := make([][]string, len(list.Tokens))
			for i, t := range list.Tokens {
				rows[i] = []string{t.ID, t.Name, orDash(t.Workspace), orDash(t.Client), orDash(string(t.Use)), fmt.Sprint(len(t.Scopes)), when(t.Created), when(t.Expires), when(t.LastUsed)}
			}
			return table(c.stdout, []string{"id", "name", "workspace", "client", "use", "scopes", "created", "expires", "last used"}, rows)
		},
	}
}

func (c *cli) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End a token, within a second everywhere", Args: argsOf("an ID (see `rollcall token list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.do(cmd.Context(), http.MethodDelete, "/api/v1/tokens/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "Token %s is revoked.\n", args[0])
			return nil
		},
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
