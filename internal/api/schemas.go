package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"rollcall/account"
	"rollcall/scim"
)

// schemaRoutes are the calls about what a workspace adds to its schemas and resource types.
func (a *api) schemaRoutes() map[string]handler {
	return map[string]handler{
		"GET /api/v1/schemas":                  a.listSchemas,
		"POST /api/v1/schemas":                 a.addSchema,
		"GET /api/v1/schemas/{urn}":            a.showSchema,
		"PUT /api/v1/schemas/{urn}":            a.replaceSchema,
		"DELETE /api/v1/schemas/{urn}":         a.deleteSchema,
		"GET /api/v1/resource-types":           a.listTypes,
		"POST /api/v1/resource-types":          a.addType,
		"GET /api/v1/resource-types/{name}":    a.showType,
		"PUT /api/v1/resource-types/{name}":    a.replaceType,
		"DELETE /api/v1/resource-types/{name}": a.deleteType,
		"GET /api/v1/index":                    a.listIndexed,
		"PUT /api/v1/index/{type}":             a.setIndexed,
	}
}

// mayIn asks for a permission, and tells in which workspace: ?workspace= or the caller's own.
func (a *api) mayIn(r *http.Request, p scim.Permission) (workspace string, err error) {
	if err := a.Accounts.May(r.Context(), p); err != nil {
		return "", err
	}
	workspace = workspaceOf(r)
	if name := r.URL.Query().Get("workspace"); name != "" && name != workspace {
		if scim.ActorFrom(r.Context()).Workspace != "" {
			return "", scim.Errorf(scim.ErrNotFound, "there is no workspace %q", name)
		}
		workspace = name
	}
	return workspace, nil
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
	workspace, err := a.mayIn(r, account.SettingsRead)
	if err != nil {
		return 0, nil, err
	}
	list, err := a.Schemas.Schemas(r.Context(), workspace)
	return http.StatusOK, map[string]any{"schemas": list}, err
}

// showSchema answers the schema itself, so that it can be changed and sent back.
func (a *api) showSchema(r *http.Request) (int, any, error) {
	workspace, err := a.mayIn(r, account.SettingsRead)
	if err != nil {
		return 0, nil, err
	}
	return a.schema(r, workspace, r.PathValue("urn"), http.StatusOK)
}

func (a *api) schema(r *http.Request, workspace, urn string, status int) (int, any, error) {
	s, err := a.Schemas.Schema(r.Context(), workspace, urn)
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
	return a.schema(r, workspace, urn, http.StatusCreated)
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
	return a.schema(r, workspace, urn, http.StatusOK)
}

func (a *api) deleteSchema(r *http.Request) (int, any, error) {
	workspace, err := a.mayIn(r, account.SettingsManage)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.Schemas.DeleteSchema(r.Context(), workspace, r.PathValue("urn"))
}

func (a *api) listIndexed(r *http.Request) (int, any, error) {
	workspace, err := a.mayIn(r, account.SettingsRead)
	if err != nil {
		return 0, nil, err
	}
	return a.indexed(r, workspace)
}

func (a *api) indexed(r *http.Request, workspace string) (int, any, error) {
	list, err := a.Schemas.Indexed(r.Context(), workspace)
	return http.StatusOK, map[string]any{"resourceTypes": list}, err
}

// setIndexed sets which attributes of a type the index has, and answers what there is then.
func (a *api) setIndexed(r *http.Request) (int, any, error) {
	workspace, err := a.mayIn(r, account.SettingsManage)
	if err != nil {
		return 0, nil, err
	}
	var body struct {
		Attributes []string `json:"attributes"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if err := a.Schemas.Index(r.Context(), workspace, r.PathValue("type"), body.Attributes); err != nil {
		return 0, nil, err
	}
	return a.indexed(r, workspace)
}

// writing is the workspace and the body of a call that adds or replaces a definition.
func (a *api) writing(r *http.Request) (workspace string, text []byte, err error) {
	if workspace, err = a.mayIn(r, account.SettingsManage); err != nil {
		return "", nil, err
	}
	text, err = definition(r)
	return workspace, text, err
}

func (a *api) listTypes(r *http.Request) (int, any, error) {
	workspace, err := a.mayIn(r, account.SettingsRead)
	if err != nil {
		return 0, nil, err
	}
	list, err := a.Schemas.Types(r.Context(), workspace)
	return http.StatusOK, map[string]any{"resourceTypes": list}, err
}

func (a *api) showType(r *http.Request) (int, any, error) {
	workspace, err := a.mayIn(r, account.SettingsRead)
	if err != nil {
		return 0, nil, err
	}
	return a.typ(r, workspace, r.PathValue("name"), http.StatusOK)
}

func (a *api) typ(r *http.Request, workspace, name string, status int) (int, any, error) {
	t, err := a.Schemas.Type(r.Context(), workspace, name)
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
	return a.typ(r, workspace, name, http.StatusCreated)
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
	return a.typ(r, workspace, name, http.StatusOK)
}

func (a *api) deleteType(r *http.Request) (int, any, error) {
	workspace, err := a.mayIn(r, account.SettingsManage)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.Schemas.DeleteType(r.Context(), workspace, r.PathValue("name"))
}
