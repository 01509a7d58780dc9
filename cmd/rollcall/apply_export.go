package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/goccy/go-yaml"

	"rollcall/account"
	"rollcall/scim"
)

// exportedWorkspace is a workspace as apply reads it.
type exportedWorkspace struct {
	Preset   string                   `json:"preset"`
	Settings json.RawMessage          `json:"settings"`
	Groups   map[string]exportedGroup `json:"groups,omitempty"`
}

type exportedGroup struct {
	Description    string   `json:"description,omitempty"`
	Admin          bool     `json:"admin,omitempty"`
	LDAPGroupNames []string `json:"ldapGroupNames,omitempty"`
	Members        []string `json:"members"`
}

// exportConfig writes what apply makes, without secrets.
func (c *cli) exportConfig(ctx context.Context, only string) error {
	client, done, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer done()
	var list struct{ Workspaces []account.WorkspaceInfo }
	if err := client.call(ctx, http.MethodGet, "/api/v1/workspaces", nil, nil, &list); err != nil {
		return err
	}
	all := map[string]*exportedWorkspace{}
	for _, info := range list.Workspaces {
		if only != "" && info.Name != only {
			continue
		}
		if all[info.Name], err = c.exportWorkspace(ctx, client, info); err != nil {
			return err
		}
	}
	if only != "" && all[only] == nil {
		return &exitError{exitFailed, fmt.Sprintf("there is no workspace %q: `rollcall workspace list` shows them", only)}
	}
	text, err := json.Marshal(map[string]any{"workspaces": all})
	if err != nil {
		return err
	}
	out, err := yaml.JSONToYAML(text)
	if err != nil {
		return err
	}
	out = append([]byte("# As `rollcall apply -f` reads it.\n"), out...)
	if only == "" {
		more, err := c.exportSections()
		if err != nil {
			return err
		}
		out = append(out, more...)
	}
	w := c.stdout
	if f, special := c.stdout.(*formatted); special {
		w = f.Writer
	}
	_, err = w.Write(out)
	return err
}

func (c *cli) exportWorkspace(ctx context.Context, client *client, info account.WorkspaceInfo) (*exportedWorkspace, error) {
	e := &exportedWorkspace{Preset: info.Preset, Groups: map[string]exportedGroup{}}
	var settings json.RawMessage
	if err := client.call(ctx, http.MethodGet, "/api/v1/settings", url.Values{"workspace": {info.Name}}, nil, &settings); err != nil {
		return nil, err
	}
	var known account.Settings
	if err := json.Unmarshal(settings, &known); err != nil {
		return nil, err
	}
	// The members keep the order of the type.
	text, err := json.Marshal(struct {
		account.Settings
		Preset *string `json:"preset,omitempty"` // stands beside the settings
	}{known, nil})
	if err != nil {
		return nil, err
	}
	e.Settings = text
	names, err := c.userNames(ctx, client, info.Name)
	if err != nil {
		return nil, err
	}
	path, owned := scimPath(info.Name, "Groups"), 0
	err = eachResource(ctx, client, path, func(r resource) error {
		if r.text("externalId") != "-" {
			owned++ // whoever made it keeps it in step
			return nil
		}
		var group resource
		if err := client.call(ctx, http.MethodGet, path+"/"+url.PathEscape(r.text("id")), nil, nil, &group); err != nil {
			return err
		}
		e.Groups[r.text("displayName")] = exportGroup(group, names)
		return nil
	})
	if owned > 0 {
		fmt.Fprintf(c.stderr, "%s: %d groups with an externalId are left out: a source or client keeps them\n", info.Name, owned)
	}
	return e, err
}

// userNames are those of a workspace's users, by id.
func (c *cli) userNames(ctx context.Context, client *client, workspace string) (map[string]string, error) {
	names := map[string]string{}
	err := eachResource(ctx, client, scimPath(workspace, "Users"), func(r resource) error {
		names[r.text("id")] = r.text("userName")
		return nil
	})
	return names, err
}

func exportGroup(r resource, names map[string]string) exportedGroup {
	g := exportedGroup{Members: []string{}}
	ext, _ := r[scim.AccountGroupURN].(map[string]any)
	g.Description, _ = ext["description"].(string)
	g.Admin, _ = ext["admin"].(bool)
	list, _ := ext["ldapGroupNames"].([]any)
	for _, name := range list {
		g.LDAPGroupNames = append(g.LDAPGroupNames, fmt.Sprint(name))
	}
	members, _ := r["members"].([]any)
	for _, m := range members {
		object, _ := m.(map[string]any)
		id, _ := object["value"].(string)
		if name, ok := names[id]; ok { // groups in groups are not told
			g.Members = append(g.Members, name)
		}
	}
	slices.Sort(g.Members)
	return g
}

// exportSections is the clients and sources of the configuration file, without secrets.
func (c *cli) exportSections() ([]byte, error) {
	_, origins, err := c.loadConfig()
	if err != nil || origins.File == "" {
		return nil, err
	}
	text, _, err := readFile(origins.File, maxFile)
	if err != nil {
		return nil, err
	}
	var doc yaml.MapSlice
	for _, section := range []string{"clients", "sources"} {
		e, err := readEntries(text, section)
		if err != nil {
			return nil, err
		}
		var all yaml.MapSlice
		for _, name := range slices.Sorted(maps.Keys(e.values)) {
			all = append(all, yaml.MapItem{Key: name, Value: c.withoutSecrets(e.values[name], section, name, "")})
		}
		if len(all) > 0 {
			doc = append(doc, yaml.MapItem{Key: section, Value: all})
		}
	}
	if len(doc) == 0 {
		return nil, nil
	}
	return yaml.MarshalWithOptions(doc, yaml.Indent(2), yaml.IndentSequence(true))
}

// withoutSecrets leaves out what is a secret itself: apply leaves alone what a file does not name.
func (c *cli) withoutSecrets(m yaml.MapSlice, section, name, path string) yaml.MapSlice {
	kept := yaml.MapSlice{}
	for _, item := range m {
		at := join(path, fmt.Sprint(item.Key))
		if isSecretAt(section, at) {
			fmt.Fprintf(c.stderr, "%s.%s.%s is a secret and left out: %s_file would name a file that holds it\n", section, name, at, item.Key)
			continue
		}
		if sub, ok := item.Value.(yaml.MapSlice); ok {
			item.Value = c.withoutSecrets(sub, section, name, at)
		}
		kept = append(kept, item)
	}
	return kept
}
