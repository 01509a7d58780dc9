package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
	dirsync "rollcall/sync"
)

// object is a piece of the document.
type object = map[string]any

// shapes are the types of bodies and answers in JSON Schema 2020-12, as OpenAPI 3.1 has it. They are
// read off the Go types, so that they are what encoding/json makes of them.
type shapes struct {
	defs  object
	names map[string]reflect.Type
}

// shaped is a type that says itself how it looks.
type shaped interface {
	shape(s *shapes, in bool) object
}

// stands are types that write themselves, and what they look like.
var stands = map[reflect.Type]reflect.Type{
	reflect.TypeFor[dirsync.Phase](): reflect.TypeFor[struct {
		Name    string  `json:"name"`
		Seconds float64 `json:"seconds"`
	}](),
}

// of is the shape of a value's type, of a body (in) or an answer.
func (s *shapes) of(value any, in bool) object {
	if own, ok := value.(shaped); ok {
		return own.shape(s, in)
	}
	return s.typ(reflect.TypeOf(value), in)
}

func (s *shapes) typ(t reflect.Type, in bool) object {
	if own, ok := reflect.Zero(t).Interface().(shaped); ok && t.Kind() != reflect.Pointer {
		return own.shape(s, in)
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	case reflect.TypeFor[scim.Permission]():
		return s.named("Permission", t, func() object { return object{"type": "string", "enum": account.Permissions()} })
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": s.typ(t.Elem(), in)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.typ(t.Elem(), in)}
	case reflect.Pointer:
		return s.typ(t.Elem(), in)
	case reflect.Interface:
		return object{}
	case reflect.Struct:
		name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if in && t.PkgPath() != reflect.TypeFor[route]().PkgPath() {
			name += "Input"
		}
		return s.named(name, t, func() object { return s.structure(t, in) })
	}
	panic("api: the document has no shape for " + t.String())
}

// named is a reference to a shape that has a name, which is made at first.
func (s *shapes) named(name string, t reflect.Type, make func() object) object {
	if other := s.names[name]; other != nil && other != t {
		pkg := t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	if s.names[name] == nil {
		s.names[name] = t
		s.defs[name] = make()
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *shapes) structure(t reflect.Type, in bool) object {
	properties, required := object{}, []string{}
	s.fields(t, in, properties, &required)
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if in {
		out["additionalProperties"] = false // a body is read strictly
	}
	return out
}

// fields collects what a struct has, and what those have that it embeds.
func (s *shapes) fields(t reflect.Type, in bool, properties object, required *[]string) {
	if stand := stands[t]; stand != nil {
		t = stand
	}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			s.fields(embedded, in, properties, required)
			continue
		}
		if name == "-" || !f.IsExported() {
			continue
		}
		name = cmp.Or(name, f.Name)
		shape, always := s.typ(f.Type, in), !strings.Contains(options, "omit")
		if f.Type.Kind() == reflect.Pointer && (in || always) {
			shape = object{"anyOf": []object{shape, {"type": "null"}}}
		}
		properties[name] = shape
		if in && f.Tag.Get("api") == "required" || !in && always {
			*required = append(*required, name)
		}
	}
}

// listed is an answer that is a list, as the member of that name.
type listed[T any] struct{ name string }

func (l listed[T]) shape(s *shapes, in bool) object {
	return object{
		"type": "object", "required": []string{l.name},
		"properties": object{l.name: object{"type": "array", "items": s.typ(reflect.TypeFor[T](), in)}},
	}
}

// answerList answers 200 with a list under a name; an empty one is [] and not null.
func answerList[T any](name string, list []T, err error) (int, any, error) {
	if list == nil {
		list = []T{}
	}
	return http.StatusOK, map[string][]T{name: list}, err
}

// anyOf is an answer that has one of several shapes.
type anyOf []any

func (a anyOf) shape(s *shapes, in bool) object {
	var list []object
	for _, v := range a {
		list = append(list, s.of(v, in))
	}
	return object{"anyOf": list}
}

// patchOf is a body that is a merge patch (RFC 7396) of a T: any part of it, and null for none of a part.
type patchOf[T any] struct{}

func (patchOf[T]) shape(s *shapes, _ bool) object {
	t := reflect.TypeFor[T]()
	return s.named(t.Name()+"Patch", t, func() object {
		properties, required := object{}, []string{}
		s.fields(t, true, properties, &required)
		for name, p := range properties {
			properties[name] = object{"anyOf": []any{p, object{"type": "null"}}}
		}
		return object{"type": "object", "properties": properties, "additionalProperties": false}
	})
}

func (user) shape(s *shapes, _ bool) object {
	return s.named("User", reflect.TypeFor[user](), func() object {
		text := object{"type": "string"}
		return object{
			"type": "object", "required": []string{"userName"},
			"description":          "A User of SCIM (RFC 7643 §4.1), with the account extension; GET /scim/v2/Schemas has every attribute.",
			"additionalProperties": true,
			"properties": object{
				"schemas": object{"type": "array", "items": text}, "id": text, "externalId": text, "userName": text, "displayName": text,
				"active": object{"type": "boolean"}, "meta": object{"type": "object", "additionalProperties": true},
				"groups": object{"type": "array", "items": object{"type": "object", "additionalProperties": true}},
			},
		}
	})
}

func (document) shape(*shapes, bool) object {
	return object{"type": "object", "additionalProperties": true, "description": "A schema (RFC 7643 §7) or a resource type (§6)."}
}

// sortedUnique is a list in order, each once.
func sortedUnique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
