package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rollcall/account"
	"rollcall/internal/api"
)

// loggedIn is the answer to a login.
type loggedIn struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	Workspace string    `json:"workspace"`
	Actor     string    `json:"actor,omitempty"`
	User      resource  `json:"user,omitempty"`
}

func (c *cli) loginCommand() *cobra.Command {
	var guest bool
	cmd := &cobra.Command{
		Use: "login [USER]", Short: "Log in with a password, and print a session's token", Args: cobra.MaximumNArgs(1),
		Example: `  export ROLLCALL_TOKEN=$(rollcall login ada)
  rollcall login --guest --workspace lab`,
	}
	workspace := workspaceFlag(cmd)
	cmd.Flags().BoolVar(&guest, "guest", false, "log in as a guest, without a name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, path := map[string]string{}, "/api/v1/login/guest"
		if *workspace != "" {
			body["workspace"] = *workspace
		}
		if guest == (len(args) == 1) {
			return usagef("`rollcall login` takes a USER (user name or e-mail address), or --guest")
		}
		if !guest {
			var err error
			if body["password"], err = c.readSecret("Password"); err != nil {
				return err
			}
			body["userName"], path = args[0], "/api/v1/login"
		}
		var in loggedIn
		err := c.do(withoutToken(cmd.Context()), http.MethodPost, path, nil, body, &in)
		var p *api.Problem
		if errors.As(err, &p) && p.Named("password-expired") {
			fmt.Fprintln(c.stdout, p.Token)
			return &exitError{exitFailed, "the password has expired: set a new one with `rollcall password`, and the printed token in ROLLCALL_TOKEN"}
		}
		if err != nil {
			return err
		}
		return c.printSession(in)
	}
	return cmd
}

// printSession prints a new session: its token alone to stdout.
func (c *cli) printSession(in loggedIn) error {
	if c.output == "json" {
		return printJSON(c.stdout, in)
	}
	fmt.Fprintf(c.stderr, "Logged in as %s in the workspace %s until %s. The token goes into ROLLCALL_TOKEN:\n", in.User.text("userName"), in.Workspace, when(in.ExpiresAt))
	_, err := fmt.Fprintln(c.stdout, in.Token)
	return err
}

func (c *cli) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the session whose token is used", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/logout", nil, nil, nil); err != nil {
				return err
			}
			fmt.Fprintln(c.stderr, "Logged out.")
			return nil
		},
	}
}

func (c *cli) impersonateCommand() *cobra.Command {
	var guest bool
	cmd := &cobra.Command{
		Use: "impersonate [USER]", Short: "Act as somebody else, and print the session's token", Args: cobra.MaximumNArgs(1),
		Example: "  ROLLCALL_TOKEN=$(rollcall impersonate ada) rollcall user show ada",
	}
	workspace := workspaceFlag(cmd)
	cmd.Flags().BoolVar(&guest, "guest", false, "act as a guest")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if guest == (len(args) == 1) {
			return usagef("`rollcall impersonate` takes a USER (user name), or --guest")
		}
		body := map[string]any{"guest": guest}
		if !guest {
			body = map[string]any{"userName": args[0]}
		}
		var in loggedIn
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/impersonations", inWorkspace(*workspace), body, &in); err != nil {
			return err
		}
		return c.printSession(in)
	}
	return cmd
}

func (c *cli) passwordCommand() *cobra.Command {
	var confirm bool
	var user string
	cmd := &cobra.Command{
		Use: "password", Short: "Set your own password, or somebody else's", Args: noArgs,
		Example: `  rollcall password                 # your own: asks for the one that you have, and twice for the new one
  rollcall password --user ada      # somebody else's; their sessions end`,
	}
	workspace := workspaceFlag(cmd)
	cmd.Flags().StringVar(&user, "user", "", "whose: id or user name (default: your own)")
	cmd.Flags().BoolVar(&confirm, "confirm", true, "ask for the new password twice")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		body := map[string]string{}
		if user != "" {
			id, err := c.userID(cmd.Context(), *workspace, user)
			if err != nil {
				return err
			}
			body["userId"] = id
		} else {
			var err error
			if body["current"], err = c.readSecret("Present password"); err != nil {
				return err
			}
		}
		var err error
		if body["new"], err = c.readSecret("New password"); err != nil {
			return err
		}
		if confirm {
			if body["confirm"], err = c.readSecret("New password, again"); err != nil {
				return err
			}
		}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/password", inWorkspace(*workspace), body, nil); err != nil {
			return err
		}
		fmt.Fprintln(c.stderr, "The password is set. Sessions that were open have ended.")
		return nil
	}
	cmd.AddCommand(c.passwordLinkCommands()...)
	return cmd
}

// userID finds the id of a user.
func (c *cli) userID(ctx context.Context, workspace, name string) (string, error) {
	r, err := c.find(ctx, scimPath(workspace, "Users"), "userName", name)
	if err != nil {
		return "", err
	}
	if r == nil {
		return "", &exitError{exitFailed, fmt.Sprintf("there is no user %q: `rollcall user list` shows them", name)}
	}
	return r.text("id"), nil
}

func (c *cli) sessionCommand() *cobra.Command {
	var connected bool
	list := &cobra.Command{Use: "list", Short: "List your sessions, or with sessions:manage everybody's", Args: noArgs,
		Example: "  rollcall session list --connected    # who is there: a session used within five minutes"}
	workspace := workspaceFlag(list)
	list.Flags().BoolVar(&connected, "connected", false, "only those used within five minutes")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		if *workspace != "" {
			query.Set("workspace", *workspace)
		}
		if connected {
			query.Set("connected", "true")
		}
		var answer struct {
			Sessions []account.SessionInfo `json:"sessions"`
		}
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/sessions", query, nil, &answer); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, answer.Sessions)
		}
		rows := make([][]string, len(answer.Sessions))
		for i, s := range answer.Sessions {
			rows[i] = []string{s.ID, s.UserName, orDash(s.By), when(s.Created), when(s.LastUsed), when(s.ExpiresAt)}
		}
		return table(c.stdout, []string{"id", "user", "actor", "created", "last used", "expires"}, rows)
	}
	end := &cobra.Command{
		Use: "end ID", Short: "End a session, within a second everywhere", Args: argsOf("an ID (see `rollcall session list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.do(cmd.Context(), http.MethodDelete, "/api/v1/sessions/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "Session %s has ended.\n", args[0])
			return nil
		},
	}
	return c.group("session", "List sessions and end them", list, end)
}

// readSecret asks for a secret at the terminal; elsewhere it is the next line of the input.
func (c *cli) readSecret(what string) (string, error) {
	if f, ok := c.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(c.stderr, what+": ")
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.stderr)
		return string(text), err
	}
	line, err := c.readLine()
	if err != nil {
		return "", usagef("%s: give it at a terminal, or as a line of the input", strings.ToLower(what))
	}
	return line, nil
}

// readLine is the next line of the input.
func (c *cli) readLine() (string, error) {
	if c.lines == nil {
		c.lines = bufio.NewReader(c.stdin)
	}
	line, err := c.lines.ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

type noToken struct{}

// withoutToken is the context of a call that needs none.
func withoutToken(ctx context.Context) context.Context {
	return context.WithValue(ctx, noToken{}, true)
}
