package api

import (
	"context"
	"net/http"
	"slices"

	"rollcall/account"
	"rollcall/internal/audit"
	"rollcall/internal/events"
	"rollcall/internal/schemas"
	"rollcall/scim"
)

// route is one call of the API. The router, the check of its caller's permissions, the document at
// /api/v1/openapi.json and the test that calls everything as everybody are made of the same rows.
//
// To add a call, add a row to the list beside its handler (as sessionRoutes is), and that list to
// routes where it is a new one. Give the body and the answer types of their own with json names; a
// member of a body that has to be there carries `api:"required"`. Answers of the tests are held
// against the document, and each route must be called with success and with an error: see TestOpenAPI
// in cmd/rollcall, which says what it lacks, as TestPermissionMatrix does.
type route struct {
	method, path string // below /api/v1
	call         handler
	about        string // one sentence
	open         bool   // nobody needs to be signed in; credentials that a request has are not looked at
	long         bool   // it may take as long as a directory is large

	// needs are the permissions that it takes, all of them. Who has one of or instead, or just anybody,
	// may do a part of it, which the rules in account tell: with their own account, mostly.
	needs []scim.Permission
	or    []scim.Permission

	query    []param
	in       any // a value of the body's type; nil for none
	optional bool
	status   int
	out      any     // a value of the answer's type; nil for none
	also     int     // another status with the same answer, or one that leads elsewhere
	accepted any     // a value of what it answers with 202 instead; nil where it never does
	media    string  // of the answer, where it is not JSON
	fails    []error // beyond those of every call that is like it
}

// anybody who is signed in may do a part.
var anybody = []scim.Permission{}

func needs(list ...scim.Permission) []scim.Permission { return list }

func fails(list ...error) []error { return list }

// What several calls need.
var (
	mayRead   = needs(account.UsersRead)
	mayUpdate = needs(account.UsersUpdate)
	own       = needs(account.SelfRead)
)

// param is a parameter of a query.
type param struct {
	name, about string
	typ         any // a value of its type
}

// Parameters that several calls have.
var (
	inWorkspace = param{"workspace", "The workspace of the call, instead of the caller's own.", ""}
	ofType      = param{"type", "The resource type; User where it is left out.", ""}
)

func limitParam(about string) param { return param{"limit", about, 0} }

// routes lists every call.
func (a *api) routes() []route {
	return slices.Concat(
		a.loginRoutes(), a.ssoRoutes(), a.sessionRoutes(), a.accountRoutes(), a.invitationRoutes(), a.secretRoutes(), a.workspaceRoutes(),
		a.tokenRoutes(), a.clientRoutes(), a.sourceRoutes(), a.runRoutes(), a.feedRoutes(), a.deletedRoutes(),
		a.schemaRoutes(), a.eventRoutes(), a.auditRoutes(), a.storeRoutes(), a.requestRoutes(), a.documentRoutes(),
	)
}

// everything is the API with all that a configuration may leave out.
func everything() *api {
	return &api{Config: Config{
		Schemas: &schemas.Registry{}, Events: &events.Transmitter{}, Audit: &audit.Log{},
		Explain: func(context.Context, string, *scim.Query, string) (any, error) { return nil, nil },
		Backup:  func(context.Context, http.ResponseWriter) error { return nil },
	}}
}

// Route is a call as others see it.
type Route struct {
	Method, Path, About string
	Open                bool
	Needs               []scim.Permission
	Or                  []scim.Permission // enough for a part of it; nil for none
}

// Routes lists every call that there may be.
func Routes() []Route {
	var list []Route
	for _, rt := range everything().routes() {
		list = append(list, Route{rt.method, base + rt.path, rt.about, rt.open, rt.needs, rt.or})
	}
	return list
}

// admit holds what a route asks of its caller, before anything else of the call is looked at. A
// workspace that they may not enter is not told from one that does not exist.
func (rt *route) admit(r *http.Request) error {
	actor := scim.ActorFrom(r.Context())
	named := r.PathValue("workspace")
	if named == "" && slices.Contains(rt.query, inWorkspace) {
		named = r.URL.Query().Get("workspace")
	}
	if named != "" && !actor.In(named) {
		return noWorkspace(named)
	}
	missing := slices.IndexFunc(rt.needs, func(p scim.Permission) bool { return !actor.Can(p) })
	if missing < 0 || rt.or != nil && (len(rt.or) == 0 || slices.ContainsFunc(rt.or, actor.Can)) {
		return nil
	}
	return scim.Errorf(scim.ErrForbidden, "this needs the permission %s", rt.needs[missing])
}
