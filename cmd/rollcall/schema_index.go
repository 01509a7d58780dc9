package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/internal/schemas"
)

func (c *cli) schemaIndexCommand() *cobra.Command {
	var none bool
	cmd := &cobra.Command{
		Use: "index [TYPE ATTRIBUTE ...]", Short: "Show or set which attributes lists find without reading records",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case none && len(args) != 1:
				return usagef("--none wants one TYPE")
			case !none && len(args) == 1:
				return usagef("name the attributes of %s to index, or --none", args[0])
			}
			return nil
		},
		Example: `  rollcall schema index
  rollcall schema index User title department
  rollcall schema index User --none`,
	}
	workspace := workspaceFlag(cmd)
	cmd.Flags().BoolVar(&none, "none", false, "index none but those that always are, or that schemas mark")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var list struct {
			Types []schemas.Indexed `json:"resourceTypes"`
		}
		method, path, body := http.MethodGet, "/api/v1/index", any(nil)
		if len(args) > 0 {
			method, path = http.MethodPut, path+"/"+args[0]
			body = map[string][]string{"attributes": args[1:]}
		}
		if err := c.do(cmd.Context(), method, path, inWorkspace(*workspace), body, &list); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, list.Types)
		}
		rows := make([][]string, len(list.Types))
		for i, t := range list.Types {
			rows[i] = []string{t.Type, orDash(strings.Join(t.Workspace, ",")), orDash(strings.Join(t.Schemas, ","))}
		}
		fmt.Fprintln(c.stderr, "Beside userName, displayName, externalId, name.familyName, userType, emails, roles, active, id and meta.lastModified.")
		return table(c.stdout, []string{"resource type", "indexed", "by its schema"}, rows)
	}
	return cmd
}
