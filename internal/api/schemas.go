package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"rollcall/account"
	"rollcall/internal/schemas"
	"rollcall/scim"
)

// schemaRoutes are the calls about what a workspace adds to its schemas and resource types.
func (a *api) schemaRoutes() []route {
	if a.Schemas == nil {
		return nil
	}
	read, manage, where := needs(account.SettingsRead), needs(account.SettingsManage), []param{inWorkspace}
	extending := append(where, param{"extends", "The resource types that it extends, separated by commas; none for none.", ""})
	taken := fails(scim.ErrUniqueness, scim.ErrInUse, scim.ErrVersionMismatch, scim.ErrNotFound)
	list := []route{
		{method: "GET", path: "/schemas", call: a.listSchemas, needs: read, query: where, status: 200, out: listed[schemas.Schema]{"schemas"},
			about: "List the schemas of a workspace."},
		{method: "POST", path: "/schemas", call: a.addSchema, needs: manage, query: extending, in: document{}, status: 201, out: document{}, fails: taken,
			about: "Add a schema as RFC 7643 §7 has it, or a resource type (§6)."},
		{method: "GET", path: "/schemas/{urn}", call: a.showSchema, needs: read, query: where, status: 200, out: document{},
			about: "Show a schema, so that it can be changed and sent back."},
		{method: "PUT", path: "/schemas/{urn}", call: a.replaceSchema, needs: manage, query: extending, in: document{}, status: 200, out: document{}, fails: taken,
			about: "Replace a schema."},
		{method: "DELETE", path: "/schemas/{urn}", call: a.deleteSchema, needs: manage, query: where, status: 204, fails: taken,
			about: "Delete a schema that nothing uses."},
		{method: "GET", path: "/resource-types", call: a.listTypes, needs: read, query: where, status: 200, out: listed[schemas.Type]{"resourceTypes"},
			about: "List the resource types of a workspace."},
		{method: "POST", path: "/resource-types", call: a.addType, needs: manage, query: where, in: document{}, status: 201, out: document{}, fails: taken,
			about: "Add a resource type."},
		{method: "GET", path: "/resource-types/{name}", call: a.showType, needs: read, query: where, status: 200, out: document{},
			about: "Show a resource type."},
		{method: "PUT", path: "/resource-types/{name}", call: a.replaceType, needs: manage, query: where, in: document{}, status: 200, out: document{}, fails: taken,
			about: "Replace a resource type."},
		{method: "DELETE", path: "/resource-types/{name}", call: a.deleteType, needs: manage, query: where, status: 204, fails: taken,
			about: "Delete a resource type that nothing is of."},
		{method: "GET", path: "/index", call: a.listIndexed, needs: read, query: where, status: 200, out: listed[schemas.Indexed]{"resourceTypes"},
			about: "List which attributes the index has, by resource type."},
		{method: "PUT", path: "/index/{type}", call: a.setIndexed, needs: manage, query: where, in: newIndex{}, status: 200, out: listed[schemas.Indexed]{"resourceTypes"}, fails: fails(scim.ErrVersionMismatch),
			about: "Set which attributes the index has of a resource type."},
	}
	for i := range list {
		list[i].long = true
	}
	return list
}

// document is a schema or a resource type, as SCIM has it.
type document map[string]any

type newIndex struct {
	Attributes []string `json:"attributes" api:"required"`
}

// definition reads a body that is a schema or a resource type.
func definition(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || len(text) > scim.MaxSchemaBytes {
		return nil, scim.Errorf(scim.ErrTooLarge, "the body is larger than %d bytes", scim.MaxSchemaBytes)
	}
	if err != nil {
		return nil, scim.Errorf(scim.ErrInvalidSyntax, "the body cannot be read")
	}
	return text, nil
}

// extends reads ?extends=User,Device: nil where it is not said, empty for "none".
func extends(r *http.Request) []string {
	var names []string
	for _, list := range r.URL.Query()["extends"] {
		names = append(names, strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })...)
	}
	if slices.Equal(names, []string{"none"}) {
		return []string{}
	}
	return names
}

func (a *api) listSchemas(r *http.Request) (int, any, error) {
	list, err := a.Schemas.Schemas(r.Context(), workspaceIn(r))
	return answerList("schemas", list, err)
}

// showSchema answers the schema itself, so that it can be changed and sent back.
func (a *api) showSchema(r *http.Request) (int, any, error) {
	return a.schema(r, r.PathValue("urn"), http.StatusOK)
}

func (a *api) schema(r *http.Request, urn string, status int) (int, any, error) {
	s, err := a.Schemas.Schema(r.Context(), workspaceIn(r), urn)
	return status, json.RawMessage(s.Text), err
}

// addSchema takes a resource type too: whoever adds a kind of resource sends both alike.
func (a *api) addSchema(r *http.Request) (int, any, error) {
	workspace, text, err := a.writing(r)
	if err != nil {
		return 0, nil, err
	}
	if scim.IsResourceType(text) {
		return a.makeType(r, workspace, text)
	}
	urn, err := a.Schemas.AddSchema(r.Context(), workspace, text, extends(r))
	if err != nil {
		return 0, nil, err
	}
	return a.schema(r, urn, http.StatusCreated)
}

func (a *api) replaceSchema(r *http.Request) (int, any, error) {
	workspace, text, err := a.writing(r)
	if err != nil {
		return 0, nil, err
	}
	urn := r.PathValue("urn")
	if err := a.Schemas.ReplaceSchema(r.Context(), workspace, urn, text, extends(r)); err != nil {
		return 0, nil, err
	}
	return a.schema(r, urn, http.StatusOK)
}

func (a *api) deleteSchema(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Schemas.DeleteSchema(r.Context(), workspaceIn(r), r.PathValue("urn"))
}

func (a *api) listIndexed(r *http.Request) (int, any, error) {
	return a.indexed(r)
}

func (a *api) indexed(r *http.Request) (int, any, error) {
	list, err := a.Schemas.Indexed(r.Context(), workspaceIn(r))
	return answerList("resourceTypes", list, err)
}

// setIndexed sets which attributes of a type the index has, and answers what there is then.
func (a *api) setIndexed(r *http.Request) (int, any, error) {
	var body newIndex
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if err := a.Schemas.Index(r.Context(), workspaceIn(r), r.PathValue("type"), body.Attributes); err != nil {
		return 0, nil, err
	}
	return a.indexed(r)
}

// writing is the workspace and the body of a call that adds or replaces a definition.
func (a *api) writing(r *http.Request) (workspace string, text []byte, err error) {
	text, err = definition(r)
	return workspaceIn(r), text, err
}

func (a *api) listTypes(r *http.Request) (int, any, error) {
	list, err := a.Schemas.Types(r.Context(), workspaceIn(r))
	return answerList("resourceTypes", list, err)
}

func (a *api) showType(r *http.Request) (int, any, error) {
	return a.typ(r, r.PathValue("name"), http.StatusOK)
}

func (a *api) typ(r *http.Request, name string, status int) (int, any, error) {
	t, err := a.Schemas.Type(r.Context(), workspaceIn(r), name)
	return status, json.RawMessage(t.Text), err
}

func (a *api) addType(r *http.Request) (int, any, error) {
	workspace, text, err := a.writing(r)
	if err != nil {
		return 0, nil, err
	}
	return a.makeType(r, workspace, text)
}

func (a *api) makeType(r *http.Request, workspace string, text []byte) (int, any, error) {
	name, err := a.Schemas.AddType(r.Context(), workspace, text)
	if err != nil {
		return 0, nil, err
	}
	return a.typ(r, name, http.StatusCreated)
}

func (a *api) replaceType(r *http.Request) (int, any, error) {
	workspace, text, err := a.writing(r)
	if err != nil {
		return 0, nil, err
	}
	name := r.PathValue("name")
	if err := a.Schemas.ReplaceType(r.Context(), workspace, name, text); err != nil {
		return 0, nil, err
	}
	return a.typ(r, name, http.StatusOK)
}

func (a *api) deleteType(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Schemas.DeleteType(r.Context(), workspaceIn(r), r.PathValue("name"))
}
