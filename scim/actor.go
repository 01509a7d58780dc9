package scim

import "context"

// Permission is one right, as named in the roles of a workspace: "users:create".
type Permission string

// Actor is who asks: the holder of a token, a source's run, the operator at the
// command line. It travels in the context, and every change records it.
type Actor struct {
	Kind   string // "token", "oauth2", "jwt", "basic", "bootstrap", "source", "operator", "user", "guest"
	ID     string // the token's id (oauth2: of the client secret); the name of source or client; the person's id
	Name   string // for people to read
	Client string // the client that the token belongs to, "" for none
	// Workspace is the only one the actor may touch; "" is every workspace.
	Workspace   string
	Permissions map[Permission]bool
	// User is the person whom the actor is, which /Me leads to; zero for one that is none.
	User Ref
	All  bool // holds every permission
	// Roams is an actor with a workspace of their own who may name any other.
	Roams bool
	// MaxRole is the highest role that a token may assign; "" for none.
	MaxRole string
	// By is who acts as the actor ("user:<id>", "token:<id>"); "" for the actor in person.
	By string
	// Session is the session that the actor signed in with; "" for a token.
	Session   string
	RequestID string // of the HTTP request or run, for the feed
}

// Can tells whether the actor holds the permission.
func (a *Actor) Can(p Permission) bool { return a != nil && (a.All || a.Permissions[p]) }

// String is who acts, as the feed records it: "token:abc", and with who acts as them "user:abc by user:def".
func (a *Actor) String() string {
	s := a.Kind + ":" + a.ID
	if a.By != "" {
		s += " by " + a.By
	}
	return s
}

// In tells whether the actor may touch a workspace.
func (a *Actor) In(workspace string) bool {
	return a != nil && (a.Workspace == "" || a.Workspace == workspace || a.Roams)
}

// Owner is the owner of what the actor creates (Header.Owner).
func (a *Actor) Owner() string {
	switch {
	case a == nil:
		return ""
	case a.Kind == "source":
		return "source:" + a.ID
	case a.Client != "":
		return "client:" + a.Client
	}
	return ""
}

type actorKey struct{}

type requestKey struct{}

// WithRequestID returns a context that carries the id of a request which nobody is signed in for.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestIDFrom is the id of the request: the actor's, or that of WithRequestID; "" for none.
func RequestIDFrom(ctx context.Context) string {
	if a := ActorFrom(ctx); a != nil && a.RequestID != "" {
		return a.RequestID
	}
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// WithActor returns a context that carries the actor.
func WithActor(ctx context.Context, a *Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom is the context's actor, nil where there is none.
func ActorFrom(ctx context.Context) *Actor {
	a, _ := ctx.Value(actorKey{}).(*Actor)
	return a
}
