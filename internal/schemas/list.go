package schemas

import (
	"context"
	"strings"

	"rollcall/scim"
)

// Where a definition comes from.
const (
	BuiltIn    = "built-in"
	Configured = "config"
	Added      = "workspace"
)

// Schema is a schema of a workspace.
type Schema struct {
	URN         string   `json:"id"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Attributes  int      `json:"attributeCount"`
	UsedBy      []string `json:"resourceTypes"` // that have it as their schema, or as an extension
	Origin      string   `json:"origin"`
	Text        []byte   `json:"-"` // in JSON, as RFC 7643 §7 has it
}

// Type is a resource type of a workspace.
type Type struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
	Schema   string `json:"schema"`
	Origin   string `json:"origin"`
	Text     []byte `json:"-"` // in JSON, as RFC 7643 §6 has it
}

// Schemas lists the schemas of a workspace: those that a resource type uses, and those that none
// uses yet.
func (r *Registry) Schemas(ctx context.Context, workspace string) ([]Schema, error) {
	s, err := r.load(ctx, workspace, maxAge)
	if err != nil {
		return nil, err
	}
	var all []Schema
	seen := map[string]bool{}
	for _, m := range s.model.Schemas {
		seen[m.URN] = true
		all = append(all, Schema{URN: m.URN, Name: m.Name, Description: m.Description, Attributes: len(m.Attributes),
			UsedBy: usedBy(s.model, m), Origin: s.origin(s.schema(m.URN)), Text: m.JSON})
	}
	for _, d := range s.custom.Schemas {
		if seen[d.URN()] {
			continue
		}
		text, err := d.Document()
		if err != nil {
			return nil, err
		}
		all = append(all, Schema{URN: d.URN(), Name: d.Schema.Name.Value(), Description: d.Schema.Description.Value(),
			Attributes: len(d.Schema.Attributes), UsedBy: []string{}, Origin: s.origin(s.schema(d.URN())), Text: text})
	}
	return all, nil
}

func usedBy(m *scim.Model, schema *scim.Schema) []string {
	names := []string{}
	for _, t := range m.Types {
		used := t.Schema == schema
		for _, x := range t.Extensions {
			used = used || x.Schema == schema
		}
		if used {
			names = append(names, t.Name)
		}
	}
	return names
}

func (*state) origin(i, own int) string {
	switch {
	case i < 0:
		return BuiltIn
	case own < 0:
		return Configured
	}
	return Added
}

// Schema finds one, or returns scim.ErrNotFound.
func (r *Registry) Schema(ctx context.Context, workspace, urn string) (Schema, error) {
	all, err := r.Schemas(ctx, workspace)
	for _, s := range all {
		if strings.EqualFold(s.URN, urn) {
			return s, nil
		}
	}
	if err == nil {
		err = scim.Errorf(scim.ErrNotFound, "there is no schema %q", urn)
	}
	return Schema{}, err
}

// Types lists the resource types of a workspace.
func (r *Registry) Types(ctx context.Context, workspace string) ([]Type, error) {
	s, err := r.load(ctx, workspace, maxAge)
	if err != nil {
		return nil, err
	}
	var all []Type
	for _, t := range s.model.Types {
		i, own := s.typ(t.Name)
		d := builtIn(t)
		if i >= 0 {
			d = s.custom.Types[i]
		}
		all = append(all, Type{Name: t.Name, Endpoint: t.Endpoint, Schema: t.Schema.URN, Origin: s.origin(i, own), Text: d.Document()})
	}
	return all, nil
}

// builtIn is a built-in type as its definition, with the extensions that it has here.
func builtIn(t *scim.ResourceType) scim.TypeDefinition {
	d := scim.TypeDefinition{Name: t.Name, Endpoint: t.Endpoint, Description: t.Description}
	d.Schema.Schema.ID = t.Schema.URN
	for _, x := range t.Extensions {
		e := scim.ExtensionDefinition{Required: x.Required}
		e.Schema.ID = x.Schema.URN
		d.Extensions = append(d.Extensions, e)
	}
	return d
}

// Type finds one, or returns scim.ErrNotFound.
func (r *Registry) Type(ctx context.Context, workspace, name string) (Type, error) {
	all, err := r.Types(ctx, workspace)
	for _, t := range all {
		if strings.EqualFold(t.Name, name) {
			return t, nil
		}
	}
	if err == nil {
		err = scim.Errorf(scim.ErrNotFound, "there is no resource type %q", name)
	}
	return Type{}, err
}
