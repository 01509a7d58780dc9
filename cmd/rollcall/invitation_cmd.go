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

// creation are the flags of what an account may be given at its creation.
type creation struct {
	role                      string
	allVolumes, defaultVolume bool
	volumes                   []string
	home                      bool
	message                   string
}

func (o *creation) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.role, "role", "", "role (default: the workspace's first)")
	f.BoolVar(&o.allVolumes, "all-volumes", false, "entitle to all volumes (the role employee alone)")
	f.BoolVar(&o.defaultVolume, "default-volume", false, "entitle to the default volume (the role employee alone)")
	f.StringSliceVar(&o.volumes, "volume", nil, "id of a volume to entitle to; may be repeated")
	f.BoolVar(&o.home, "home", false, "make a home, or not with --home=false (default: as homePolicy of the settings says)")
	f.StringVar(&o.message, "message", "", "what the mail says besides")
}

// into puts the options into the body of a call.
func (o *creation) into(cmd *cobra.Command, body map[string]any) {
	if o.role != "" {
		body["role"] = o.role
	}
	if o.allVolumes {
		body["allVolumes"] = true
	}
	if o.defaultVolume {
		body["defaultVolume"] = true
	}
	if len(o.volumes) > 0 {
		body["volumes"] = o.volumes
	}
	if cmd.Flags().Changed("home") {
		body["homeEntitlement"] = o.home
	}
	if o.message != "" {
		body["message"] = o.message
	}
}

// codeIn is the code of a link, or of a code alone.
func codeIn(text string) string {
	if u, err := url.Parse(text); err == nil && u.Query().Has("code") {
		return u.Query().Get("code")
	}
	return text
}

func (c *cli) invitationCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List invitations that nobody has accepted", Args: noArgs}
	of := workspaceFlag(list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		var answer struct {
			Invitations []account.InvitationInfo `json:"invitations"`
		}
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/invitations", inWorkspace(*of), nil, &answer); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, answer.Invitations)
		}
		rows := make([][]string, len(answer.Invitations))
		for i, in := range answer.Invitations {
			rows[i] = []string{in.ID, in.UserName, in.CreatedBy, when(in.Created), when(in.ExpiresAt)}
		}
		return table(c.stdout, []string{"id", "user", "by", "created", "expires"}, rows)
	}
	remove := &cobra.Command{Use: "delete ID", Short: "Take an invitation back: its link works no more", Args: argsOf("an ID (see `rollcall invitation list`)")}
	from := workspaceFlag(remove)
	remove.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.do(cmd.Context(), http.MethodDelete, "/api/v1/invitations/"+url.PathEscape(args[0]), inWorkspace(*from), nil, nil); err != nil {
			return err
		}
		fmt.Fprintln(c.stderr, "The invitation is taken back. The account stays: `rollcall user delete` deletes it.")
		return nil
	}
	return c.group("invitation", "Invite people by e-mail, or by a link", c.invitationCreateCommand(), list, remove, c.invitationAcceptCommand())
}

func (c *cli) invitationCreateCommand() *cobra.Command {
	var mail bool
	var options creation
	cmd := &cobra.Command{
		Use: "create USER-NAME", Short: "Invite somebody: make the account, and a link that sets its password", Args: argsOf("a USER-NAME"),
		Example: `  rollcall invitation create jane@example.com --message "Welcome aboard"
  rollcall invitation create jane --mail=false        # prints the link`,
	}
	workspace := workspaceFlag(cmd)
	options.register(cmd)
	cmd.Flags().BoolVar(&mail, "mail", true, "send the link by mail; --mail=false prints it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]any{"userName": args[0], "mail": mail}
		options.into(cmd, body)
		var in struct {
			ID        string    `json:"id"`
			ExpiresAt time.Time `json:"expiresAt"`
			User      resource  `json:"user"`
			URL       string    `json:"url,omitempty"`
		}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/invitations", inWorkspace(*workspace), body, &in); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, in)
		}
		if in.URL == "" {
			fmt.Fprintf(c.stderr, "%s is invited by mail, until %s.\n", args[0], when(in.ExpiresAt))
			_, err := fmt.Fprintln(c.stdout, in.ID)
			return err
		}
		fmt.Fprintf(c.stderr, "Give this link to %s. It works once, until %s:\n", args[0], when(in.ExpiresAt))
		_, err := fmt.Fprintln(c.stdout, in.URL)
		return err
	}
	return cmd
}

func (c *cli) invitationAcceptCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "accept LINK", Short: "Accept an invitation: set a name and a password, and log in", Args: argsOf("a LINK (or the code in it)"),
		Example: `  export ROLLCALL_TOKEN=$(rollcall invitation accept 'https://scim.example.com/console/invitation?code=…' --name Jane)`,
	}
	cmd.Flags().StringVar(&name, "name", "", "your name, as it is to be shown")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		password, err := c.readSecret("New password")
		if err != nil {
			return err
		}
		body := map[string]string{"code": codeIn(strings.TrimSpace(args[0])), "password": password}
		if name != "" {
			body["name"] = name
		}
		var in loggedIn
		if err := c.do(withoutToken(cmd.Context()), http.MethodPost, "/api/v1/invitations/accept", nil, body, &in); err != nil {
			return err
		}
		return c.printSession(in)
	}
	return cmd
}

// passwordLinkCommands are those of `rollcall password` about links.
func (c *cli) passwordLinkCommands() []*cobra.Command {
	return []*cobra.Command{c.passwordResetCommand(), c.passwordForgotCommand(), c.passwordRedeemCommand()}
}

func (c *cli) passwordResetCommand() *cobra.Command {
	var mail bool
	reset := &cobra.Command{Use: "reset USER", Short: "Have somebody mailed a link for a new password", Args: argsOf("a USER"),
		Example: `  rollcall password reset ada
  rollcall password reset ada --mail=false     # prints the link`}
	workspace := workspaceFlag(reset)
	reset.Flags().BoolVar(&mail, "mail", true, "send the link by mail; --mail=false prints it")
	reset.RunE = func(cmd *cobra.Command, args []string) error {
		id, query, err := c.userRef(cmd.Context(), *workspace, args[0])
		if err != nil {
			return err
		}
		var made struct {
			Mail      bool      `json:"mail"`
			ExpiresAt time.Time `json:"expiresAt"`
			URL       string    `json:"url,omitempty"`
		}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/users/"+url.PathEscape(id)+"/password-reset", query, map[string]bool{"mail": mail}, &made); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, made)
		}
		if made.URL == "" {
			fmt.Fprintf(c.stderr, "%s is mailed a link that works until %s.\n", args[0], when(made.ExpiresAt))
			return nil
		}
		fmt.Fprintf(c.stderr, "Give this link to %s. It works once, until %s:\n", args[0], when(made.ExpiresAt))
		_, err = fmt.Fprintln(c.stdout, made.URL)
		return err
	}
	return reset
}

func (c *cli) passwordForgotCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "forgot USER", Short: "Have yourself mailed a link for a new password", Args: argsOf("a USER (user name or e-mail address)")}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]string{"userName": args[0]}
		if *workspace != "" {
			body["workspace"] = *workspace
		}
		if err := c.do(withoutToken(cmd.Context()), http.MethodPost, "/api/v1/password/reset", nil, body, nil); err != nil {
			return err
		}
		fmt.Fprintln(c.stderr, "If there is such an account with an e-mail address, a link is on its way to it.")
		return nil
	}
	return cmd
}

func (c *cli) passwordRedeemCommand() *cobra.Command {
	return &cobra.Command{
		Use: "redeem LINK", Short: "Set a new password by a link that you were sent", Args: argsOf("a LINK (or the code in it)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := c.readSecret("New password")
			if err != nil {
				return err
			}
			body := map[string]string{"code": codeIn(strings.TrimSpace(args[0])), "new": password}
			if err := c.do(withoutToken(cmd.Context()), http.MethodPost, "/api/v1/password/redeem", nil, body, nil); err != nil {
				return err
			}
			fmt.Fprintln(c.stderr, "The password is set: `rollcall login` lets you in.")
			return nil
		},
	}
}
