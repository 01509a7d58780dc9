package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/internal/schemas"
	"rollcall/scim"
)

// newRegistry gives the models of workspaces.
func (c *core) newRegistry() *schemas.Registry {
	return schemas.New(schemas.Config{
		Open: func(ctx context.Context, name string) (schemas.Workspace, error) {
			w, err := c.store.Workspace(ctx, name)
			if err != nil {
				return nil, err
			}
			return w, nil
		},
		Configured: c.config.custom,
		Shared:     !strings.HasPrefix(c.config.Store.URL, "bolt:"), // the file is one process's
	})
}

// open opens a workspace with the schemas that it has now.
func (c *core) open(ctx context.Context, name string) (scim.Store, error) {
	w, err := c.store.Workspace(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, err := c.schemas.Load(ctx, name); err != nil {
		return nil, err
	}
	return notedStore{w}, nil
}

// detailOf is an error's text without the keyword in front.
func detailOf(err error) string {
	var e *scim.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return err.Error()
}

func (c *cli) schemaCommand() *cobra.Command {
	return c.group("schema", "List, show, add and delete the schemas and resource types of a workspace",
		c.schemaListCommand(), c.schemaShowCommand(), c.schemaAddCommand(), c.schemaDeleteCommand(), c.schemaIndexCommand())
}

func workspaceFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("workspace", "", "workspace (default: your own, else default)")
}

func (c *cli) schemaListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List schemas and the resource types that use them", Args: noArgs}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var list struct {
			Schemas []schemas.Schema `json:"schemas"`
		}
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/schemas", inWorkspace(*workspace), nil, &list); err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.stdout, list.Schemas)
		}
		rows := make([][]string, len(list.Schemas))
		for i, s := range list.Schemas {
			rows[i] = []string{s.URN, s.Name, fmt.Sprint(s.Attributes), orDash(strings.Join(s.UsedBy, ",")), s.Origin}
		}
		return table(c.stdout, []string{"id", "name", "attributes", "used by", "origin"}, rows)
	}
	return cmd
}

// definitionPath is the call about a schema, or, where the name has no colon, a resource type.
func definitionPath(name string) string {
	if strings.Contains(name, ":") {
		return "/api/v1/schemas/" + name
	}
	return "/api/v1/resource-types/" + name
}

func (c *cli) schemaShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show URN|TYPE", Short: "Print a schema or resource type as JSON", Args: argsOf("the URN of a schema, or the name of a resource type"),
	}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var text json.RawMessage
		if err := c.do(cmd.Context(), http.MethodGet, definitionPath(args[0]), inWorkspace(*workspace), nil, &text); err != nil {
			return err
		}
		return printJSON(c.stdout, text)
	}
	return cmd
}

func (c *cli) schemaAddCommand() *cobra.Command {
	var extends []string
	var replace bool
	cmd := &cobra.Command{
		Use: "add FILE", Short: "Add a schema or resource type from a file of JSON", Args: argsOf("a FILE"),
		Example: `  rollcall schema add hr.json --extends User
  rollcall schema add device.json --extends none && rollcall schema add device-type.json`,
	}
	workspace := workspaceFlag(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&extends, "extends", nil, "resource types that the schema extends, or none (default: User, unless a resource type names it)")
	f.BoolVar(&replace, "replace", false, "replace the one that there is")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file := SchemaConfig{File: args[0]}
		if err := file.read(); err != nil {
			return usagef("%s: %s", args[0], detailOf(err))
		}
		text, _, err := readFile(args[0], scim.MaxSchemaBytes)
		if err != nil {
			return err
		}
		query := url.Values{}
		maps.Copy(query, inWorkspace(*workspace))
		if len(extends) > 0 {
			query["extends"] = extends
		}
		var path, name string
		if file.typ != nil {
			path, name = "/api/v1/resource-types", file.typ.Name
		} else {
			path, name = "/api/v1/schemas", file.schema.URN()
		}
		method := http.MethodPost
		if replace {
			method, path = http.MethodPut, path+"/"+name
		}
		if err := c.do(cmd.Context(), method, path, query, json.RawMessage(text), nil); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s is in use.\n", name)
		return nil
	}
	return cmd
}

func (c *cli) schemaDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete URN|TYPE", Short: "Delete a schema or resource type that nothing uses", Args: argsOf("the URN of a schema, or the name of a resource type"),
	}
	workspace := workspaceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.do(cmd.Context(), http.MethodDelete, definitionPath(args[0]), inWorkspace(*workspace), nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "%s is deleted.\n", args[0])
		return nil
	}
	return cmd
}
