package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

var wholeUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (c *cli) userEraseCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "erase NAME", Short: "Erase everything personal of a user, for good", Args: argsOf("a NAME, or the ID of one who was deleted"),
		Long: `Erase a user's account, what was kept of it to be restored, what it was before and after each of its
changes, secrets, sessions, tokens, mails that wait, and what the audit, sync runs and plans tell of
it. Changes and audit go on naming the id, which leads to nobody any more, and the audit can still
be verified. Nothing brings it back but a backup; docs/operate.md tells what backups, the
embedded file and Redis's log may still hold, and how to drop that.

A source whose directory has the person still does not make them anew for 30 days: its runs say so.`,
		Example: `  rollcall user erase ada --yes`,
	}
	workspace := workspaceFlag(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do it: without this nothing is erased")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes {
			return usagef("nothing brings %s back afterwards: say --yes to erase them", args[0])
		}
		id, query := strings.ToLower(args[0]), inWorkspace(*workspace)
		if !wholeUUID.MatchString(id) {
			var err error
			if id, query, err = c.userRef(cmd.Context(), *workspace, args[0]); err != nil {
				return err
			}
		}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/v1/users/"+url.PathEscape(id)+"/erase", query, nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s is erased.\n", args[0])
		return nil
	}
	return cmd
}
