package main

import (
	"maps"
	"slices"

	"rollcall/scim"
)

// SchemaConfig is a file with a schema (RFC 7643 §7) or a resource type (§6) in JSON, which
// workspaces have beside the built-in ones.
type SchemaConfig struct {
	Name      string   // its key under schemas
	File      string   `key:"file"`      // schema or resource type, as JSON of RFC 7643
	Workspace string   `key:"workspace"` // "" for every workspace
	Extends   []string `key:"extends"`   // resource types that a schema extends: scim.CustomSchema

	// What the file holds: one of the two.
	schema *scim.Definition
	typ    *scim.TypeDefinition
}

func (c *SchemaConfig) setDefaults(name string) { *c = SchemaConfig{Name: name} }

// read reads the file. A resource type is told by its endpoint.
func (c *SchemaConfig) read() error {
	text, _, err := readFile(c.File, scim.MaxSchemaBytes)
	if err != nil {
		return err
	}
	if scim.IsResourceType(text) {
		d, err := scim.ParseResourceType(text)
		c.typ = &d
		return err
	}
	d, err := scim.ParseSchema(text)
	c.schema = &d
	return err
}

// custom is what the configuration adds to the schemas of a workspace.
func (c *Config) custom(workspace string) scim.Custom {
	return c.customWhere(func(s *SchemaConfig) bool { return s.Workspace == "" || s.Workspace == workspace })
}

func (c *Config) customWhere(counts func(*SchemaConfig) bool) scim.Custom {
	var custom scim.Custom
	for _, name := range slices.Sorted(maps.Keys(c.Schemas)) {
		switch s := c.Schemas[name]; {
		case !counts(s):
		case s.schema != nil:
			custom.Schemas = append(custom.Schemas, scim.CustomSchema{Definition: *s.schema, Extends: s.Extends})
		case s.typ != nil:
			custom.Types = append(custom.Types, *s.typ)
		}
	}
	return custom
}

// widestModel has the schemas of every workspace together, or the built-in ones where two
// workspaces contradict one another. It serves to check rules that name attributes.
func (c *Config) widestModel() *scim.Model {
	custom := c.customWhere(func(*SchemaConfig) bool { return true })
	m, err := custom.Model()
	if err != nil {
		return scim.DefaultModel()
	}
	return m
}

func (l *loader) checkSchemas() {
	workspaces := map[string]string{"default": ""} // and a setting to blame
	whole := true
	for _, name := range slices.Sorted(maps.Keys(l.config.Schemas)) {
		s, path := l.config.Schemas[name], "schemas."+name+"."
		if s.Workspace != "" {
			l.checkWorkspace(path+"workspace", s.Workspace)
			workspaces[s.Workspace] = path + "file"
		}
		if s.File == "" && !l.broken[path+"file"] {
			l.bad(path+"file", "", "it is missing: the path of a schema or resource type in JSON")
			whole = false
			continue
		}
		if err := s.read(); err != nil {
			l.bad(path+"file", "", "%s: %s", s.File, detailOf(err))
			s.schema, s.typ, whole = nil, nil, false
		}
		if s.typ != nil && len(s.Extends) > 0 {
			l.bad(path+"extends", "", "it is for a schema, and %s is a resource type", s.File)
		}
	}
	for _, workspace := range slices.Sorted(maps.Keys(workspaces)) {
		custom := l.config.custom(workspace)
		if _, err := custom.Model(); err != nil && whole {
			path := workspaces[workspace]
			if path == "" {
				path = "schemas"
			}
			l.bad(path, "", "%s", detailOf(err))
		}
	}
	for _, source := range l.config.Sources {
		custom := l.config.custom(source.Workspace)
		source.model, _ = custom.Model() // where there is none, that was told
	}
}
