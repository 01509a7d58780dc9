package schemas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// AddSchema adds a schema in the JSON of RFC 7643 §7, and returns its URN. extends names the
// resource types that it extends: see scim.CustomSchema.
func (r *Registry) AddSchema(ctx context.Context, workspace string, text []byte, extends []string) (urn string, err error) {
	d, err := scim.ParseSchema(text)
	if err != nil {
		return "", err
	}
	return d.URN(), r.change(ctx, workspace, func(s *state) error {
		if i, _ := s.schema(d.URN()); i >= 0 {
			return scim.Errorf(scim.ErrUniqueness, "id: the workspace has the schema %s already", d.URN())
		}
		s.stored.Schemas = append(s.stored.Schemas, storedSchema{text, extends})
		return nil
	})
}

// ReplaceSchema replaces a schema. A nil extends leaves that as it is.
func (r *Registry) ReplaceSchema(ctx context.Context, workspace, urn string, text []byte, extends []string) error {
	d, err := scim.ParseSchema(text)
	if err != nil {
		return err
	}
	if d.URN() != urn {
		return scim.Errorf(scim.ErrInvalidValue, "id: %s is another schema than %s", d.URN(), urn)
	}
	return r.change(ctx, workspace, func(s *state) error {
		i, err := s.ownSchema(urn)
		if err != nil {
			return err
		}
		if extends == nil {
			extends = s.stored.Schemas[i].Extends
		}
		s.stored.Schemas[i] = storedSchema{text, extends}
		return nil
	})
}

// DeleteSchema removes a schema that nothing uses.
func (r *Registry) DeleteSchema(ctx context.Context, workspace, urn string) error {
	return r.change(ctx, workspace, func(s *state) error {
		i, err := s.ownSchema(urn)
		if err != nil {
			return err
		}
		for _, t := range s.custom.Types {
			used := strings.EqualFold(t.Schema.URN(), urn)
			for _, x := range t.Extensions {
				used = used || strings.EqualFold(x.URN(), urn)
			}
			if used {
				return scim.Errorf(scim.ErrInUse, "the resource type %s uses the schema %s: delete or change that first", t.Name, urn)
			}
		}
		s.stored.Schemas = slices.Delete(s.stored.Schemas, i, i+1)
		return nil
	})
}

// AddType adds a resource type in the JSON of RFC 7643 §6, and returns its name.
func (r *Registry) AddType(ctx context.Context, workspace string, text []byte) (name string, err error) {
	d, err := scim.ParseResourceType(text)
	if err != nil {
		return "", err
	}
	return d.Name, r.change(ctx, workspace, func(s *state) error {
		if i, _ := s.typ(d.Name); i >= 0 {
			return scim.Errorf(scim.ErrUniqueness, "name: the workspace has the resource type %s already", d.Name)
		}
		s.stored.Types = append(s.stored.Types, text)
		return nil
	})
}

// ReplaceType replaces a resource type.
func (r *Registry) ReplaceType(ctx context.Context, workspace, name string, text []byte) error {
	d, err := scim.ParseResourceType(text)
	if err != nil {
		return err
	}
	if d.Name != name {
		return scim.Errorf(scim.ErrInvalidValue, "name: %s is another resource type than %s", d.Name, name)
	}
	return r.change(ctx, workspace, func(s *state) error {
		i, err := s.ownType(name)
		if err == nil {
			s.stored.Types[i] = text
		}
		return err
	})
}

// DeleteType removes a resource type of which there are no resources.
func (r *Registry) DeleteType(ctx context.Context, workspace, name string) error {
	return r.change(ctx, workspace, func(s *state) error {
		i, err := s.ownType(name)
		if err == nil {
			s.stored.Types = slices.Delete(s.stored.Types, i, i+1)
		}
		return err
	})
}

// Index sets which attributes of a resource type are indexed, beside those that always are and
// those that schemas mark.
func (r *Registry) Index(ctx context.Context, workspace, typ string, names []string) error {
	return r.change(ctx, workspace, func(s *state) error {
		t := s.model.Type(typ)
		if t == nil {
			return scim.Errorf(scim.ErrNotFound, "there is no resource type %q", typ)
		}
		var paths []string
		for _, name := range names {
			p, err := t.IndexPath(name)
			if err != nil {
				return err
			}
			if !slices.Contains(paths, p.String()) {
				paths = append(paths, p.String())
			}
		}
		if s.stored.Indexed == nil {
			s.stored.Indexed = map[string][]string{}
		}
		if s.stored.Indexed[typ] = paths; len(paths) == 0 {
			delete(s.stored.Indexed, typ)
		}
		return nil
	})
}

// schema finds a schema among all that were added. own is its place among the stored ones,
// below zero for one of the configuration's.
func (s *state) schema(urn string) (i, own int) {
	i = slices.IndexFunc(s.custom.Schemas, func(d scim.CustomSchema) bool { return strings.EqualFold(d.URN(), urn) })
	return i, i - (len(s.custom.Schemas) - len(s.stored.Schemas))
}

func (s *state) typ(name string) (i, own int) {
	i = slices.IndexFunc(s.custom.Types, func(d scim.TypeDefinition) bool { return strings.EqualFold(d.Name, name) })
	return i, i - (len(s.custom.Types) - len(s.stored.Types))
}

// ownSchema is the place of a schema that may be changed.
func (s *state) ownSchema(urn string) (int, error) {
	i, own := s.schema(urn)
	return own, mayChange("schema", urn, i, own, slices.ContainsFunc(s.model.Schemas, func(m *scim.Schema) bool { return strings.EqualFold(m.URN, urn) }))
}

func (s *state) ownType(name string) (int, error) {
	i, own := s.typ(name)
	return own, mayChange("resource type", name, i, own, s.model.Type(name) != nil)
}

func mayChange(what, name string, i, own int, exists bool) error {
	switch {
	case i >= 0 && own >= 0:
		return nil
	case i >= 0:
		return scim.Errorf(scim.ErrForbidden, "the %s %s is the configuration's: change it there", what, name)
	case exists:
		return scim.Errorf(scim.ErrForbidden, "the %s %s is built in", what, name)
	}
	return scim.Errorf(scim.ErrNotFound, "there is no %s %q", what, name)
}

// seeThrough is how long a change may take from its writing on.
const seeThrough = time.Minute

// maxTries bounds how often a change starts again since another was faster.
const maxTries = 5

// change makes a change of a workspace's definitions: the model that would come of it is
// compiled, and what resources would no longer fit is looked for, before anything is
// written. It returns once every process uses the new model.
func (r *Registry) change(ctx context.Context, workspace string, edit func(*state) error) error {
	w, err := r.config.Open(ctx, workspace)
	if err != nil {
		return err
	}
	for range maxTries {
		old, err := r.load(ctx, workspace, 0)
		if err != nil {
			return err
		}
		next := *old
		next.stored = stored{slices.Clone(old.stored.Schemas), slices.Clone(old.stored.Types), maps.Clone(old.stored.Indexed)}
		if err := edit(&next); err != nil {
			return err
		}
		if err := next.build(r.config.Configured(workspace)); err != nil {
			return err
		}
		if next.text, err = json.Marshal(next.stored); err != nil {
			return err
		}
		if len(next.text) > maxStored {
			return scim.Errorf(scim.ErrTooLarge, "the schemas of a workspace may have %d KiB together", maxStored>>10)
		}
		err = r.put(ctx, w, workspace, old, &next)
		if !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
	}
	return fmt.Errorf("schemas of workspace %s: others change them all the time: %w", workspace, scim.ErrUnavailable)
}

// put writes a change. What it narrows must be in use by nothing: neither before the change, nor
// by a write that came between the look and the moment when all processes have the new model.
func (r *Registry) put(ctx context.Context, w Workspace, workspace string, old, next *state) error {
	narrowed := scim.Narrowed(old.model, next.model)
	span, err := w.Span(ctx)
	if err != nil {
		return err
	}
	for _, n := range narrowed {
		if err := unused(ctx, w, n); err != nil {
			return err
		}
	}
	// From here on the change is seen through, though who asked for it goes away: one that was made
	// and not looked after could leave values that do not fit it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), seeThrough)
	defer cancel()
	if err := w.KV(space).Put(ctx, key, next.text, present(old.text)); err != nil {
		return err
	}
	if err := r.settle(ctx, workspace); err != nil {
		return err
	}
	if len(narrowed) == 0 {
		return nil
	}
	if err := untouched(ctx, w, narrowed, span.Newest); err != nil {
		back := w.KV(space).Put(ctx, key, orEmpty(old.text), next.text)
		return errors.Join(err, back, r.settle(ctx, workspace))
	}
	return nil
}

// settle takes the change over here, and waits for the other processes.
func (r *Registry) settle(ctx context.Context, workspace string) error {
	if _, err := r.load(ctx, workspace, 0); err != nil || !r.config.Shared {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // the change is made; only nobody waits for it
	}
	return nil
}

// present is what KV.Put is to find.
func present(text []byte) []byte {
	if text == nil {
		return []byte{}
	}
	return text
}

func orEmpty(text []byte) []byte {
	if text == nil {
		return []byte("{}")
	}
	return text
}

// unused looks for a resource that a narrowing would not fit.
func unused(ctx context.Context, w Workspace, n scim.Narrowing) error {
	q := &scim.Query{Types: []string{n.Type}, Count: 1}
	if n.Extension != "" {
		var err error
		if q.Filter, err = scim.ParseFilter(n.Extension + " pr"); err != nil {
			return err
		}
	}
	page, err := w.Query(ctx, q)
	if err != nil || page.Total == 0 {
		return err
	}
	return scim.Errorf(scim.ErrInUse, "%s, and %d resources use it, %s among them", n, page.Total, page.Resources[0].Ref)
}

// untouched looks into the feed for writes since a change that a narrowing would not fit.
func untouched(ctx context.Context, w Workspace, narrowed []scim.Narrowing, since scim.Version) error {
	const page = 1000
	for {
		changes, err := w.Changes(ctx, since, page)
		if err != nil || len(changes) == 0 {
			return err
		}
		for _, c := range changes {
			for _, n := range narrowed {
				if c.Ref.Type == n.Type && c.Op != "delete" && (n.Extension == "" || slices.Contains(c.Attributes, n.Extension)) {
					return scim.Errorf(scim.ErrInUse, "%s, and %s began to use it meanwhile", n, c.Ref)
				}
			}
		}
		since = changes[len(changes)-1].Version
	}
}
