package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
)

// transferTypes are what export and import move, in the order in which they have to come.
var transferTypes = []transferType{{"User", "Users", "userName"}, {"Group", "Groups", "displayName"}}

type transferType struct{ name, endpoint, key string }

// here is the configuration file that commands find by themselves.
const here = "default"

func (c *cli) exportCommand() *cobra.Command {
	var workspace, typ string
	var config string
	cmd := &cobra.Command{
		Use: "export", Short: "Write users and groups as JSON lines, users as CSV, or what apply reads", Args: noArgs,
		Long: `Write every user, then every group with its members, to stdout: one resource of SCIM a line, as
import reads them. With -o csv, users alone in the columns of import. With --config no people but
workspaces, their settings and groups, clients and sources, as apply reads them.`,
		Example: `  rollcall export > people.jsonl
  rollcall export -o csv > people.csv
  rollcall export --config > site.yaml && rollcall apply -f site.yaml --dry-run --exit-code`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config != "" {
				if config != here {
					c.configFile = config
				}
				return c.exportConfig(cmd.Context(), workspace)
			}
			client, done, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			out := c.stdout
			f, special := c.stdout.(*formatted)
			if special {
				out = f.Writer
			}
			if special && f.form == "csv" {
				return exportCSV(cmd.Context(), client, scimPath(workspace, "Users"), out)
			}
			for _, t := range transferTypes {
				if typ != "" && !strings.EqualFold(typ, t.name) {
					continue
				}
				if err := exportLines(cmd.Context(), client, scimPath(workspace, t.endpoint), t.name == "Group", out); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace (default: the token's)")
	cmd.Flags().StringVar(&typ, "type", "", "User or Group alone")
	// It stands in front of the flag of all commands, which names the same file.
	cmd.Flags().StringVar(&config, "config", "", "what apply reads instead: workspaces, settings, groups, and the clients and sources of `FILE`")
	cmd.Flags().Lookup("config").NoOptDefVal = here
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && config == here {
			return usagef("write --config=FILE for what apply reads, and for people ROLLCALL_CONFIG=FILE and no --config")
		}
		return noArgs(cmd, args)
	}
	return cmd
}

// eachResource passes on every resource of an endpoint, in order of id and paged by cursor, so that
// what others write meanwhile moves nothing.
func eachResource(ctx context.Context, client *client, path string, fn func(resource) error) error {
	query := url.Values{"count": {fmt.Sprint(pageSize)}, "cursor": {""}, "excludedAttributes": {"members"}}
	for {
		var page struct {
			Resources  []resource
			NextCursor string
		}
		if err := client.call(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return err
		}
		for _, r := range page.Resources {
			if err := fn(r); err != nil {
				return err
			}
		}
		if page.NextCursor == "" {
			return nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

func exportLines(ctx context.Context, client *client, path string, members bool, out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return eachResource(ctx, client, path, func(r resource) error {
		if members {
			if err := client.call(ctx, http.MethodGet, path+"/"+url.PathEscape(r.text("id")), nil, nil, &r); err != nil {
				return err
			}
		}
		return enc.Encode(r)
	})
}

func (c *cli) importCommand() *cobra.Command {
	var workspace string
	var dryRun, exitCode bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Make and change users and groups from JSON lines or CSV", Args: argsOf("a FILE, - for stdin"),
		Long: `Make the users and groups of a file, or change those that are there: found by externalId, else by
userName or displayName. What a line has is set, what it has not is left as it is; nobody is
removed. Doing it again changes nothing.

A file of JSON lines has a resource of SCIM on each, as export writes them; members are found by
their ids in the file. One that begins with a line of names is CSV of users: userName, externalId,
active, displayName, givenName, familyName, email, title, userType, and any other path of SCIM.

Exit codes: 0 done · 3 with --dry-run --exit-code where anything would change · 4 some lines failed`,
		Example: `  rollcall import people.csv --dry-run
  rollcall export | rollcall import - --server https://other.example.com --token "$OTHER"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			items, err := c.readImport(args[0])
			if err != nil {
				return err
			}
			client, done, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			m := &importer{client: client, workspace: workspace, dry: dryRun, ids: map[string]string{}, out: c}
			return m.run(cmd.Context(), items, exitCode)
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace (default: the token's)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and do nothing")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "with --dry-run: end with 3 where anything would change")
	return cmd
}

// importItem is one line of a file.
type importItem struct {
	line int
	typ  transferType
	id   string // in the file
	body resource
	err  error
}

// importer makes and changes what a file has.
type importer struct {
	client    *client
	workspace string
	dry       bool
	ids       map[string]string // of the file → here
	out       *cli

	Created   int      `json:"created"`
	Updated   int      `json:"updated"`
	Unchanged int      `json:"unchanged"`
	Failed    int      `json:"failed"`
	DryRun    bool     `json:"dryRun"`
	Problems  []string `json:"problems,omitempty"`
}

func (m *importer) run(ctx context.Context, items []importItem, exitCode bool) error {
	m.DryRun = m.dry
	for _, t := range transferTypes {
		for _, item := range items {
			if item.err == nil && item.typ != t || item.err != nil && t != transferTypes[0] {
				continue
			}
			err := item.err
			if err == nil {
				err = m.one(ctx, item)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				m.Failed++
				m.Problems = append(m.Problems, fmt.Sprintf("line %d: %v", item.line, err))
			}
		}
	}
	if err := m.report(); err != nil {
		return err
	}
	switch {
	case m.Failed > 0:
		return &exitError{code: exitPartial}
	case m.dry && exitCode && m.Created+m.Updated > 0:
		return &exitError{code: exitDifferent}
	}
	return nil
}

func (m *importer) report() error {
	if m.out.output == "json" {
		return printJSON(m.out.stdout, m)
	}
	for _, p := range m.Problems {
		fmt.Fprintln(m.out.stderr, p)
	}
	word := "Done"
	if m.dry {
		word = "Would be done"
	}
	_, err := fmt.Fprintf(m.out.stdout, "%s: %d created, %d updated, %d unchanged, %d failed\n", word, m.Created, m.Updated, m.Unchanged, m.Failed)
	return err
}

func (m *importer) say(sign, what string) {
	if m.out.output != "json" {
		fmt.Fprintln(m.out.stdout, sign, what)
	}
}

// one makes or changes one resource.
func (m *importer) one(ctx context.Context, item importItem) error {
	path := scimPath(m.workspace, item.typ.endpoint)
	old, err := m.existing(ctx, path, item)
	if err != nil {
		return err
	}
	m.resolveMembers(item.body)
	name := item.typ.name + " " + item.body.text(item.typ.key)
	if old == nil {
		m.Created++
		m.say("+", name)
		if m.dry {
			m.ids[item.id] = item.id
			return nil
		}
		var made resource
		if err := m.client.call(ctx, http.MethodPost, path, nil, item.body, &made); err != nil {
			m.Created--
			return err
		}
		m.ids[item.id] = made.text("id")
		return nil
	}
	m.ids[item.id] = old.text("id")
	set := different(old, item.body)
	if len(set) == 0 {
		m.Unchanged++
		return nil
	}
	m.Updated++
	m.say("~", name)
	if m.dry {
		return nil
	}
	patch := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []any{map[string]any{"op": "replace", "value": set}}}
	if err := m.client.call(ctx, http.MethodPatch, path+"/"+url.PathEscape(old.text("id")), nil, patch, nil); err != nil {
		m.Updated--
		return err
	}
	return nil
}

// existing finds the resource of a line, with its members; nil for none.
func (m *importer) existing(ctx context.Context, path string, item importItem) (resource, error) {
	for _, attr := range []string{"externalId", item.typ.key} {
		value, _ := item.body[attr].(string)
		if value == "" {
			continue
		}
		quoted, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		var page struct{ Resources []resource }
		if err := m.client.call(ctx, http.MethodGet, path, url.Values{"filter": {attr + " eq " + string(quoted)}}, nil, &page); err != nil {
			return nil, err
		}
		if len(page.Resources) > 0 {
			return page.Resources[0], nil
		}
	}
	return nil, nil
}

// resolveMembers turns the members' ids of the file into those here.
func (m *importer) resolveMembers(body resource) {
	members, _ := body["members"].([]any)
	for i, member := range members {
		object, _ := member.(map[string]any)
		id, _ := object["value"].(string)
		if here, ok := m.ids[id]; ok {
			id = here
		}
		members[i] = map[string]any{"value": id}
	}
}

// different is what of a body is not so in a resource.
func different(old, body resource) map[string]any {
	set := map[string]any{}
	for name, value := range body {
		if name == "schemas" || same(old[name], value) {
			continue
		}
		set[name] = value
	}
	return set
}

// same tells whether a resource has a value already: an object has to have its members, a list its
// elements and no others, and what the server adds to them does not count.
func same(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		object, ok := have.(map[string]any)
		for name, v := range want {
			if !ok || !same(object[name], v) {
				return false
			}
		}
		return ok
	case []any:
		list, _ := have.([]any)
		if len(list) != len(want) {
			return false
		}
		for _, w := range want {
			found := false
			for _, h := range list {
				found = found || same(h, w)
			}
			if !found {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(have, want)
}

// openImport opens the file, or stdin.
func (c *cli) openImport(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(c.stdin), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return f, nil
}
