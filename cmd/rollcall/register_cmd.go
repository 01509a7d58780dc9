package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/account"
)

func (c *cli) registrationCommand() *cobra.Command {
	var name, institution, website string
	cmd := &cobra.Command{
		Use: "create EMAIL", Short: "Register yourself, where a workspace lets anybody", Args: argsOf("an EMAIL"),
		Example: "  rollcall registration create jane@example.com --name 'Jane Doe' --workspace lab",
	}
	workspace := workspaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "your name, as it is to be shown")
	f.StringVar(&institution, "institution", "", "where you work")
	f.StringVar(&website, "website", "", "URL of your page")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := map[string]string{"email": args[0], "name": name}
		var err error
		if body["password"], err = c.readSecret("Password"); err != nil {
			return err
		}
		if body["passwordVerify"], err = c.readSecret("Password, again"); err != nil {
			return err
		}
		for key, v := range map[string]string{"workspace": *workspace, "institution": institution, "website": website} {
			if v != "" {
				body[key] = v
			}
		}
		var made resource
		if err := c.do(withoutToken(cmd.Context()), http.MethodPost, "/api/v1/register", nil, body, &made); err != nil {
			return err
		}
		if made["mail"] == true {
			fmt.Fprintf(c.stderr, "A mail is on its way to %s: open its link, or run `rollcall registration verify LINK`.\n", args[0])
			return nil
		}
		return c.printUser(made)
	}
	verify := &cobra.Command{Use: "verify LINK", Short: "Confirm a registration by the link that was mailed", Args: argsOf("a LINK (or the code in it)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := c.readSecret("Password that you registered with")
			if err != nil {
				return err
			}
			var made resource
			body := map[string]string{"code": codeIn(strings.TrimSpace(args[0])), "password": password}
			if err := c.do(withoutToken(cmd.Context()), http.MethodPost, "/api/v1/register/verify", nil, body, &made); err != nil {
				return err
			}
			return c.printUser(made)
		}}
	return c.group("registration", "Register yourself, where a workspace lets anybody", cmd, verify)
}

// emailCommand confirms addresses.
func (c *cli) emailCommand() *cobra.Command {
	return c.group("email", "Confirm e-mail addresses", &cobra.Command{
		Use: "verify LINK", Short: "Confirm a new e-mail address by the link that was mailed to it", Args: argsOf("a LINK (or the code in it)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{"code": codeIn(strings.TrimSpace(args[0]))}
			if err := c.do(withoutToken(cmd.Context()), http.MethodPost, "/api/v1/emails/verify", nil, body, nil); err != nil {
				return err
			}
			fmt.Fprintln(c.stderr, "The address is confirmed.")
			return nil
		}})
}

func (c *cli) discoverCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "discover [WORKSPACE]", Short: "Tell whether anybody may register in a workspace", Args: cobra.MaximumNArgs(1),
		Example: "  rollcall discover lab"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{}
		if len(args) == 1 {
			query.Set("workspace", args[0])
		}
		var found account.Discovered
		if err := c.do(withoutToken(cmd.Context()), http.MethodGet, "/api/v1/discovery", query, nil, &found); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, found)
		}
		return table(c.stdout, []string{"workspace", "register", "guests", "single sign-on"},
			[][]string{{found.Workspace, fmt.Sprint(found.Signup), fmt.Sprint(found.Guest), orDash(strings.Join(found.SSO, ", "))}})
	}
	return cmd
}
