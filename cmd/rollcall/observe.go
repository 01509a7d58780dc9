package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"rollcall/internal/ops"
	"rollcall/internal/recorder"
	"rollcall/scim"
	"rollcall/scim/scimhttp"
	dirsync "rollcall/sync"
)

// observeSCIM counts an answer of SCIM.
func (c *core) observeSCIM(ctx context.Context, o scimhttp.Observed) {
	c.metrics.Request(o.Route, o.Method, o.Status, o.Took)
	if o.Refused != "" {
		c.metrics.SignInRefused(o.Refused)
	}
	c.metrics.SCIM(ops.SCIMRequest{Workspace: o.Workspace, Client: o.Client, Resource: o.Resource, Op: o.Op, SCIMType: o.SCIMType, Code: o.Status})
	if o.Client != "" && o.Refused == "" {
		c.lastSeen.note(o.Workspace, o.Client)
	}
	recorder.Note(ctx, recorder.Known{Workspace: o.Workspace, Client: o.Client, SCIMType: o.SCIMType})
	if s := seenIn(ctx); s != nil {
		s.route, s.status = o.Route, o.Status
	}
}

// seen is what the handlers find out about a request for those around them.
type seen struct {
	route  string
	status int
	actor  *scim.Actor
}

type seenKey struct{}

func seenIn(ctx context.Context) *seen {
	s, _ := ctx.Value(seenKey{}).(*seen)
	return s
}

// noteActor tells of who signed in.
func noteActor(signIn func(*http.Request) (*scim.Actor, error)) func(*http.Request) (*scim.Actor, error) {
	return func(r *http.Request) (*scim.Actor, error) {
		actor, err := signIn(r)
		if s := seenIn(r.Context()); s != nil {
			s.actor = actor
		}
		return actor, err
	}
}

// observed answers a request that is not SCIM's, counts it and writes its access line. Without a
// route it is the pattern that an http.ServeMux found.
func (c *core) observed(w http.ResponseWriter, r *http.Request, route string, h http.Handler) {
	began := time.Now()
	s := seenIn(r.Context())
	if s == nil {
		s = &seen{}
		r = r.WithContext(context.WithValue(r.Context(), seenKey{}, s))
	}
	sw := &statusWriter{ResponseWriter: w}
	defer func() {
		if route == "" {
			_, route, _ = strings.Cut(r.Pattern, " ")
			route = cmp.Or(route, "/api/v1/")
		}
		s.route, s.status = route, cmp.Or(sw.status, http.StatusOK)
		method, took := r.Method, time.Since(began)
		if !knownMethod(method) {
			method = "other"
		}
		c.metrics.Request(route, method, s.status, took)
		attrs := []slog.Attr{slog.String("method", method), slog.String("route", route), slog.Int("status", s.status),
			slog.Duration("duration", took), slog.String("request_id", w.Header().Get("X-Request-Id"))}
		if s.actor != nil {
			attrs = append(attrs, slog.String("workspace", s.actor.Workspace), slog.String("client", s.actor.Client))
		}
		c.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
	}()
	h.ServeHTTP(sw, r)
}

func knownMethod(m string) bool {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// observeTrace makes a span of each request. One that brought no id of its own goes by that of
// its trace, so that an error and the log lead there.
func (c *core) observeTrace(next http.Handler) http.Handler {
	if c.tracing == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, over := c.tracing.Request(r)
		s := &seen{route: "unknown"}
		r = r.WithContext(context.WithValue(c.traced(ctx), seenKey{}, s))
		if len(r.Header["X-Request-Id"]) == 0 {
			r.Header["X-Request-Id"] = []string{ops.TraceID(ctx)}
		}
		defer func() { over(s.route, s.status) }()
		next.ServeHTTP(w, r)
	})
}

// traced is a context whose steps become spans, where somebody wants them.
func (c *core) traced(ctx context.Context) context.Context {
	if c.tracing == nil {
		return ctx
	}
	return scim.WithTracer(ctx, c.tracing.Step)
}

// endTracing sends the last spans, once the program was told to stop.
func (c *core) endTracing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.tracing.Close(ctx); err != nil {
		c.log.Warn("the last traces could not be sent", "error", err)
	}
}

// observeRun counts a run of a source.
func (c *core) observeRun(r *dirsync.Report) {
	if r.Result == dirsync.Running {
		c.metrics.RunStarted(r.Source)
		return
	}
	n := r.Counts.Tally
	c.metrics.RunEnded(r.Source, string(r.Trigger), string(r.Result), r.Finished.Sub(r.Started), map[[2]string]int{
		{"Resource", "create"}: n.Created, {"Resource", "update"}: n.Updated, {"User", "disable"}: n.Disabled, {"User", "enable"}: n.Enabled, {"Resource", "delete"}: n.Deleted,
		{"Member", "add"}: n.MembersAdded, {"Member", "remove"}: n.MembersRemoved,
	})
}
