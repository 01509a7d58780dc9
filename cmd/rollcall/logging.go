package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"rollcall/internal/ops"
	"rollcall/scim"
)

// logger writes to stderr: text for people at a terminal, in colour where they want it, JSON for
// machines. The level can be changed while it is in use.
func (c *cli) logger(config LoggingConfig) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(config.SlogLevel())
	terminal := isTerminal(c.stderr)
	var h slog.Handler = slog.NewJSONHandler(c.stderr, &slog.HandlerOptions{Level: level})
	if config.Format == "text" || config.Format == "auto" && terminal {
		h = tint.NewHandler(c.stderr, &tint.Options{Level: level, NoColor: !c.colour(c.stderr), TimeFormat: time.TimeOnly})
	}
	ids := &idHandler{next: h}
	if config.PII != "full" {
		ids.mask = newMask()
	}
	return slog.New(ids), level
}

// idHandler adds to each line whose context tells them the ids of trace, request or run, and who
// asked, and takes the names of people out.
type idHandler struct {
	next slog.Handler
	mask *mask // nil to leave them
	has  map[string]bool
}

// Enabled implements slog.Handler.
func (h *idHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *idHandler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	present := map[string]bool{}
	r.Attrs(func(a slog.Attr) bool {
		present[a.Key] = true
		out.AddAttrs(h.masked(a))
		return true
	})
	add := func(key, value string) {
		if value != "" && !present[key] && !h.has[key] {
			out.AddAttrs(slog.String(key, value))
		}
	}
	if a := scim.ActorFrom(ctx); a != nil {
		id := "request_id"
		if a.Kind == "source" {
			id = "run_id"
		}
		add(id, a.RequestID)
		add("workspace", a.Workspace)
		add("client", a.Client)
	}
	add("trace_id", ops.TraceID(ctx))
	return h.next.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h *idHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &idHandler{mask: h.mask, has: map[string]bool{}}
	for k := range h.has {
		next.has[k] = true
	}
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		next.has[a.Key] = true
		masked[i] = h.masked(a)
	}
	next.next = h.next.WithAttrs(masked)
	return next
}

// WithGroup implements slog.Handler.
func (h *idHandler) WithGroup(name string) slog.Handler {
	return &idHandler{next: h.next.WithGroup(name), mask: h.mask, has: h.has}
}

func (h *idHandler) masked(a slog.Attr) slog.Attr {
	if h.mask == nil {
		return a
	}
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.mask.text(a.Key, v.String()))
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return slog.String(a.Key, h.mask.text(a.Key, err.Error()))
		}
	}
	return a
}

// mask puts a short sum in place of what names a person, so that two lines about one person can
// be seen to be so, as long as the process lives, and nobody can tell who it is.
type mask struct{ key []byte }

func newMask() *mask {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	return &mask{key}
}

// What names people: e-mail addresses, what stands first in a DN, and whatever stands under one
// of these keys.
var (
	email      = regexp.MustCompile(`[^\s@"'<>(),;:=]+@[^\s@"'<>(),;:=]+\.[A-Za-z]{2,}`)
	firstRDN   = regexp.MustCompile(`(?i)\b((?:uid|cn|mail|sn|userPrincipalName|sAMAccountName)=)((?:[^,\\"]|\\.)+)(,\s*[a-z]+=)`)
	personKeys = map[string]bool{"user": true, "user_name": true, "userName": true, "email": true, "display_name": true, "person": true}
)

func (m *mask) text(key, value string) string {
	if personKeys[key] {
		return m.sum(value)
	}
	if strings.Contains(value, "@") && !strings.Contains(value, "://") {
		value = email.ReplaceAllStringFunc(value, m.sum)
	}
	if strings.Contains(value, "=") {
		value = firstRDN.ReplaceAllStringFunc(value, func(s string) string {
			p := firstRDN.FindStringSubmatch(s)
			return p[1] + m.sum(p[2]) + p[3]
		})
	}
	return value
}

func (m *mask) sum(value string) string {
	h := hmac.New(sha256.New, m.key)
	fmt.Fprint(h, value)
	return "~" + hex.EncodeToString(h.Sum(nil)[:4])
}
