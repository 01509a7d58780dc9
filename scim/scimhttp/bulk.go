package scimhttp

import (
	"net/http"
	"strconv"
	"strings"

	"rollcall/scim"
)

const (
	bulkURN         = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponseURN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
	patchURN        = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// bulk answers POST on /Bulk (RFC 7644 §3.7): many changes in one request, each by itself what
// it would be alone, with its own authorisation, preconditions and outcome. bulkrun.go
// does them, bulkref.go puts ids for bulkIds.
func (x *exchange) bulk() error {
	limits := scim.BodyLimits
	limits.Bytes = int(x.h.cfg.Limits.BulkBody)
	limits.Depth += 3 // Operations, the operation, its data
	body, err := x.objectWithin(limits)
	if err != nil {
		return err
	}
	run, err := x.bulkRequest(body)
	if err != nil {
		return err
	}
	if err := run.all(); err != nil {
		return err
	}
	x.free()
	a := x.answer(http.StatusOK)
	defer a.done()
	a.buf = append(a.buf, `{"schemas":["`+bulkResponseURN+`"],"Operations":[`...)
	first := true
	for _, op := range run.ops {
		if op.state != bulkDone {
			continue // failOnErrors was reached before its turn
		}
		if !first {
			a.buf = append(a.buf, ',')
		}
		first = false
		a.bulkOperation(op)
		if err := a.spill(); err != nil {
			return err
		}
	}
	a.buf = append(a.buf, "]}"...)
	return a.send()
}

// bulkOperation appends what has become of one operation (RFC 7644 §3.7.3). A body is
// there only for what failed.
func (a *answer) bulkOperation(op *bulkOp) {
	o := object{buf: append(a.buf, '{')}
	if t := op.typ; t != nil && validID(op.id) {
		o.name("location")
		o.buf = a.appendLocation(o.buf, t, op.id)
	}
	if op.method != "" {
		o.name("method")
		o.buf = appendString(o.buf, op.method)
	}
	if op.bulkID != "" {
		o.name("bulkId")
		o.buf = appendString(o.buf, op.bulkID)
	}
	if op.version != 0 {
		o.name("version")
		o.buf = appendString(o.buf, string(appendETag(nil, op.version)))
	}
	status, failure := op.status, []byte(nil)
	if op.err != nil {
		status, failure = a.x.bulkFailure(op.err)
	}
	o.name("status") // a string, as in an error
	o.buf = appendString(o.buf, strconv.Itoa(status))
	if failure != nil {
		o.name("response")
		o.buf = append(o.buf, failure...)
	}
	a.buf = append(o.buf, '}')
}

// bulkOp is one operation of a /Bulk.
type bulkOp struct {
	method, bulkID string
	typ            *wireType // that the path leads to
	id             string    // likewise, or of what was created; perhaps a reference
	data           map[string]any
	pre            preconditions
	refs           []string // bulkIds that it names

	state   bulkState
	status  int
	version scim.Version
	err     error
}

type bulkState uint8

const (
	bulkWaiting bulkState = iota
	bulkRunning           // waits for what it refers to
	bulkDone
	bulkSkipped // failOnErrors was reached
)

// bulkRequest reads the request. What is wrong with one operation is the answer to that
// one; what is wrong with the whole is an error.
func (x *exchange) bulkRequest(body map[string]any) (*bulkRun, error) {
	run := &bulkRun{exchange: x, byID: map[string]*bulkOp{}}
	var list any
	hasSchemas := false
	for name, v := range body {
		switch strings.ToLower(name) {
		case "schemas":
			hasSchemas = true
			if err := checkMessage(v, bulkURN); err != nil {
				return nil, err
			}
		case "failonerrors":
			n, ok := v.(int64)
			if v != nil && !ok || n < 0 {
				return nil, scim.Errorf(scim.ErrInvalidValue, "failOnErrors must be a whole number of errors")
			}
			run.failOnErrors = n
		case "operations":
			list = v
		}
	}
	if !hasSchemas {
		x.quirk(scim.QuirkNoSchemas)
	}
	ops, ok := list.([]any)
	if !ok || len(ops) == 0 {
		return nil, scim.Errorf(scim.ErrInvalidSyntax, "Operations must be an array with at least one operation")
	}
	if most := x.h.cfg.Limits.Bulk; len(ops) > most {
		return nil, scim.Errorf(scim.ErrTooLarge, "%d operations are more than maxOperations, %d", len(ops), most)
	}
	for _, v := range ops {
		op := &bulkOp{}
		op.err = x.bulkOp(op, v)
		run.ops = append(run.ops, op)
		if op.bulkID == "" {
			continue
		}
		if run.byID[op.bulkID] != nil {
			return nil, scim.Errorf(scim.ErrInvalidValue, "the bulkId %q is given twice", shorten(op.bulkID))
		}
		run.byID[op.bulkID] = op
	}
	return run, nil
}

// maxBulkID bounds a bulkId: it is sent back.
const maxBulkID = 256

// bulkOp reads one operation.
func (x *exchange) bulkOp(op *bulkOp, v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return scim.Errorf(scim.ErrInvalidSyntax, "an operation must be an object")
	}
	var path, version param
	var data any
	for name, v := range object {
		var p param
		var err error
		switch strings.ToLower(name) {
		case "method":
			p, err = textParam(name, v)
			if op.method = bulkMethod(p.text); op.method != p.text && op.method != "" {
				x.quirk(scim.QuirkOperatorCase)
			}
		case "bulkid":
			p, err = textParam(name, v)
			op.bulkID = p.text
		case "path":
			path, err = textParam(name, v)
		case "version":
			version, err = textParam(name, v)
		case "data":
			data = v
		}
		if err != nil {
			return err
		}
	}
	if len(op.bulkID) > maxBulkID {
		op.bulkID = ""
		return scim.Errorf(scim.ErrInvalidValue, "the bulkId is longer than %d bytes", maxBulkID)
	}
	if op.method == "" {
		return scim.Errorf(scim.ErrInvalidSyntax, "method must be POST, PUT, PATCH or DELETE")
	}
	if err := x.bulkTarget(op, path.text); err != nil {
		return err
	}
	if version.given && op.method != http.MethodPost {
		var err error
		if op.pre.match, err = parseETags("version", []string{version.text}); err != nil {
			return err
		}
	}
	return op.setData(data)
}

// bulkMethod is the method in capitals, "" for one that /Bulk does not have.
func bulkMethod(s string) string {
	for _, m := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if strings.EqualFold(s, m) {
			return m
		}
	}
	return ""
}

// bulkTarget reads the path of an operation: an endpoint for POST, a resource for all else.
func (x *exchange) bulkTarget(op *bulkOp, path string) error {
	s := segments{rest: strings.TrimSuffix(path, "/")}
	endpoint, id := s.next(), s.next()
	if endpoint == "" {
		return scim.Errorf(scim.ErrInvalidSyntax, "path must be one such as /Users or /Users/{id}")
	}
	if strings.EqualFold(endpoint, "Bulk") {
		return scim.Errorf(scim.ErrInvalidValue, "a /Bulk cannot hold another")
	}
	t := x.model.endpoint(endpoint)
	if t == nil || s.next() != "" {
		return errNoEndpoint
	}
	op.typ, op.id = t, id
	switch create := op.method == http.MethodPost; {
	case create != (id == ""):
		return scim.Errorf(errMethod, "%s is not a method of %s", op.method, map[bool]string{true: "an endpoint", false: "a resource"}[id == ""])
	case create && op.bulkID == "":
		return scim.Errorf(scim.ErrInvalidSyntax, "a POST needs a bulkId (RFC 7644 §3.7)")
	}
	if ref, ok := bulkReference(id); ok {
		op.refs = append(op.refs, ref)
	}
	return nil
}

// setData takes the body of the operation. That of a PATCH may be the list of its operations
// alone, as in the example of RFC 7644 §3.7.2.
func (op *bulkOp) setData(data any) error {
	if op.method == http.MethodDelete {
		return nil
	}
	if list, ok := data.([]any); ok && op.method == http.MethodPatch {
		data = map[string]any{"schemas": []any{patchURN}, "Operations": list}
	}
	var ok bool
	if op.data, ok = data.(map[string]any); !ok {
		return scim.Errorf(scim.ErrInvalidSyntax, "data must be an object: the body of the %s", op.method)
	}
	collect := func(ref string) (string, bool) {
		op.refs = append(op.refs, ref)
		return "", true
	}
	fillBody(op.data, collect)
	return nil
}
