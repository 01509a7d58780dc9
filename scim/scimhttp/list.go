package scimhttp

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
)

// param is the value of a query parameter.
type param struct {
	given bool
	text  string
}

// query is what the URL asks for (RFC 7644 §3.4.2, §3.9).
type query struct {
	filter, sortBy, sortOrder, startIndex, count, cursor param
	attributes, excluded                                 string // comma-separated names
	unknown                                              bool   // there are parameters that are not ours
}

// query reads the query of the URL. Parameters that are not ours are left alone,
// whatever is in them (clients.md A16: Entra's flags land here).
func (x *exchange) query() (*query, error) {
	q := &query{}
	for rest := x.r.URL.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, raw, _ := strings.Cut(pair, "=")
		if err := q.set(name, raw); err != nil {
			return nil, err
		}
	}
	if q.unknown {
		x.quirk(QuirkUnknownParam)
	}
	return q, nil
}

func (q *query) set(name, raw string) error {
	var p *param
	switch strings.ToLower(name) {
	case "filter":
		p = &q.filter
	case "sortby":
		p = &q.sortBy
	case "sortorder":
		p = &q.sortOrder
	case "startindex":
		p = &q.startIndex
	case "count":
		p = &q.count
	case "cursor":
		p = &q.cursor
	case "attributes":
		return addNames(&q.attributes, name, raw)
	case "excludedattributes":
		return addNames(&q.excluded, name, raw)
	default:
		q.unknown = true
		return nil
	}
	if p.given { // which of the two is meant nobody can say
		return scim.Errorf(scim.ErrInvalidValue, "the parameter %s is given twice", name)
	}
	text, err := url.QueryUnescape(raw)
	if err != nil {
		return badEscape(name)
	}
	*p = param{given: true, text: text}
	return nil
}

func badEscape(name string) error {
	if strings.EqualFold(name, "filter") {
		return scim.Errorf(scim.ErrInvalidFilter, "the parameter filter holds a %% that begins no escape")
	}
	return scim.Errorf(scim.ErrInvalidValue, "the parameter %s holds a %% that begins no escape", name)
}

// addNames adds to a list of names, which may come in several parameters.
func addNames(list *string, name, raw string) error {
	text, err := url.QueryUnescape(raw)
	if err != nil {
		return badEscape(name)
	}
	if *list != "" && text != "" {
		*list += ","
	}
	*list += text
	return nil
}

// list answers GET on a resource type's endpoint, and at the root (RFC 7644 §3.4.2.1).
func (x *exchange) list() error {
	q, err := x.query()
	if err != nil {
		return err
	}
	return x.find(q)
}

// find answers with one page of what a query matches.
func (x *exchange) find(q *query) error {
	types := x.model.types(x.typ)
	shown, err := x.projections(types, q)
	if err != nil {
		return err
	}
	sq, err := x.storeQuery(types, q)
	if err != nil {
		return err
	}
	for _, p := range shown {
		sq.With.Groups = sq.With.Groups || p.groups != 0
	}
	page, err := x.store.Query(x.ctx, sq)
	if err != nil {
		return err
	}
	x.free()
	a := x.answer(http.StatusOK)
	defer a.done()
	if q.cursor.given {
		a.buf = x.appendCursorHead(a.buf, q, sq, page)
	} else {
		a.buf = appendListHead(a.buf, page.Total, sq.Start, len(page.Resources))
	}
	for i, s := range page.Resources {
		if i > 0 {
			a.buf = append(a.buf, ',')
		}
		t := x.model.byType[s.Type]
		if err := a.resource(t, s, shown[s.Type]); err != nil {
			return err
		}
	}
	a.buf = append(a.buf, "]}"...)
	return a.send()
}

// types are those that a list is of: one, or every one at the root.
func (w *wireModel) types(one *wireType) []*wireType {
	if one != nil {
		return []*wireType{one}
	}
	return w.all
}

// projections reads how resources of each type are shown.
func (x *exchange) projections(types []*wireType, q *query) (map[string]*projection, error) {
	out := make(map[string]*projection, len(types))
	for _, t := range types {
		p, err := x.projection(t, q)
		if err != nil {
			return nil, err
		}
		out[t.Name] = p
	}
	return out, nil
}

// appendListHead begins a ListResponse, up to and with the bracket of Resources, which
// are there even where there are none (clients.md A6).
func appendListHead(dst []byte, total, start, n int) []byte {
	dst = append(dst, `{"schemas":["`+listURN+`"],"totalResults":`...)
	dst = strconv.AppendInt(dst, int64(total), 10)
	dst = append(dst, `,"startIndex":`...)
	dst = strconv.AppendInt(dst, int64(start), 10)
	dst = append(dst, `,"itemsPerPage":`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, `,"Resources":[`...)
}

// appendCursorHead begins a ListResponse whose pages are found by cursor (RFC 9865 §2).
func (x *exchange) appendCursorHead(dst []byte, q *query, sq *scim.Query, page *scim.Page) []byte {
	dst = append(dst, `{"schemas":["`+listURN+`"],"totalResults":`...)
	dst = strconv.AppendInt(dst, int64(page.Total), 10)
	dst = append(dst, `,"itemsPerPage":`...)
	dst = strconv.AppendInt(dst, int64(len(page.Resources)), 10)
	hash, expires := x.queryHash(q, sq.Types), time.Now().Add(x.h.cfg.CursorTimeout)
	if page.Next != nil {
		dst = append(dst, `,"nextCursor":`...)
		dst = appendString(dst, x.h.seal.seal(hash, page.Next, false, expires))
	}
	if page.Prev != nil {
		dst = append(dst, `,"previousCursor":`...)
		dst = appendString(dst, x.h.seal.seal(hash, page.Prev, true, expires))
	}
	return append(dst, `,"Resources":[`...)
}

// storeQuery reads filter, order and page.
func (x *exchange) storeQuery(types []*wireType, q *query) (*scim.Query, error) {
	sq := &scim.Query{}
	for _, t := range types {
		sq.Types = append(sq.Types, t.Name)
	}
	if err := x.readPage(sq, q); err != nil {
		return nil, err
	}
	var err error
	if q.filter.given {
		if sq.Filter, err = x.h.cfg.Limits.Filter.Parse(q.filter.text); err != nil {
			return nil, err
		}
		x.filterQuirks(sq.Filter)
	}
	if q.sortBy.text != "" {
		if err = sortBy(sq, types, q.sortBy.text); err != nil {
			return nil, err
		}
	}
	switch strings.ToLower(q.sortOrder.text) {
	case "", "ascending":
	case "descending":
		sq.Descending = sq.SortBy != nil || sq.SortBys != nil
	default:
		return nil, scim.Errorf(scim.ErrInvalidValue, "sortOrder must be ascending or descending")
	}
	return sq, nil
}

// readPage reads which page is asked for: by index, or by cursor where there is one, though
// it be empty (RFC 9865 §2).
func (x *exchange) readPage(sq *scim.Query, q *query) error {
	kind := scim.ErrInvalidValue
	if q.cursor.given {
		kind = errInvalidCount
	}
	var err error
	if sq.Count, err = wholeNumber("count", q.count, x.h.cfg.Limits.PageDefault, kind); err != nil {
		return err
	}
	sq.Count = min(max(sq.Count, 0), x.h.cfg.Limits.PageMax)
	if sq.Start, err = wholeNumber("startIndex", q.startIndex, 1, scim.ErrInvalidValue); err != nil {
		return err
	}
	sq.Start = max(sq.Start, 1) // RFC 7644 §3.4.2.4: a value less than 1 is interpreted as 1
	switch {
	case !q.cursor.given:
		return nil
	case q.startIndex.given:
		return scim.Errorf(scim.ErrInvalidValue, "startIndex and cursor cannot be used together")
	case q.cursor.text == "":
		return nil
	}
	at, backwards, err := x.h.seal.open(x.queryHash(q, sq.Types), q.cursor.text, time.Now())
	if backwards {
		sq.Before = at
	} else {
		sq.After = at
	}
	return err
}

// sortBy resolves the attribute to sort by for each type. A type that does not have it has
// nothing to sort by; one that no type has is an error.
func sortBy(sq *scim.Query, types []*wireType, name string) error {
	if len(types) == 1 {
		var err error
		sq.SortBy, err = sortPath(types[0], name)
		return err
	}
	sq.SortBys = make(map[string]*scim.Path, len(types))
	var unknown error
	for _, t := range types {
		p, err := sortPath(t, name)
		switch {
		case err == nil:
			sq.SortBys[t.Name] = p
		case errors.Is(err, scim.ErrUnknownAttribute):
			unknown = err
		default:
			return err
		}
	}
	if len(sq.SortBys) == 0 {
		return unknown
	}
	return nil
}

// sortPath resolves sortBy (RFC 7644 §3.4.2.3). What is never returned cannot be sorted
// by either: the order would tell (security.md R6).
func sortPath(t *wireType, name string) (*scim.Path, error) {
	p, err := t.Find(name)
	if err != nil {
		return nil, err
	}
	a := p.Attr
	if a != nil && p.Sub != nil {
		a = p.Sub
	}
	var value *scim.Attribute // that a complex attribute sorts by
	if a != nil && a.Type == "complex" {
		value = a.SubAttribute("value")
	}
	switch {
	case a == nil, p.Attr.Name == "members", p.Attr.Name == "groups", p.Attr.Name == "schemas":
		return nil, scim.Errorf(scim.ErrInvalidPath, "sortBy: %q cannot be sorted by", name)
	case p.Attr.Returned == "never", a.Returned == "never", value != nil && value.Returned == "never":
		return nil, scim.Errorf(scim.ErrSensitive, "sortBy: %q cannot be asked for", name)
	case a.Type == "complex" && value == nil:
		return nil, scim.Errorf(scim.ErrInvalidPath, "sortBy: %q has several parts; name one, such as %s.%s", name, name, a.Sub[0].Name)
	}
	return p, nil
}

// wholeNumber reads a number of any size: what lies beyond an int counts as the
// greatest or least one.
func wholeNumber(name string, p param, without int, kind error) (int, error) {
	if !p.given || p.text == "" {
		return without, nil
	}
	n, err := strconv.Atoi(p.text)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, scim.Errorf(kind, "%s must be a whole number", name)
	}
	return n, nil
}
