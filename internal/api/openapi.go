package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rollcall/scim"
)

// documentRoutes are the calls about the API itself.
func (a *api) documentRoutes() []route {
	return []route{
		{method: "GET", path: "/openapi.json", call: a.openapi, open: true, status: 200, out: object(nil),
			about: "This document."},
	}
}

func (a *api) openapi(*http.Request) (int, any, error) {
	text, err := a.document()
	return http.StatusOK, json.RawMessage(text), err
}

// OpenAPI is the document of the whole API, as GET /api/v1/openapi.json answers it.
func OpenAPI(version string) ([]byte, error) { return describe(everything().routes(), version) }

// describe makes the document of routes (OpenAPI 3.1).
func describe(routes []route, version string) ([]byte, error) {
	s := &shapes{defs: object{}, names: map[string]reflect.Type{}}
	s.of(Problem{}, false) // the plain name is this one's
	paths := object{}
	for _, rt := range routes {
		at, ok := paths[base+rt.path].(object)
		if !ok {
			at = object{}
			paths[base+rt.path] = at
		}
		at[strings.ToLower(rt.method)] = s.operation(&rt)
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Rollcall", "version": version,
			"description": "What SCIM cannot say. Errors are problem details (RFC 9457), whose type is stable. Accounts as such are at /scim/v2.",
		},
		"paths": paths,
		"components": object{
			"schemas":         s.defs,
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "description": "A token or the token of a session."}},
		},
	}, "", " ")
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// operation describes one call.
func (s *shapes) operation(rt *route) object {
	op := object{
		"operationId": operationID(rt), "summary": rt.about, "tags": []string{strings.Split(rt.path, "/")[1]},
		"responses": s.responses(rt), "security": []object{{"bearer": []string{}}},
	}
	if rt.open {
		op["security"] = []object{}
	}
	if len(rt.needs) > 0 {
		op["x-permissions"] = rt.needs
	}
	if rt.or != nil {
		op["x-permissions-for-a-part"] = rt.or
	}
	var params []object
	for _, m := range pathParam.FindAllStringSubmatch(rt.path, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range rt.query {
		params = append(params, object{"name": p.name, "in": "query", "description": p.about, "schema": s.of(p.typ, true)})
	}
	if params != nil {
		op["parameters"] = params
	}
	if rt.in != nil {
		content := object{"application/json": object{"schema": s.of(rt.in, true)}}
		if rt.method == http.MethodPatch {
			content["application/merge-patch+json"] = content["application/json"]
		}
		op["requestBody"] = object{"required": !rt.optional, "content": content}
	}
	return op
}

// operationID names a call: postUsersByIDLeases.
func operationID(rt *route) string {
	id := strings.ToLower(rt.method)
	for _, part := range strings.FieldsFunc(rt.path, func(r rune) bool { return strings.ContainsRune("/-.", r) }) {
		by := ""
		if strings.HasPrefix(part, "{") {
			part, by = strings.Trim(part, "{}"), "By"
		}
		id += by + strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

// responses describes what a call answers: that it went well, and the problems that it may have.
func (s *shapes) responses(rt *route) object {
	well := object{"description": http.StatusText(rt.status)}
	content := object{}
	if rt.out != nil {
		content["application/json"] = object{"schema": s.of(rt.out, false)}
	}
	if rt.media != "" {
		content[rt.media] = object{"schema": object{"type": "string"}}
	}
	if len(content) > 0 {
		well["content"] = content
	}
	all := object{strconv.Itoa(rt.status): well}
	if rt.also != 0 {
		also := object{"description": http.StatusText(rt.also)}
		if rt.also < 300 {
			also["content"] = content
		}
		all[strconv.Itoa(rt.also)] = also
	}
	if rt.accepted != nil {
		all["202"] = object{"description": http.StatusText(http.StatusAccepted), "content": object{"application/json": object{"schema": s.of(rt.accepted, false)}}}
	}
	kinds, titles := map[int][]string{http.StatusInternalServerError: {problemBase + "internal"}}, map[int]string{}
	for _, kind := range rt.problems() {
		row := problemRow(kind)
		kinds[row.status] = append(kinds[row.status], problemBase+row.name)
	}
	for status, types := range kinds {
		titles[status] = http.StatusText(status)
		r := object{"description": titles[status], "content": object{"application/problem+json": object{"schema": object{
			"allOf": []object{s.of(Problem{}, false), {"properties": object{"type": object{"enum": sortedUnique(types)}}}},
		}}}}
		switch status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			r["headers"] = object{"Retry-After": object{"required": true, "schema": object{"type": "integer", "minimum": 1}, "description": "Seconds to wait."}}
		case http.StatusUnauthorized:
			r["headers"] = object{"WWW-Authenticate": object{"required": true, "schema": object{"type": "string"}}}
		}
		all[strconv.Itoa(status)] = r
	}
	return all
}

// problems lists what can go wrong with a call: its own, and what its like have in common.
func (rt *route) problems() []error {
	list := slices.Concat(rt.fails, fails(scim.ErrUnavailable))
	if !rt.open {
		list = append(list, scim.ErrUnauthenticated, scim.ErrForbidden, scim.ErrTooManyRequests, scim.ErrPaused)
	}
	if rt.in != nil {
		list = append(list, scim.ErrInvalidSyntax, scim.ErrInvalidValue, scim.ErrTooLarge)
	}
	if len(rt.query) > 0 {
		list = append(list, scim.ErrInvalidValue)
	}
	if strings.Contains(rt.path, "{") || slices.ContainsFunc(rt.query, func(p param) bool { return p == inWorkspace }) {
		list = append(list, scim.ErrNotFound)
	}
	return list
}

// problemRow is how a kind of error is written.
func problemRow(kind error) problemKind {
	for _, row := range problems {
		if errors.Is(kind, row.kind) {
			return row
		}
	}
	panic(fmt.Sprintf("api: %v is no problem", kind))
}
