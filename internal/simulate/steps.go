package simulate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// send sends a request and notes what came of it. After the run has ended it does nothing.
func (s *sim) send(r request) answer {
	if s.err != nil {
		return answer{}
	}
	return s.note(r, s.sendOnly(r))
}

// sent is an answer on its way into the report.
type sent struct {
	answer
	waited int
	err    error
}

// sendOnly may be called side by side; note may not.
func (s *sim) sendOnly(r request) sent {
	a, waited, err := s.wire.send(s.ctx, r)
	return sent{a, waited, err}
}

func (s *sim) note(r request, got sent) answer {
	a := got.answer
	switch {
	case got.err == nil:
	case s.ctx.Err() != nil:
		s.end(context.Cause(s.ctx), "interrupted")
		return answer{}
	case errors.Is(got.err, context.DeadlineExceeded):
		a.ok, a.reason = false, fmt.Sprintf("no answer within %v", s.Timeout)
	default:
		s.end(fmt.Errorf("%w at %s: %w", ErrUnreachable, s.report.URL, got.err), "no answer")
		return answer{}
	}
	line := r.method + " " + strings.TrimPrefix(s.wire.target(r), s.wire.base)
	if s.report.sent(r, line, a, got.waited) && s.Progress != nil {
		s.Progress(r.step, r.what)
	}
	if r.method == http.MethodPost && a.status/100 == 2 && a.id() != "" {
		s.created = append(s.created, r.path+"/"+a.id())
	}
	return a
}

// end ends the run: what would follow is not sent.
func (s *sim) end(err error, why string) {
	if s.err == nil {
		s.err, s.report.Ended = err, why
	}
}

// connected ends the run where a connection test was refused: no administrator gets past one.
func (s *sim) connected(a answer) bool {
	if !a.ok && s.err == nil {
		s.report.Ended = "the connection test was refused, so that a client would not start"
	}
	return a.ok
}

// write sends a change and then, as a client does whose answers were lost on the way, the same again. The first
// answer is given back. The state afterwards has to be the same.
func (s *sim) write(r request) answer {
	a := s.send(r)
	for range s.Repeats {
		if !a.ok {
			break
		}
		again := r
		again.again = true
		switch r.method {
		case http.MethodPost: // O5, A13
			again.accept = []int{409, 201, 200}
		case http.MethodDelete: // E19
			again.accept = []int{404, 204}
		}
		b := s.send(again)
		if r.method == http.MethodPost && b.ok && b.status != 409 {
			s.expect(r.step, r.path+"/"+a.id(), "id of its repeat", b.id(), a.id())
		}
	}
	return a
}

// patchStatus are the answers to a PATCH or PUT that clients take.
var patchStatus = []int{200, 204}

// create makes a resource of a POST: 201 with the resource (O4).
func (s *sim) create(step, what, path, body string) answer {
	a := s.write(request{step: step, what: what, method: http.MethodPost, path: path, body: body, accept: []int{201}})
	if a.ok && a.id() == "" {
		s.expect(step, path, "the answer's id", nil, "an id")
	}
	return a
}

// createUser makes a user and takes it into the account.
func (s *sim) createUser(step, what string, u *user, body string, want map[string]any) answer {
	a := s.create(step, what, "/Users", body)
	if u.id = a.id(); !a.ok {
		u.id = ""
	}
	u.want.set(step, want)
	if u.id != "" {
		s.checkUser(u, a)
	}
	return a
}

// createGroup is the same for a group.
func (s *sim) createGroup(step, what string, g *group, body string, want map[string]any, members ...*user) {
	a := s.create(step, what, "/Groups", body)
	if g.id = a.id(); !a.ok {
		g.id = ""
	}
	g.want.set(step, want)
	if g.id != "" {
		g.join(step, members...)
		s.checkGroup(g, a)
	}
}

// change sends a PATCH or PUT of a user, and takes what it changes into the account.
func (s *sim) change(step, what, method string, u *user, body string, want map[string]any) {
	if !u.here() {
		return
	}
	a := s.write(request{step: step, what: what, method: method, path: "/Users/" + u.id, body: body, accept: patchStatus})
	if a.ok {
		u.want.set(step, want)
		s.checkUser(u, a)
	}
}

// changeGroup does the same for a group; done takes changes of its members into the account and may be nil.
func (s *sim) changeGroup(step, what, method string, g *group, body string, want map[string]any, done func()) {
	if !g.here() {
		return
	}
	a := s.write(request{step: step, what: what, method: method, path: "/Groups/" + g.id, body: body, accept: patchStatus})
	if !a.ok {
		return
	}
	g.want.set(step, want)
	if done != nil {
		done()
	}
	s.checkGroup(g, a)
}

// nothingNew sends what changes nothing and holds that the group is no newer for it (A12). A server that says no
// time is not asked for one.
func (s *sim) nothingNew(what string, g *group, bodies ...string) {
	if !g.here() {
		return
	}
	before := s.groupTime(g)
	for _, body := range bodies {
		s.changeGroup("A12", what, http.MethodPatch, g, body, nil, nil)
	}
	if before != nil {
		s.expect("A12", g.name(), "meta.lastModified", s.groupTime(g), before)
	}
}

func (s *sim) groupTime(g *group) any {
	a := s.send(request{step: "A12", what: "read the group's time", method: http.MethodGet, path: "/Groups/" + g.id, accept: []int{200}})
	s.checkMembers(g, a)
	return at(a.body, "meta.lastModified")
}

// deleteUser deletes a user, twice and more: 204, then 404.
func (s *sim) deleteUser(step, what string, u *user) {
	if !u.here() {
		return
	}
	if a := s.write(request{step: step, what: what, method: http.MethodDelete, path: "/Users/" + u.id, accept: []int{204, 200}}); a.ok {
		u.gone = true
		for _, g := range s.groups {
			g.leave(step, u)
		}
	}
}

func (s *sim) deleteGroup(step, what string, g *group) {
	if !g.here() {
		return
	}
	if a := s.write(request{step: step, what: what, method: http.MethodDelete, path: "/Groups/" + g.id, accept: []int{204, 200}}); a.ok {
		g.gone = true
	}
}

// find asks for one resource and holds that the server finds just it, or nothing where id is "".
func (s *sim) find(r request, subject, id string) []any {
	r.method = http.MethodGet
	if r.accept == nil {
		r.accept = []int{200}
	}
	a := s.send(r)
	if !a.ok || a.status == http.StatusNotFound {
		if a.ok && id != "" {
			s.expect(r.step, subject, "found", false, true)
		}
		return nil
	}
	list := s.listOf(r.step, subject, a)
	want := 0
	if id != "" {
		want = 1
	}
	s.expect(r.step, subject, "number found", len(list), want)
	if len(list) == want {
		s.expect(r.step, subject, "totalResults", a.body["totalResults"], float64(want))
	}
	if len(list) == 1 && want == 1 {
		first, _ := list[0].(map[string]any)
		s.expect(r.step, subject, "id found", first["id"], id)
	}
	return list
}

// listOf is what a list answer holds: Resources has to be there even with nothing in it (A6), and the numbers are
// numbers (A5).
func (s *sim) listOf(step, subject string, a answer) []any {
	list, ok := a.body["Resources"].([]any)
	s.expect(step, subject, "Resources is a list", ok, true)
	_, ok = a.body["totalResults"].(float64)
	s.expect(step, subject, "totalResults is a number", ok, true)
	return list
}

// checkActive compares the active of a user who was found.
func (s *sim) checkActive(step string, u *user, list []any) {
	if len(list) != 1 {
		return
	}
	first, _ := list[0].(map[string]any)
	s.expect(step, u.name(), "active in a list", first["active"], u.want["active"].value)
}

// guid is an id as the outside has them, made of the run's prefix.
func (s *sim) guid(word string, n int) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", s.Prefix, word, n))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// patch is a PATCH body of operations.
func patch(ops ...string) string {
	return `{"schemas":["` + schemaPatch + `"],"Operations":[` + strings.Join(ops, ",") + `]}`
}
