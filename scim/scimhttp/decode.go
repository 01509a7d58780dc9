package scimhttp

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"rollcall/scim"
)

// largeBody is the size from which bodies share Limits.LargeBodies places.
const largeBody = 64 << 10

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// object reads the body of the request as one JSON object.
func (x *exchange) object() (map[string]any, error) {
	limits := scim.BodyLimits
	limits.Bytes = int(x.h.cfg.Limits.Body)
	return x.objectWithin(limits)
}

func (x *exchange) objectWithin(limits scim.Limits) (map[string]any, error) {
	if err := x.checkMedia(); err != nil {
		return nil, err
	}
	limit := int64(limits.Bytes)
	if x.r.ContentLength > limit {
		x.w.Header().Set("Connection", "close") // so that the server does not read the rest
		return nil, tooLarge(limit)
	}
	buf := bodies.Get().(*bytes.Buffer)
	defer putBody(buf)
	if n := x.r.ContentLength; n > 0 && n <= largeBody {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(x.w, x.r.Body, limit)); err != nil {
		return nil, x.readError(err, limit)
	}
	if buf.Len() == 0 {
		return nil, scim.Errorf(scim.ErrInvalidSyntax, "the body is empty; a JSON object was expected")
	}
	if buf.Len() > largeBody {
		if err := x.reserve(); err != nil {
			return nil, err
		}
	}
	return scim.ParseObject(buf.Bytes(), limits)
}

func putBody(buf *bytes.Buffer) {
	if buf.Cap() <= 4*largeBody {
		buf.Reset()
		bodies.Put(buf)
	}
}

func tooLarge(limit int64) error {
	return scim.Errorf(scim.ErrTooLarge, "the body is longer than %d bytes", limit)
}

func (x *exchange) readError(err error, limit int64) error {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge(limit)
	case x.ctx.Err() != nil:
		return x.ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return scim.Errorf(scim.ErrInvalidSyntax, "the body ended early")
	}
	return scim.Errorf(errBadRequest, "the body could not be read")
}

// reserve takes one of the places for large bodies, until the answer begins.
func (x *exchange) reserve() error {
	select {
	case x.h.large <- struct{}{}:
		x.large = true
		return nil
	case <-x.ctx.Done():
		return x.ctx.Err()
	}
}

// free gives the place back. Nobody who is slow to take an answer shall hold one.
func (x *exchange) free() {
	if x.large {
		x.large = false
		<-x.h.large
	}
}

// checkMedia wants JSON, in UTF-8, as it is (RFC 7644 §3.8; clients.md A1).
func (x *exchange) checkMedia() error {
	for _, enc := range x.r.Header["Content-Encoding"] {
		if enc != "" && !strings.EqualFold(enc, "identity") {
			return scim.Errorf(errMediaType, "a body with a Content-Encoding is not read; send it as it is")
		}
	}
	types := x.r.Header["Content-Type"]
	if len(types) == 0 || types[0] == "" {
		x.quirk(QuirkNoMediaType)
		return nil
	}
	switch types[0] {
	case "application/scim+json", "application/json",
		"application/scim+json; charset=utf-8", "application/json; charset=utf-8":
		return nil
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil || media != "application/scim+json" && media != "application/json" {
		return scim.Errorf(errMediaType, "the body must be application/scim+json or application/json")
	}
	if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
		return scim.Errorf(errMediaType, "the body must be in UTF-8 (RFC 8259 §8.1)")
	}
	return nil
}

// draft reads the body of a PUT.
func (x *exchange) draft() (*scim.Draft, error) {
	body, err := x.object()
	if err != nil {
		return nil, err
	}
	return x.decode(body)
}

// newDraft reads the body of a POST.
func (x *exchange) newDraft(body map[string]any) (*scim.Draft, error) {
	if x.h.cfg.Complete != nil {
		var err error
		if body, err = x.h.cfg.Complete(x.ctx, x.workspace, x.typ.Name, body); err != nil {
			return nil, err
		}
	}
	return x.decode(body)
}

// decode reads a resource, and counts the tolerances that it took.
func (x *exchange) decode(body map[string]any) (*scim.Draft, error) {
	d, err := x.typ.Decode(body)
	if err != nil {
		return nil, err
	}
	x.quirks(d.Quirks)
	return d, nil
}
