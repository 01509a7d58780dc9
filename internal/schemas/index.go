package schemas

import (
	"context"
	"slices"
)

// Indexed is which attributes of a resource type lists find in the index, beside those that they
// always do.
type Indexed struct {
	Type      string   `json:"resourceType"`
	Workspace []string `json:"attributes"` // that the workspace named: see Registry.Index
	Schemas   []string `json:"bySchema"`   // that schemas mark with "indexed": true
}

// Indexed lists the resource types with their indexed attributes.
func (r *Registry) Indexed(ctx context.Context, workspace string) ([]Indexed, error) {
	s, err := r.load(ctx, workspace, maxAge)
	if err != nil {
		return nil, err
	}
	all := make([]Indexed, len(s.model.Types))
	for i, t := range s.model.Types {
		all[i] = Indexed{Type: t.Name, Workspace: slices.Clone(s.stored.Indexed[t.Name]), Schemas: []string{}}
		if all[i].Workspace == nil {
			all[i].Workspace = []string{}
		}
		for _, p := range t.Indexed {
			if name := p.String(); !slices.Contains(all[i].Workspace, name) {
				all[i].Schemas = append(all[i].Schemas, name)
			}
		}
	}
	return all, nil
}
