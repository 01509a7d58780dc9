package scim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// value reads the value of an attribute; nil means that it is not set.
func (d *decoder) value(a *Attribute, v any) (any, error) {
	switch list, isList := v.([]any); {
	case v == nil:
		return nil, nil
	case a.MultiValued:
		if v == "" {
			d.quirks.add(QuirkEmptyString)
			return nil, nil
		}
		if !isList && d.single {
			d.quirks.add(QuirkSingleForArray)
			list, isList = []any{v}, true
		}
		if !isList {
			return nil, Errorf(ErrInvalidValue, "%s: expected an array of values, found %s", a.PathName(), describe(v))
		}
		return d.list(a, list)
	case isList && len(list) > 1:
		return nil, Errorf(ErrInvalidValue, "%s: expected one value, found an array of %d", a.PathName(), len(list))
	case isList && len(list) == 0:
		return nil, nil
	case isList:
		d.quirks.add(QuirkArrayForSingle)
		v = list[0]
	}
	return d.one(a, v)
}

// list reads a multi-valued attribute. At most one value may be primary, and one that is there
// twice is kept once (RFC 7643 §2.4).
func (d *decoder) list(a *Attribute, list []any) (any, error) {
	if len(list) > maxElements {
		return nil, Errorf(ErrInvalidValue, "%s: more than the %d values allowed", a.PathName(), maxElements)
	}
	one := a
	if a.element != nil {
		one = a.element
	}
	out := make([]any, 0, len(list))
	primaries := 0
	for i, e := range list {
		v, err := d.one(one, e)
		if err != nil {
			return nil, within(err, "value %d of %s: ", i+1, a.PathName())
		}
		if v == nil {
			continue
		}
		if isPrimary(v) {
			primaries++
		}
		out = append(out, v)
	}
	if primaries > 1 {
		return nil, Errorf(ErrInvalidValue, "%s: %d values are primary; at most one may be", a.PathName(), primaries)
	}
	if len(out) == 0 {
		return nil, nil
	}
	if a.Type == "complex" {
		out = distinct(a, out)
	}
	return out, nil
}

// distinct leaves out values of a complex attribute that say what one before them says. Of
// two such, the one that stays is primary if either was.
func distinct(a *Attribute, list []any) []any {
	if len(list) < 2 {
		return list
	}
	at := make(map[string]int, len(list))
	kept := list[:0]
	for _, v := range list {
		key := elementKey(a, v)
		first, known := at[key]
		switch {
		case !known:
			at[key], kept = len(kept), append(kept, v)
		case isPrimary(v):
			kept[first] = v
		}
	}
	return kept
}

func isPrimary(v any) bool {
	m, _ := v.(map[string]any)
	return m["primary"] == true
}

// within puts where it happened before an error's detail.
func within(err error, format string, args ...any) error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Kind: e.Kind, Detail: fmt.Sprintf(format, args...) + e.Detail, RetryAfter: e.RetryAfter}
	}
	return err
}

// one reads a single value.
func (d *decoder) one(a *Attribute, v any) (any, error) {
	if a.Type == "complex" {
		return d.complex(a, v)
	}
	if v == nil {
		return nil, nil
	}
	s, isString := v.(string)
	if s == "" && isString {
		d.quirks.add(QuirkEmptyString)
		return nil, nil
	}
	switch a.Type {
	case "boolean":
		if isString {
			return d.boolean(a, s)
		}
		if _, ok := v.(bool); ok {
			return v, nil
		}
	case "integer":
		if _, ok := v.(int64); ok {
			return v, nil
		}
	case "decimal":
		switch v.(type) {
		case int64, float64:
			return v, nil
		}
	default:
		if isString {
			return v, checkString(a, s)
		}
	}
	return nil, Errorf(ErrInvalidValue, "%s: expected %s, found %s", a.PathName(), expected[a.Type], describe(v))
}

var expected = map[string]string{
	"boolean": "true or false", "integer": "a whole number", "decimal": "a number", "string": "a string",
	"dateTime": "a date and time as a string", "binary": "base64 in a string", "reference": "a URI as a string", "complex": "an object",
}

func (d *decoder) boolean(a *Attribute, s string) (any, error) {
	b, ok := stringBoolean(s)
	if !ok {
		return nil, Errorf(ErrInvalidValue, "%s: expected true or false, found %q", a.PathName(), clip(s))
	}
	d.quirks.add(QuirkStringBoolean)
	return b, nil
}

func stringBoolean(s string) (value, ok bool) {
	value = equalFoldASCII(s, "true")
	return value, value || equalFoldASCII(s, "false")
}

// checkString checks the text of a string, dateTime, binary or reference.
func checkString(a *Attribute, s string) error {
	if len(s) > a.bound {
		return Errorf(ErrInvalidValue, "%s: longer than the %d bytes allowed", a.PathName(), a.bound)
	}
	switch {
	case a.Type == "dateTime":
		if _, ok := parseDateTime(s); !ok {
			return Errorf(ErrInvalidValue, "%s: expected a date and time like 2026-01-31T08:30:00Z, found %q", a.PathName(), clip(s))
		}
	case a.Type == "binary":
		if !isBase64(s) {
			return Errorf(ErrInvalidValue, "%s: the value is not base64 (RFC 4648 §4)", a.PathName())
		}
	case a.checked:
		return checkKey(a, s)
	}
	return nil
}

// checkKey refuses what has no key to be unique by.
func checkKey(a *Attribute, s string) error {
	if _, ok := a.Compare(s); ok {
		return nil
	}
	if a.Name == "userName" {
		_, err := UserNameKey(s)
		return err
	}
	return Errorf(ErrInvalidValue, "%s: the value cannot be compared: it is empty, too long or has forbidden characters", a.PathName())
}

// isBase64 allows the padding to be missing (RFC 7643 §2.3.6) and no line breaks.
func isBase64(s string) bool {
	if strings.ContainsAny(s, "\r\n") {
		return false
	}
	_, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return err == nil && (!strings.HasSuffix(s, "=") || len(s)%4 == 0)
}

// complex reads an object. nil is returned for one without any value.
func (d *decoder) complex(a *Attribute, v any) (any, error) {
	object, err := d.asObject(a, v)
	if err != nil || object == nil {
		return nil, err
	}
	out, err := d.object(a, object)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return out, requireSubs(a, out)
}

func requireSubs(a *Attribute, values map[string]any) error {
	for _, sub := range a.Sub {
		if _, ok := values[sub.Name]; !ok && sub.Required && sub.Mutability != "readOnly" {
			return Errorf(ErrInvalidValue, "%s is required", sub.PathName())
		}
	}
	return nil
}

// asObject takes a value for an object, nil for one that is not set. The id alone may
// stand for a single-valued attribute that has a value: {"manager": "<id>"}.
func (d *decoder) asObject(a *Attribute, v any) (map[string]any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		if a.Schema == UserURN && a.Name == "roles" {
			return d.roleObject(v), nil
		}
		return v, nil
	case string:
		if v == "" {
			d.quirks.add(QuirkEmptyString)
			return nil, nil
		}
		if value := a.subs.find("value"); value != nil && !a.MultiValued {
			d.quirks.add(QuirkStringForComplex)
			return map[string]any{value.Name: v}, nil
		}
	}
	return nil, Errorf(ErrInvalidValue, "%s: expected an object, found %s", a.PathName(), describe(v))
}

// object reads the sub-attributes that an object has.
func (d *decoder) object(a *Attribute, object map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(object))
	ref := ""
	var failed string
	var failure error
	for name, v := range object {
		sub := a.subs.find(name)
		if sub == nil {
			d.quirks.add(QuirkUnknownAttribute)
			continue
		}
		if isRef(sub) {
			ref, _ = v.(string)
			continue
		}
		if err := d.into(out, sub, v); err != nil && (failure == nil || name < failed) {
			failed, failure = name, err
		}
	}
	if _, ok := out["value"]; ref != "" && !ok && failure == nil {
		if id := refTail(ref); id != "" {
			d.quirks.add(QuirkMemberRef)
			out["value"] = id
		}
	}
	return out, failure
}

// isRef tells a $ref beside a value. It is worked out from the value when it is sent, so
// it is never kept. That of a custom schema is an attribute like others.
func isRef(sub *Attribute) bool {
	if sub.Name != "$ref" || sub.Parent == nil || sub.Parent.subs.find("value") == nil {
		return false
	}
	return sub.Schema == UserURN || sub.Schema == GroupURN || sub.Schema == EnterpriseURN
}

// refTail is the id at the end of a resource's URI.
func refTail(ref string) string {
	return ref[strings.LastIndexByte(ref, '/')+1:]
}

// roleObject unpacks a role that Entra sends as a JSON object in a string (clients.md
// E18): {"value": "{\"id\":\"…\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"}.
func (d *decoder) roleObject(object map[string]any) map[string]any {
	for name, v := range object {
		s, _ := v.(string)
		if !equalFoldASCII(name, "value") || !strings.HasPrefix(s, "{") {
			continue
		}
		inner, err := ParseObject([]byte(s), Limits{Bytes: maxStringBytes, Depth: 4})
		if err != nil || inner["value"] == nil {
			return object
		}
		d.quirks.add(QuirkRoleJSON)
		role := map[string]any{"value": inner["value"], "display": inner["displayName"]}
		for other, v := range object {
			if other != name {
				role[other] = v
			}
		}
		return role
	}
	return object
}

// describe names the JSON type of a value.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	}
	return "a number"
}
