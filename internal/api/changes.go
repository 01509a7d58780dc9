package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// change is an entry of the feed on the wire. It names attributes, and tells values in images alone.
type change struct {
	Version    scim.Version `json:"version"`
	History    string       `json:"history"` // tells it from another change with its number
	Before     scim.Version `json:"before,omitempty"`
	Op         string       `json:"op"`
	Resource   ref          `json:"resource"`
	Time       time.Time    `json:"time"`
	Actor      string       `json:"actor,omitempty"`
	Client     string       `json:"client,omitempty"`
	RequestID  string       `json:"requestId,omitempty"`
	Attributes []string     `json:"attributes,omitempty"`
	Became     string       `json:"became,omitempty"`
	Added      []ref        `json:"added,omitempty"`   // members
	Removed    []ref        `json:"removed,omitempty"` // members
	Groups     []ref        `json:"groups,omitempty"`  // that lost the resource as a member
	Images     *images      `json:"images,omitempty"`  // where they are asked for, and kept
}

// images are what the resource was before and after a change, without its members.
type images struct {
	Old *image `json:"old"` // null at creation
	New *image `json:"new"` // null at deletion
}

type image struct {
	Version    scim.Version   `json:"version"`
	ExternalID string         `json:"externalId,omitempty"`
	Owner      string         `json:"owner,omitempty"`
	Attributes map[string]any `json:"attributes"`
}

func imageOf(r *scim.Resource) *image {
	if r == nil {
		return nil
	}
	return &image{Version: r.Version, ExternalID: r.ExternalID, Owner: r.Owner, Attributes: r.Attributes}
}

type ref struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

func changeOf(c *scim.Change) change {
	out := change{
		Version: c.Version, History: c.History, Before: c.Before, Op: c.Op, Resource: ref(c.Ref), Time: c.Time, Actor: c.Actor, Client: c.Client,
		RequestID: c.RequestID, Attributes: c.Attributes, Became: c.Became,
	}
	for _, e := range c.Edges {
		if e.Remove {
			out.Removed = append(out.Removed, ref(e.Member))
		} else {
			out.Added = append(out.Added, ref(e.Member))
		}
	}
	for _, g := range c.Groups {
		out.Groups = append(out.Groups, ref(g))
	}
	return out
}

// How many changes a page has, unless told otherwise, and at most.
const (
	defaultChanges = 100
	maxChanges     = 1000
)

func (a *api) feedRoutes() []route {
	return []route{
		{method: "GET", path: "/changes", call: a.listChanges, needs: needs(account.AuditRead), long: true, status: 200, out: changesPage{}, media: "text/event-stream", fails: fails(scim.ErrInvalidVers, scim.ErrNotFound),
			query: []param{inWorkspace, {"after", "The number of the last change that is known.", 0}, {"history", "The history of that change: 410 where it is another one by now.", ""}, limitParam("How many, at most 1000."), {"images", "What each resource was before and after.", false}},
			about: "List the changes behind a number; with Accept: text/event-stream, each as it comes."},
	}
}

// changesPage is a page of the feed.
type changesPage struct {
	Changes []change `json:"changes"`
	Next    uint64   `json:"next"`              // for after
	History string   `json:"history,omitempty"` // to be given with it
}

// listChanges answers a page of the change feed; to a caller who accepts text/event-stream, all
// of it behind after, and then each change as it comes.
func (a *api) listChanges(r *http.Request) (int, any, error) {
	q := r.URL.Query()
	limit, err := number(q.Get("limit"), "limit", defaultChanges)
	if err != nil || limit < 1 || limit > maxChanges {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "limit is a number from 1 to %d", maxChanges)
	}
	after, err := number(q.Get("after"), "after", 0)
	if err != nil {
		return 0, nil, err
	}
	workspace, err := a.Accounts.Workspace(r.Context(), workspaceIn(r))
	if err != nil {
		return 0, nil, err
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return a.follow(r, workspace)
	}
	history := q.Get("history")
	list, err := changesBehind(r.Context(), workspace, scim.Version(after), history, int(limit))
	if err != nil {
		return 0, nil, a.trimmed(r, workspace, err)
	}
	changes := make([]change, len(list))
	for i := range list {
		changes[i] = changeOf(&list[i])
		after, history = uint64(list[i].Version), list[i].History
	}
	if q.Get("images") == "true" {
		if err := addImages(r.Context(), workspace, changes); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, changesPage{changes, after, history}, nil
}

// errRewritten tells a reader that the change it knows is not the one with that number.
var errRewritten = errors.New("the history was rewritten")

// changesBehind reads what comes behind a change. Where its history is given, it must still be that
// change: a store that was replaced, or that failed over to an older state, gives its number to another.
func changesBehind(ctx context.Context, feed follower, after scim.Version, history string, limit int) ([]scim.Change, error) {
	if after == 0 || history == "" {
		return feed.Changes(ctx, after, limit)
	}
	list, err := feed.Changes(ctx, after-1, limit+1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0].History != history {
		return nil, errRewritten
	}
	return list[1:], nil
}

func addImages(ctx context.Context, store scim.Store, changes []change) error {
	numbers := make([]scim.Version, len(changes))
	for i := range changes {
		numbers[i] = changes[i].Version
	}
	kept, err := store.Images(ctx, numbers)
	if err != nil {
		return err
	}
	for i, k := range kept {
		if k.Kept {
			changes[i].Images = &images{Old: imageOf(k.Old), New: imageOf(k.New)}
		}
	}
	return nil
}

func number(text, name string, otherwise uint64) (uint64, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, scim.Errorf(scim.ErrInvalidValue, "%s is a number", name)
	}
	return n, nil
}

// trimmed says how far the feed reaches where it does not reach far enough.
func (a *api) trimmed(r *http.Request, feed follower, err error) error {
	if errors.Is(err, errRewritten) {
		return scim.Errorf(scim.ErrInvalidVers, "the change that history names is not in the feed any more: the store was replaced, or failed over to an older state; read everything anew, then follow the feed from there")
	}
	if !errors.Is(err, scim.ErrInvalidVers) {
		return err
	}
	span, spanErr := feed.Span(r.Context())
	if spanErr != nil {
		return err
	}
	return scim.Errorf(scim.ErrInvalidVers, "the feed holds the changes %d to %d, and cannot go on behind another: read everything anew, then follow it from %d",
		span.Oldest, span.Newest, span.Newest)
}

// How a follower of the feed is served.
const (
	followEvery  = time.Second
	followIdle   = 15 * time.Second // then a comment shows that the connection lives
	followWrite  = 20 * time.Second // a reader who takes nothing for so long is cut off
	followBatch  = 100
	maxFollowers = 200
)

// follower is a feed that can be followed (account.Workspace).
type follower interface {
	Changes(ctx context.Context, after scim.Version, limit int) ([]scim.Change, error)
	Span(ctx context.Context) (scim.Span, error)
}

// follow answers with server-sent events: each change with its number as the id, so that a reader
// who comes back with Last-Event-ID misses none. Without a number it begins with what comes.
func (a *api) follow(r *http.Request, feed follower) (int, any, error) {
	span, err := feed.Span(r.Context())
	if err != nil {
		return 0, nil, err
	}
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	after, err := number(text, "Last-Event-ID", uint64(span.Newest))
	if err != nil {
		return 0, nil, err
	}
	history := r.URL.Query().Get("history")
	if r.Header.Get("Last-Event-ID") != "" {
		history = "" // it was that of the change that the reader began behind
	}
	if _, err := changesBehind(r.Context(), feed, scim.Version(after), history, 1); err != nil {
		return 0, nil, a.trimmed(r, feed, err)
	}
	select {
	case a.followers <- struct{}{}:
	default:
		return 0, nil, scim.Errorf(scim.ErrUnavailable, "%d readers follow the feed already", maxFollowers)
	}
	return http.StatusOK, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { <-a.followers }()
		a.stream(w, r, feed, scim.Version(after), history)
	}), nil
}

func (a *api) stream(w http.ResponseWriter, r *http.Request, feed follower, after scim.Version, history string) {
	ctx, done := a.untilStop(r.Context())
	defer done()
	control := http.NewResponseController(w)
	send := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(followWrite)) // an error: there is none to set
		if _, err := w.Write([]byte(text)); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that collects answers would show nothing
	w.WriteHeader(http.StatusOK)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var spoke, signedIn time.Time
	for {
		list, err := changesBehind(ctx, feed, after, history, followBatch)
		if err != nil { // the reader comes back, and is told
			return
		}
		idle := time.Since(spoke) > followIdle
		if (len(list) > 0 || idle) && time.Since(signedIn) >= followEvery {
			// A token that was revoked or expired meanwhile sees nothing more.
			if _, err := a.SignIn(r); err != nil {
				return
			}
			signedIn = time.Now()
		}
		for i := range list {
			text, err := json.Marshal(changeOf(&list[i]))
			if err != nil || !send(fmt.Sprintf("id: %d\nevent: change\ndata: %s\n\n", list[i].Version, text)) {
				return
			}
			after, history, spoke = list[i].Version, list[i].History, time.Now()
		}
		if idle && len(list) == 0 {
			if spoke = time.Now(); !send(": alive\n\n") {
				return
			}
		}
		if len(list) == followBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
