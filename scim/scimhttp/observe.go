package scimhttp

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"rollcall/scim"
)

// Observed is what there is to count of one answer. Every text in it is one of few, but for the
// names of workspace and client.
type Observed struct {
	Method, Route     string // the route is a pattern: "/scim/v2/Users/{id}"
	Workspace, Client string // "" where it did not get that far
	Resource          string // the resource type of the endpoint, "" for none
	Op                string // list, get, create, replace, patch, delete, search, bulk, me, discovery, other
	Status            int    // 499 where the client went away, 599 where the answer was cut off
	SCIMType          string // of an error
	// Refused is why the request was not signed in, "" where it was: missing, invalid,
	// forbidden, paused, limited or unavailable.
	Refused string
	Took    time.Duration
}

// observe tells of the answer.
func (x *exchange) observe() {
	o := Observed{Method: logMethod(x.r.Method), Route: x.route, Workspace: x.workspace, Op: x.op(), Status: x.status,
		SCIMType: x.scimType, Refused: x.refused, Took: time.Since(x.began)}
	if x.actor != nil {
		o.Client = x.actor.Client
	}
	if x.typ != nil {
		o.Resource = x.typ.ResourceType.Name
	}
	x.h.cfg.Observe(x.ctx, o)
}

// op is what the request wants done.
func (x *exchange) op() string {
	switch {
	case strings.HasSuffix(x.route, "/.search"):
		return "search"
	case x.typ == nil:
		switch x.route {
		case "/scim/v2":
			return "list"
		case "/scim/v2/Bulk":
			return "bulk"
		case "/scim/v2/Me":
			return "me"
		case "unknown":
			return "other"
		}
		return "discovery"
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		if x.id == "" {
			return "list"
		}
		return "get"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "replace"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return "other"
}

// refusal is the word for why a request was not signed in.
func refusal(err error) string {
	switch {
	case errors.Is(err, errNoToken):
		return "missing"
	case errors.Is(err, scim.ErrUnauthenticated):
		return "invalid"
	case errors.Is(err, scim.ErrPaused):
		return "paused"
	case errors.Is(err, scim.ErrTooManyRequests):
		return "limited"
	case errors.Is(err, scim.ErrForbidden):
		return "forbidden"
	}
	return "unavailable"
}
