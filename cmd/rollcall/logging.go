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
	"slices"
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

// Handle implements slog.Handler. A line to which there is nothing to add and in which there is nothing
// to mask, as those of requests are, is passed on as it is.
func (h *idHandler) Handle(ctx context.Context, r slog.Record) error {
	var present [len(idKeys)]bool
	masks := false
	r.Attrs(func(a slog.Attr) bool {
		if i := slices.Index(idKeys[:], a.Key); i >= 0 {
			present[i] = true
		}
		masks = masks || h.mask != nil && h.mask.hides(a)
		return true
	})
	var room [len(idKeys)]slog.Attr
	added := room[:0]
	add := func(key int, value string) {
		if name := idKeys[key]; value != "" && !present[key] && !h.has[name] {
			added = append(added, slog.String(name, value))
		}
	}
	if a := scim.ActorFrom(ctx); a != nil {
		id := keyRequest
		if a.Kind == "source" {
			id = keyRun
		}
		add(id, a.RequestID)
		add(keyWorkspace, a.Workspace)
		add(keyClient, a.Client)
	}
	add(keyTrace, ops.TraceID(ctx))
	if !masks && len(added) == 0 {
		return h.next.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool { out.AddAttrs(h.masked(a)); return true })
	out.AddAttrs(added...)
	return h.next.Handle(ctx, out)
}

// idKeys are the keys of what idHandler adds.
var idKeys = [...]string{keyRequest: "request_id", keyRun: "run_id", keyWorkspace: "workspace", keyClient: "client", keyTrace: "trace_id"}

const (
	keyRequest = iota
	keyRun
	keyWorkspace
	keyClient
	keyTrace
)

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

// hides tells whether there may be something in an attribute to mask.
func (m *mask) hides(a slog.Attr) bool {
	switch a.Value.Kind() {
	case slog.KindString:
		return personKeys[a.Key] || strings.ContainsAny(a.Value.String(), "@=")
	case slog.KindAny, slog.KindLogValuer:
		return true
	}
	return false
}

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
