package events

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

func pollStream(w *world, tr *Transmitter, more ...func(*Stream)) {
	s := Stream{Name: "p", Method: Poll}
	for _, f := range more {
		f(&s)
	}
	w.create(tr, s)
}

// poll asks for at most n SETs, acknowledges, and returns the ids in order. Ids are written here
// without the time at their end.
func (w *world) poll(tr *Transmitter, n int, req PollRequest) (ids []string, more bool) {
	w.Helper()
	req.MaxEvents, req.ReturnImmediately = &n, true
	whole := func(id string) string { return cmp.Or(w.ids[id], id) }
	ack := req.Ack
	req.Ack = nil
	for _, id := range ack {
		req.Ack = append(req.Ack, whole(id))
	}
	refused := map[string]SetErr{}
	for id, why := range req.SetErrs {
		refused[whole(id)] = why
	}
	req.SetErrs = refused
	out, err := tr.Poll(w.ctx, "default", "p", &req)
	if err != nil {
		w.Fatalf("Poll() = %v", err)
	}
	for id, text := range out.Sets {
		if s := verify(w.T, tr, text); s.JTI != id {
			w.Errorf("the SET under %s has the jti %s", id, s.JTI)
		}
		short := id[:strings.LastIndexByte(id, '.')]
		w.ids[short] = id
		ids = append(ids, short)
	}
	slices.Sort(ids)
	return ids, out.MoreAvailable
}

func id(v int) string { return fmt.Sprintf("default.%d.0", v) }

func TestPoll(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	pollStream(w, tr)
	w.users(5)
	expect := func(what string, gotIDs []string, gotMore bool, more bool, versions ...int) {
		t.Helper()
		var ids []string
		for _, v := range versions {
			ids = append(ids, id(v))
		}
		if !slices.Equal(gotIDs, ids) || gotMore != more {
			t.Errorf("%s = %v, more %v; want %v, more %v", what, gotIDs, gotMore, ids, more)
		}
	}
	ids, more := w.poll(tr, 2, PollRequest{})
	expect("the first poll", ids, more, true, 1, 2)
	ids, more = w.poll(tr, 2, PollRequest{})
	expect("a poll without acknowledgement", ids, more, true, 1, 2)
	ids, more = w.poll(tr, 2, PollRequest{Ack: []string{id(2)}})
	expect("a poll after the second was taken", ids, more, true, 1, 3)
	want(t, "position", w.status(tr, "p").Position, 0)
	ids, more = w.poll(tr, 0, PollRequest{Ack: []string{id(1)}})
	expect("a poll that only acknowledges", ids, more, false)
	want(t, "position", w.status(tr, "p").Position, 2)
	ids, more = w.poll(w.transmitter(), 10, PollRequest{Ack: []string{"nonsense", id(99), id(1), "other.3.0.x", "default.3.1.x", "default.3.0.x"}})
	expect("a poll of another replica, with acknowledgements of nothing", ids, more, false, 3, 4, 5)
	ids, more = w.poll(tr, 10, PollRequest{Ack: []string{id(3), id(5)}, SetErrs: map[string]SetErr{id(4): {Err: "invalid_request", Description: "a name"}}})
	expect("a poll after all was taken", ids, more, false)
	s := w.status(tr, "p")
	if s.Position != 5 || len(s.DeadLetters) != 1 || s.DeadLetters[0].From != 4 || s.DeadLetters[0].Reason != "the receiver refused it: invalid_request" {
		t.Errorf("status = %+v, want at 5 with a dead letter of 4", s)
	}
	from := scim.Version(4)
	if _, err := tr.Replay(w.ctx, "default", "p", &from); err != nil {
		t.Fatal(err)
	}
	ids, more = w.poll(tr, 10, PollRequest{})
	expect("a poll after a replay", ids, more, false, 4, 5)
}

// TestPollOneChange holds that a change of several resources is done when all its SETs are taken.
func TestPollOneChange(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	u := w.user("ada", nil)
	for _, name := range []string{"g", "h"} {
		g := &scim.Resource{Attributes: map[string]any{"displayName": name}}
		g.Ref = scim.Ref{Type: "Group", ID: scim.NewID()}
		w.commit(&scim.Commit{Ref: g.Ref, Put: g, Edges: []scim.EdgeChange{{Member: u.Ref}}})
	}
	pollStream(w, tr)
	w.commit(&scim.Commit{Ref: u.Ref, Expect: u.Version, Old: u, Delete: true})
	ids, _ := w.poll(tr, 10, PollRequest{})
	if !slices.Equal(ids, []string{"default.4.0", "default.4.1", "default.4.2"}) {
		t.Fatalf("Poll() = %v", ids)
	}
	ids, _ = w.poll(tr, 10, PollRequest{Ack: []string{"default.4.0", "default.4.2"}})
	if !slices.Equal(ids, []string{"default.4.1"}) {
		t.Errorf("Poll() = %v, want the one that was not taken", ids)
	}
	ids, _ = w.poll(tr, 10, PollRequest{Ack: ids})
	want(t, "SETs at the end", len(ids), 0)
	want(t, "position", w.status(tr, "p").Position, 4)
}

func TestLongPoll(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	pollStream(w, tr)
	done := make(chan *PollResponse, 1)
	go func() {
		out, err := tr.Poll(w.ctx, "default", "p", &PollRequest{})
		if err != nil {
			t.Errorf("Poll() = %v", err)
		}
		done <- out
	}()
	select {
	case <-done:
		t.Fatal("a poll came back with nothing")
	case <-time.After(50 * time.Millisecond):
	}
	w.users(1)
	if out := <-done; len(out.Sets) != 1 {
		t.Errorf("Poll() = %v, want the change that came", out.Sets)
	}
	ctx, stop := context.WithCancel(w.ctx)
	stop()
	if out, err := tr.Poll(ctx, "default", "p", &PollRequest{Ack: nil}); err == nil && len(out.Sets) > 1 {
		t.Errorf("Poll() = %v", out)
	}
}

func TestPollGap(t *testing.T) {
	w := newWorld(t, 100)
	tr := w.transmitter()
	pollStream(w, tr)
	w.users(600)
	ids, _ := w.poll(tr, 10, PollRequest{})
	want(t, "SETs", len(ids), 10)
	if s := w.status(tr, "p"); s.State != "gap" || s.Gap == nil || s.Gap.From != 1 {
		t.Errorf("status = %+v, want a gap", s)
	}
}

func TestPollRights(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	pollStream(w, tr, func(s *Stream) { s.Client = "hr" })
	w.create(tr, Stream{Name: "pushed", Method: Push, Endpoint: "https://example.com"})
	as := func(a scim.Actor) context.Context { return scim.WithActor(t.Context(), &a) }
	reads := map[scim.Permission]bool{account.AuditRead: true}
	for _, c := range []struct {
		name   string
		ctx    context.Context
		stream string
		want   error
	}{
		{"nobody", t.Context(), "p", scim.ErrUnauthenticated},
		{"its client", as(scim.Actor{Workspace: "default", Client: "hr", Permissions: reads}), "p", nil},
		{"another client", as(scim.Actor{Workspace: "default", Client: "it", Permissions: reads}), "p", scim.ErrForbidden},
		{"without the right", as(scim.Actor{Workspace: "default", Client: "hr"}), "p", scim.ErrForbidden},
		{"another workspace", as(scim.Actor{Workspace: "other", Client: "hr", Permissions: reads}), "p", scim.ErrNotFound},
		{"no stream", w.ctx, "q", scim.ErrNotFound},
		{"a stream that is pushed", w.ctx, "pushed", scim.ErrInvalidValue},
	} {
		_, err := tr.Poll(c.ctx, "default", c.stream, &PollRequest{ReturnImmediately: true})
		wantError(t, "Poll() by "+c.name, err, c.want)
	}
	minus := -1
	_, err := tr.Poll(w.ctx, "default", "p", &PollRequest{MaxEvents: &minus})
	wantError(t, "Poll() of -1", err, scim.ErrInvalidValue)
	_, err = tr.Poll(w.ctx, "default", "p", &PollRequest{Ack: make([]string, maxAcks+1)})
	wantError(t, "Poll() with too many acknowledgements", err, scim.ErrInvalidValue)
}

// A receiver may acknowledge what was never sent: of that no more is kept than fits.
func TestAcknowledgementsAreBounded(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	pollStream(w, tr)
	w.users(2)
	for round := range 3 {
		ack := make([]string, maxAcks)
		for i := range ack {
			ack[i] = fmt.Sprintf("default.2.%d.x%d", i, round)
		}
		w.poll(tr, 0, PollRequest{Ack: ack})
	}
	s, err := tr.find(w.ctx, "default", "p")
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := tr.progressOf(w.ctx, s)
	if err != nil || len(p.Done) > maxDone {
		t.Errorf("%d acknowledgements are kept, %v; want at most %d", len(p.Done), err, maxDone)
	}
	// Everything is still delivered, and the list goes with the changes that it was about.
	if ids, _ := w.poll(tr, 10, PollRequest{}); !slices.Equal(ids, []string{id(1), id(2)}) {
		t.Errorf("the next poll = %v, want both changes", ids)
	}
	w.poll(tr, 0, PollRequest{Ack: []string{id(1)}})
	w.users(1)
	if ids, _ := w.poll(tr, 10, PollRequest{}); !slices.Equal(ids, []string{id(2), id(3)}) {
		t.Errorf("the poll after the first was taken = %v, want the others", ids)
	}
}

// Many refusals in one request are one reading of the dead letters.
func TestRefusalsAtOnce(t *testing.T) {
	w := newWorld(t, 0)
	tr := w.transmitter()
	pollStream(w, tr)
	w.users(20)
	ids, _ := w.poll(tr, 20, PollRequest{})
	refused := map[string]SetErr{}
	for i, id := range ids {
		refused[id] = SetErr{Err: []string{"access_denied", "invalid_key"}[i%2]}
	}
	w.poll(tr, 0, PollRequest{SetErrs: refused})
	dead := w.status(tr, "p").DeadLetters
	n := 0
	for _, d := range dead {
		n += int(d.To-d.From) + 1
	}
	if n != 20 {
		t.Errorf("dead letters of %d changes, want 20: %+v", n, dead)
	}
	want(t, "position", w.status(tr, "p").Position, 20)
}

// TestBegin holds that a stream of the configuration tells of what changed before anybody asked for it.
func TestBegin(t *testing.T) {
	w := newWorld(t, 0)
	w.users(2)
	tr := w.transmitter(func(c *Config) {
		c.Streams = []Stream{{Name: "p", Workspace: "default", Method: Poll, Audience: []string{"https://a.example.com"}}}
	})
	for range 2 { // a second start goes on where the first was
		if err := tr.Begin(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.users(1)
	}
	if ids, _ := w.poll(tr, 10, PollRequest{}); !slices.Equal(ids, []string{id(3), id(4)}) {
		t.Errorf("the first poll gives %v, want what changed since the first start", ids)
	}
}
