package scimhttp

import (
	"strconv"
	"strings"

	"rollcall/scim"
)

const searchURN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

// search answers POST on /.search, at the root and of one resource type (RFC 7644 §3.4.3):
// a list whose query stands in the body, where it does not end up in logs.
func (x *exchange) search() error {
	body, err := x.object()
	if err != nil {
		return err
	}
	q, err := x.searchRequest(body)
	if err != nil {
		return err
	}
	return x.find(q)
}

// searchRequest reads the body. Names that are not ours are left alone, as in a URL.
func (x *exchange) searchRequest(body map[string]any) (*query, error) {
	q := &query{}
	hasSchemas := false
	for name, v := range body {
		var err error
		switch strings.ToLower(name) {
		case "schemas":
			hasSchemas = true
			err = checkMessage(v, searchURN)
		case "filter":
			q.filter, err = textParam(name, v)
		case "sortby":
			q.sortBy, err = textParam(name, v)
		case "sortorder":
			q.sortOrder, err = textParam(name, v)
		case "cursor":
			q.cursor, err = textParam(name, v)
		case "startindex":
			q.startIndex = numberParam(v)
		case "count":
			q.count = numberParam(v)
		case "attributes":
			q.attributes, err = namesParam(name, v)
		case "excludedattributes":
			q.excluded, err = namesParam(name, v)
		}
		if err != nil {
			return nil, err
		}
	}
	if !hasSchemas {
		x.quirk(scim.QuirkNoSchemas)
	}
	return q, nil
}

// checkMessage holds the attribute schemas of a message against the one URN that it must have
// (RFC 7644 §3.1).
func checkMessage(v any, urn string) error {
	list, ok := v.([]any)
	if !ok {
		return scim.Errorf(scim.ErrInvalidSyntax, "schemas must be an array of strings")
	}
	for _, e := range list {
		if s, ok := e.(string); ok && strings.EqualFold(s, urn) {
			return nil
		}
	}
	return scim.Errorf(scim.ErrInvalidValue, "schemas must hold %s", urn)
}

// textParam reads a string of a message; null is as good as not given.
func textParam(name string, v any) (param, error) {
	switch v := v.(type) {
	case nil:
		return param{}, nil
	case string:
		return param{given: true, text: v}, nil
	}
	return param{}, scim.Errorf(scim.ErrInvalidSyntax, "%s must be a string", name)
}

// numberParam reads a whole number. One that is too large for an integer arrives as a float
// and counts as the greatest or least there is, as in a URL.
func numberParam(v any) param {
	switch v := v.(type) {
	case nil:
		return param{}
	case int64:
		return param{given: true, text: strconv.FormatInt(v, 10)}
	case float64:
		if v >= 1<<63 || v < -1<<63 {
			return param{given: true, text: strconv.FormatFloat(v, 'f', 0, 64)}
		}
	}
	return param{given: true, text: "?"} // wholeNumber refuses it
}

// namesParam reads a list of names into the form of the URL's.
func namesParam(name string, v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case []any:
		names := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return "", scim.Errorf(scim.ErrInvalidSyntax, "%s must be an array of strings", name)
			}
			names[i] = s
		}
		return strings.Join(names, ","), nil
	}
	return "", scim.Errorf(scim.ErrInvalidSyntax, "%s must be an array of strings", name)
}
