package api

import (
	"context"
	"net/http"

	"rollcall/account"
	"rollcall/internal/events"
	"rollcall/scim"
)

// newStream is the body of POST /events/streams.
type newStream struct {
	Name          string        `json:"name"`
	Workspace     string        `json:"workspace"` // the actor's own where it is left out
	Method        string        `json:"method"`
	Endpoint      string        `json:"endpoint"`
	Audience      []string      `json:"audience"`
	Events        []string      `json:"events"`
	Client        string        `json:"client"`
	Authorization string        `json:"authorization"`
	Secret        string        `json:"secret"`
	From          *scim.Version `json:"from"`
}

// createdStream is the answer: the only time that a secret that was made is seen.
type createdStream struct {
	*events.View
	Secret string `json:"secret,omitempty"`
}

// eventRoutes are the calls about streams of events.
func (a *api) eventRoutes() []route {
	if a.Events == nil {
		return nil
	}
	read, manage, where := needs(account.SettingsRead), needs(account.SettingsManage), []param{inWorkspace}
	const all, one = "/events/streams", "/events/streams/{name}"
	return []route{
		{method: "GET", path: all, call: a.listStreams, needs: read, query: where, status: 200, out: listed[*events.View]{"streams"},
			about: "List the streams of a workspace."},
		{method: "POST", path: all, call: a.createStream, needs: manage, in: newStream{}, status: 201, out: createdStream{}, fails: fails(scim.ErrUniqueness, scim.ErrNotFound),
			about: "Make a stream. A secret that is made for it is in this answer alone."},
		{method: "GET", path: one, call: a.showStream, needs: read, query: where, status: 200, out: events.View{},
			about: "Show a stream, and how far it is."},
		{method: "PATCH", path: one, call: a.updateStream, needs: manage, query: where, in: events.Patch{}, status: 200, out: events.View{}, fails: fails(scim.ErrVersionMismatch),
			about: "Change a stream, or pause it."},
		{method: "DELETE", path: one, call: a.deleteStream, needs: manage, query: where, status: 204, fails: fails(scim.ErrInvalidValue),
			about: "Delete a stream."},
		{method: "POST", path: one + "/replay", call: a.replayStream, needs: manage, query: where, in: replay{}, optional: true, status: 200, out: events.View{}, fails: fails(scim.ErrInvalidVers, scim.ErrVersionMismatch),
			about: "Send what was sent before again."},
		{method: "POST", path: one + "/test", call: a.testStream, needs: manage, query: where, status: 200, out: events.Test{}, fails: fails(scim.ErrInvalidValue),
			about: "Send a test event, and tell what came of it."},
		{method: "POST", path: one + "/poll", call: a.pollStream, needs: needs(account.AuditRead), query: where, in: events.PollRequest{}, long: true, status: 200, out: events.PollResponse{}, fails: fails(scim.ErrInvalidVers),
			about: "Take events from a stream that is polled (RFC 8936)."},
		{method: "POST", path: "/events/keys/rotate", call: a.rotateKeys, needs: manage, status: 204, fails: fails(scim.ErrInvalidValue, scim.ErrLocked),
			about: "Sign events with a new key."},
	}
}

// replay is the body of a call that sends a stream's events again.
type replay struct {
	From *scim.Version `json:"from"` // nil for the oldest dead letter
}

// workspaceIn is the workspace that ?workspace= names, or else the call's own.
func workspaceIn(r *http.Request) string {
	if name := r.URL.Query().Get("workspace"); name != "" {
		return name
	}
	return workspaceOf(r)
}

func (a *api) listStreams(r *http.Request) (int, any, error) {
	list, err := a.Events.List(r.Context(), workspaceIn(r))
	return answerList("streams", list, err)
}

func (a *api) createStream(r *http.Request) (int, any, error) {
	var body newStream
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if body.Workspace == "" {
		body.Workspace = workspaceOf(r)
	}
	view, secret, err := a.Events.Create(r.Context(), events.NewStream{From: body.From, Stream: events.Stream{
		Name: body.Name, Workspace: body.Workspace, Method: body.Method, Endpoint: body.Endpoint, Audience: body.Audience,
		Events: body.Events, Client: body.Client, Authorization: events.Secret(body.Authorization), Secret: events.Secret(body.Secret),
	}})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, createdStream{view, string(secret)}, nil
}

func (a *api) showStream(r *http.Request) (int, any, error) {
	view, err := a.Events.Show(r.Context(), workspaceIn(r), r.PathValue("name"))
	return http.StatusOK, view, err
}

func (a *api) updateStream(r *http.Request) (int, any, error) {
	var patch events.Patch
	if err := readJSON(r, &patch); err != nil {
		return 0, nil, err
	}
	view, err := a.Events.Update(r.Context(), workspaceIn(r), r.PathValue("name"), patch)
	return http.StatusOK, view, err
}

func (a *api) deleteStream(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Events.Delete(r.Context(), workspaceIn(r), r.PathValue("name"))
}

func (a *api) replayStream(r *http.Request) (int, any, error) {
	var body replay
	if err := readOptionalJSON(r, &body); err != nil {
		return 0, nil, err
	}
	view, err := a.Events.Replay(r.Context(), workspaceIn(r), r.PathValue("name"), body.From)
	return http.StatusOK, view, err
}

func (a *api) testStream(r *http.Request) (int, any, error) {
	result, err := a.Events.Try(r.Context(), workspaceIn(r), r.PathValue("name"))
	return http.StatusOK, result, err
}

func (a *api) pollStream(r *http.Request) (int, any, error) {
	var body events.PollRequest
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	ctx, done := a.untilStop(r.Context())
	defer done()
	answer, err := a.Events.Poll(ctx, workspaceIn(r), r.PathValue("name"), &body)
	return http.StatusOK, answer, err
}

func (a *api) rotateKeys(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Events.RotateKeys(r.Context())
}

// untilStop is a context that also ends when the process is told to stop, for calls that wait.
func (a *api) untilStop(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	if a.Lifetime == nil {
		return ctx, cancel
	}
	stop := context.AfterFunc(a.Lifetime, cancel)
	return ctx, func() { stop(); cancel() }
}
