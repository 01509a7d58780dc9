package simulate

import (
	"strings"
)

// The schemas.
const (
	schemaUser   = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaGroup  = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterprise   = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	schemaPatch  = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	managerValue = enterprise + ":manager.value"
)

// at reads what a resource has at a path, written as in a PATCH: name.givenName,
// emails[type eq "work"].value, urn:…:User:employeeNumber. "emails#" is the number of values, "roles*"
// the list of their values. It is nil where there is nothing.
func at(r map[string]any, path string) any {
	if rest, ok := strings.CutPrefix(path, enterprise+":"); ok {
		extension, _ := r[enterprise].(map[string]any)
		return at(extension, rest)
	}
	end := strings.IndexAny(path, ".[#*")
	if end < 0 {
		return present(r[path])
	}
	name, rest := path[:end], path[end:]
	switch rest[0] {
	case '.':
		object, _ := r[name].(map[string]any)
		return at(object, rest[1:])
	case '#':
		list, _ := r[name].([]any)
		return len(list)
	case '*':
		list, _ := r[name].([]any)
		return values(list)
	}
	clause, sub, _ := strings.Cut(rest[1:], "].")
	list, _ := r[name].([]any)
	return at(selected(list, clause), sub)
}

// selected is the first element for which `name eq "value"` is true. A boolean has to be one: "True" is
// how Entra asks, not what a server may hold.
func selected(list []any, clause string) map[string]any {
	name, value, _ := strings.Cut(clause, " eq ")
	var want any = strings.Trim(value, `"`)
	if name == "primary" {
		want = strings.EqualFold(want.(string), "true")
	}
	for _, v := range list {
		if element, ok := v.(map[string]any); ok && element[name] == want {
			return element
		}
	}
	return nil
}

// values are the values of a multi-valued attribute.
func values(list []any) []string {
	var all []string
	for _, v := range list {
		if element, ok := v.(map[string]any); ok {
			v = element["value"]
		}
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// present is v, or nil where v says that there is nothing (RFC 7643 §2.5).
func present(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case map[string]any:
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

// put sets what a resource has at a path of names and indexes: how Okta merges its
// changes into what it read.
func put(r map[string]any, value any, path ...string) {
	for _, name := range path[:len(path)-1] {
		next, _ := r[name].(map[string]any)
		if next == nil {
			next = map[string]any{}
			r[name] = next
		}
		r = next
	}
	r[path[len(path)-1]] = value
}
