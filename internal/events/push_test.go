package events

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/scim"
)

func TestPushTellsWhatChanged(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter()
	w.user("before", nil)
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL, Authorization: "Bearer of-the-receiver"})

	u := w.user("ada", map[string]any{"title": "x"})
	u2 := w.set(u, "title", "secret-title")
	u3 := w.set(u2, "active", false)
	u4 := w.set(u3, "active", true)
	g := &scim.Resource{Attributes: map[string]any{"displayName": "g"}}
	g.Ref = scim.Ref{Type: "Group", ID: scim.NewID()}
	w.commit(&scim.Commit{Ref: g.Ref, Put: g, Edges: []scim.EdgeChange{{Member: u.Ref}}})
	w.commit(&scim.Commit{Ref: u.Ref, Expect: u4.Version, Old: u4, Delete: true})

	w.step(tr, "a")
	type event struct {
		path   string
		events string // kinds, then the attributes of a notice
	}
	var got []event
	for _, d := range r.deliveries() {
		for name, want := range map[string]string{
			"Content-Type": "application/secevent+jwt", "Accept": "application/json", "Authorization": "Bearer of-the-receiver",
		} {
			if got := d.header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		s := verify(t, tr, d.body)
		if strings.Contains(d.body, "secret-title") || s.Txn != "req-1" || !slices.Equal(s.Aud, []string{"https://receiver.example.com"}) {
			t.Errorf("claims = %+v", s)
		}
		var words []string
		for _, kind := range Kinds() {
			if payload, ok := s.Events[eventURI[kind]]; ok {
				words = append(words, kind)
				if a, ok := payload["attributes"]; ok {
					words = append(words, fmt.Sprint(a))
				}
			}
		}
		got = append(got, event{s.SubID["uri"], strings.Join(words, " ")})
	}
	user, group := "/Users/"+u.ID, "/Groups/"+g.ID
	wanted := []event{
		{user, "create [title userName]"}, {user, "update [title]"}, {user, "update [active] deactivate"}, {user, "update [active] activate"},
		{group, "create [displayName members]"}, {user, "delete"}, {group, "update [members]"},
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("events:\n%v, want\n%v", got, wanted)
	}
	w.step(tr, "a")
	want(t, "deliveries after another step", len(r.deliveries()), len(wanted))
	if s := w.status(tr, "a"); s.State != "ok" || s.Position != s.Newest {
		t.Errorf("status = %+v, want ok and at the end", s)
	}
}

func TestFilter(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL, Events: []string{Deactivate}})
	u := w.user("ada", nil)
	w.users(300) // more than a window
	w.set(u, "active", false)
	w.step(tr, "a")
	got := r.deliveries()
	if len(got) != 1 {
		t.Fatalf("%d deliveries, want 1", len(got))
	}
	if s := verify(t, tr, got[0].body); len(s.Events) != 1 || s.Events[eventURI[Deactivate]] == nil {
		t.Errorf("events = %v, want deactivate alone", s.Events)
	}
}

// TestKilledDeliverer holds that a process that dies in the middle leaves everything to the next,
// in order, and that repeats have the id of the first time.
func TestKilledDeliverer(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	first := w.transmitter()
	w.create(first, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(50)
	// Killed: the clock stands still, so nothing was saved on the way, and a lost store saves nothing at the end.
	ctx, kill := context.WithCancel(w.ctx)
	r.answers(func(n int, w http.ResponseWriter) {
		w.WriteHeader(http.StatusAccepted)
		if n == 19 {
			kill()
		}
	})
	s, err := first.find(w.ctx, "default", "a")
	if err != nil {
		t.Fatal(err)
	}
	first.State = lost{first.State}
	if _, err := first.step(ctx, s); err == nil {
		t.Fatal("a step that was killed reports no error")
	}
	second := w.transmitter()
	r.answers(nil)
	for range 3 {
		w.step(second, "a")
	}
	seen := map[string]bool{}
	var order []string
	for _, d := range r.deliveries() {
		s := verify(t, second, d.body)
		if !seen[s.JTI] {
			order = append(order, s.JTI)
		}
		seen[s.JTI] = true
	}
	want(t, "different events", len(order), 50)
	for i, id := range order {
		if _, v, ok := parseID(id); !ok || v != scim.Version(i+1) {
			t.Fatalf("event %d has the id %s: they are out of order", i+1, id)
		}
	}
	if n := len(r.deliveries()); n <= 50 {
		t.Errorf("%d deliveries, want the first ones repeated: their taking was lost", n)
	}
}

// lost is a state whose positions cannot be saved any more.
type lost struct{ scim.State }

func (l lost) KV(space string) scim.KV {
	if space == "events.positions" {
		return lostKV{l.State.KV(space)}
	}
	return l.State.KV(space)
}

type lostKV struct{ scim.KV }

func (lostKV) Put(context.Context, string, []byte, []byte) error { return scim.ErrUnavailable }

func TestRetryThenSuccess(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(3)
	r.answers(always(http.StatusInternalServerError))
	var pauses []time.Duration
	for range 14 {
		w.step(tr, "a")
		s := w.status(tr, "a")
		want(t, "state", s.State, "failing")
		pauses = append(pauses, s.NextTry.Sub(w.now()))
		w.step(tr, "a") // too early
		w.pass(pauses[len(pauses)-1])
	}
	want(t, "tries", len(r.deliveries()), len(pauses))
	for i, p := range pauses {
		base := min(time.Second<<i, time.Hour)
		if p < base*8/10-time.Millisecond || p > base*12/10 {
			t.Errorf("pause %d = %v, want %v give or take a fifth", i, p, base)
		}
	}
	if s := w.status(tr, "a"); s.LastError != "the endpoint answered 500" {
		t.Errorf("LastError = %q", s.LastError)
	}
	r.answers(nil)
	w.step(tr, "a")
	if s := w.status(tr, "a"); s.State != "ok" || s.Position != 3 || s.LastError != "" || len(s.DeadLetters) != 0 {
		t.Errorf("status = %+v, want ok at 3", s)
	}
	for i, d := range r.deliveries()[len(pauses):] {
		if id := verify(t, tr, d.body).JTI; !strings.HasPrefix(id, fmt.Sprintf("default.%d.0.", i+1)) {
			t.Errorf("the id of delivery %d = %s", i+1, id)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(1)
	r.answers(func(_ int, w http.ResponseWriter) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	w.step(tr, "a")
	want(t, "pause", w.status(tr, "a").NextTry.Sub(w.now()).Round(time.Second), 2*time.Minute)
}

func TestDeadLettersAndReplay(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter(func(c *Config) { c.GiveUpAfter = time.Hour })
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(250)
	r.answers(always(http.StatusServiceUnavailable))
	w.step(tr, "a")
	want(t, "dead letters", len(w.status(tr, "a").DeadLetters), 0)
	w.pass(2 * time.Hour)
	w.step(tr, "a")
	s := w.status(tr, "a")
	if len(s.DeadLetters) != 1 || s.DeadLetters[0].From != 1 || s.DeadLetters[0].To != 250 || s.DeadLetters[0].Reason != "the endpoint answered 503" {
		t.Fatalf("dead letters = %+v, want the changes 1 to 250", s.DeadLetters)
	}
	if !strings.Contains(w.log.String(), "dead letters") {
		t.Error("the log says nothing of dead letters")
	}
	r.answers(nil)
	before := len(r.deliveries())
	w.pass(time.Hour)
	w.step(tr, "a")
	want(t, "deliveries of dead letters by themselves", len(r.deliveries()), before)

	if _, err := tr.Replay(w.ctx, "default", "a", nil); err != nil {
		t.Fatalf("Replay() = %v", err)
	}
	for range 4 {
		w.step(tr, "a")
	}
	want(t, "deliveries after a replay", len(r.deliveries())-before, 250)
	s = w.status(tr, "a")
	if len(s.DeadLetters) != 0 || s.Position != 250 || s.State != "ok" {
		t.Errorf("status after a replay = %+v", s)
	}
	_, err := tr.Replay(w.ctx, "default", "a", nil)
	wantError(t, "Replay() without dead letters", err, scim.ErrInvalidValue)
	from := scim.Version(249)
	if _, err := tr.Replay(w.ctx, "default", "a", &from); err != nil {
		t.Fatalf("Replay(249) = %v", err)
	}
	w.step(tr, "a")
	want(t, "deliveries after a replay from 249", len(r.deliveries())-before, 252)
	for _, from := range []scim.Version{0, 252} {
		_, err := tr.Replay(w.ctx, "default", "a", &from)
		wantError(t, fmt.Sprintf("Replay(%d)", from), err, scim.ErrInvalidValue)
	}
}

// TestRefusedEvent holds that a SET that the receiver can never take holds up no other, and that
// what is wrong with the stream as a whole is tried again.
func TestRefusedEvent(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(3)
	problem := func(code string) func(int, http.ResponseWriter) {
		return func(n int, w http.ResponseWriter) {
			if n != 1 {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"err":%q,"description":"a person's name"}`, code)
		}
	}
	r.answers(problem("invalid_request"))
	w.step(tr, "a")
	s := w.status(tr, "a")
	if len(s.DeadLetters) != 1 || s.DeadLetters[0].From != 2 || s.DeadLetters[0].To != 2 || s.Position != 3 {
		t.Errorf("status = %+v, want a dead letter of change 2", s)
	}
	if strings.Contains(w.log.String()+fmt.Sprint(s), "a person's name") {
		t.Error("what a receiver writes is logged or kept")
	}

	w, r = newWorld(t, 0), receive(t)
	tr = w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(3)
	r.answers(problem("authentication_failed"))
	w.step(tr, "a")
	if s := w.status(tr, "a"); s.State != "failing" || s.Position != 1 || len(s.DeadLetters) != 0 || s.LastError != "the endpoint answered 400 authentication_failed" {
		t.Errorf("status = %+v, want failing at 1", s)
	}
}

func TestGap(t *testing.T) {
	w, r := newWorld(t, 100), receive(t)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(600)
	span, err := w.ws.Span(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "state before the stream comes to it", w.status(tr, "a").State, "gap")
	for range 10 {
		w.step(tr, "a")
	}
	s := w.status(tr, "a")
	if s.State != "gap" || s.Gap == nil || s.Gap.From != 1 || s.Gap.To != span.Oldest-1 || s.Position != 600 {
		t.Fatalf("status = %+v, want a gap from 1 to %d and the rest delivered", s, span.Oldest-1)
	}
	want(t, "deliveries", len(r.deliveries()), int(600-span.Oldest+1))
	if !strings.Contains(w.log.String(), "LOST CHANGES") {
		t.Error("the log says nothing of a gap")
	}
	from := scim.Version(600)
	v, err := tr.Replay(w.ctx, "default", "a", &from)
	if err != nil || v.Status.State != "ok" {
		t.Errorf("Replay() = %+v, %v, want the gap cleared", v, err)
	}
}

// TestFeedPutBack holds that a store that was put back from a backup, where numbers are given
// again, shows a gap and tells of what is new under other ids.
func TestFeedPutBack(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	w.users(2)
	w.step(tr, "a")
	s, err := tr.find(w.ctx, "default", "a")
	if err != nil {
		t.Fatal(err)
	}
	_, old, err := tr.progressOf(w.ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.save(w.ctx, s, &progress{Position: 9}, old); err != nil { // the store had 9 changes
		t.Fatal(err)
	}
	w.step(tr, "a")
	if s := w.status(tr, "a"); s.Gap == nil || s.Gap.From != 3 || s.Gap.To != 9 || s.Position != 2 {
		t.Fatalf("status = %+v, want a gap from 3 to 9 and the position 2", s)
	}
	w.users(1)
	w.step(tr, "a")
	want(t, "deliveries", len(r.deliveries()), 3)
	c := scim.Change{Version: 3, Time: time.UnixMilli(1)}
	if again := messageID("default", &c, 0); again == verify(t, tr, r.deliveries()[2].body).JTI {
		t.Errorf("another change of the same number has the same id %s", again)
	}
}

func TestWebhook(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter(func(c *Config) { c.Issuer = "" })
	v := w.create(tr, Stream{Name: "a", Method: Webhook, Endpoint: r.URL})
	if !strings.HasPrefix(string(v.Secret), "whsec_") || strings.Contains(fmt.Sprintf("%v %+v %q", v, *v, v.Secret), "whsec_") {
		t.Fatal("no secret was made, or printing shows it")
	}
	u := w.user("ada", map[string]any{"title": "secret-title"})
	w.set(u, "active", false)
	w.step(tr, "a")
	var types []string
	for _, d := range r.deliveries() {
		checkSignature(t, string(v.Secret), d)
		var body hook
		if err := json.Unmarshal([]byte(d.body), &body); err != nil {
			t.Fatal(err)
		}
		types = append(types, body.Type)
		if strings.Contains(d.body, "secret-title") || body.Data.Resource.Path != "/Users/"+u.ID || body.Data.RequestID != "req-1" {
			t.Errorf("body = %s", d.body)
		}
	}
	if !slices.Equal(types, []string{"user.created", "user.disabled"}) {
		t.Errorf("types = %v", types)
	}
	result, err := tr.Try(w.ctx, "default", "a")
	if err != nil || !result.Delivered {
		t.Errorf("Try() = %+v, %v", result, err)
	}
	got := r.deliveries()
	checkSignature(t, string(v.Secret), got[len(got)-1])
	r.answers(always(http.StatusTeapot))
	if result, err := tr.Try(w.ctx, "default", "a"); err != nil || result.Delivered || result.Reason != "the endpoint answered 418" {
		t.Errorf("Try() = %+v, %v, want what the endpoint answered", result, err)
	}
}

// checkSignature is what a receiver of webhooks does.
func checkSignature(t *testing.T, secret string, d received) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(d.header.Get("webhook-id") + "." + d.header.Get("webhook-timestamp") + "." + d.body))
	if got := d.header.Get("webhook-signature"); got != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		t.Errorf("webhook-signature = %q does not match", got)
	}
}

// TestTryPush holds that a test of a stream of SETs is a verification event and moves nothing.
func TestTryPush(t *testing.T) {
	w, r := newWorld(t, 0), receive(t)
	tr := w.transmitter()
	w.create(tr, Stream{Name: "a", Method: Push, Endpoint: r.URL})
	if result, err := tr.Try(w.ctx, "default", "a"); err != nil || !result.Delivered {
		t.Fatalf("Try() = %+v, %v", result, err)
	}
	if n := len(r.deliveries()); n != 1 || strings.Count(r.deliveries()[0].body, ".") != 2 {
		t.Errorf("%d deliveries: %v", n, r.deliveries())
	}
	want(t, "position", w.status(tr, "a").Position, 0)
}
