package simulate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// expected is what a resource should hold: path to value (nil for nothing), with the step that wrote it.
type expected map[string]expectation

type expectation struct {
	value any
	step  string
}

// oneOf are the values of which a server must have one: where a client's form can be kept
// as it came, or read for what it means.
type oneOf []string

func (e expected) set(step string, changes map[string]any) {
	for path, v := range changes {
		e[path] = expectation{v, step}
	}
}

func (e expected) text(path string) string { s, _ := e[path].value.(string); return s }

// user is a user as the server should hold it.
type user struct {
	n    int
	id   string // "" before it is made
	want expected
	gone bool // deleted
}

func (u *user) name() string { return u.want.text("userName") }
func (u *user) here() bool   { return u.id != "" && !u.gone }

// group is a group as the server should hold it.
type group struct {
	n       int
	id      string
	want    expected
	members map[*user]string // with the step that added each
	left    map[*user]string // and who left, likewise
	gone    bool
}

func (g *group) name() string { return g.want.text("displayName") }
func (g *group) here() bool   { return g.id != "" && !g.gone }

func (g *group) join(step string, users ...*user) {
	for _, u := range users {
		g.members[u] = step
		delete(g.left, u)
	}
}

func (g *group) leave(step string, users ...*user) {
	for _, u := range users {
		if _, in := g.members[u]; in {
			delete(g.members, u)
			g.left[u] = step
		}
	}
}

// only makes users the group's members and ends every other membership.
func (g *group) only(step string, users ...*user) {
	for _, u := range g.list() {
		g.leave(step, u)
	}
	g.join(step, users...)
}

// list are the members, in order.
func (g *group) list() []*user {
	var all []*user
	for u := range g.members {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *user) int { return a.n - b.n })
	return all
}

// addUser and addGroup take a resource into the account.
func (s *sim) addUser() *user {
	u := &user{n: len(s.users), want: expected{}}
	s.users = append(s.users, u)
	return u
}

func (s *sim) addGroup() *group {
	g := &group{n: len(s.groups), want: expected{}, members: map[*user]string{}, left: map[*user]string{}}
	s.groups = append(s.groups, g)
	return g
}

// compare notes every difference between what the server holds and what it should hold.
func (s *sim) compare(subject string, want expected, got map[string]any) {
	for path, w := range want {
		s.expect(w.step, subject, path, at(got, path), w.value)
	}
}

// expect notes a difference between two values.
func (s *sim) expect(step, subject, path string, got, want any) {
	if !matches(got, want) {
		s.report.lose(Loss{Step: step, Subject: subject, Path: path, Got: shown(got), Want: shown(want)})
	}
}

func matches(got, want any) bool {
	switch want := want.(type) {
	case oneOf:
		list, _ := got.([]string)
		return slices.ContainsFunc(want, func(w string) bool { return slices.Contains(list, w) })
	case nil:
		return got == nil
	}
	switch got.(type) {
	case string, bool, int, float64:
		return got == want
	}
	return false
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "absent"
	case oneOf:
		return "one of " + strings.Join(v, " or ")
	}
	return cut(js(v), 100)
}

// readBack reads everything and compares it with the account: a check-point.
func (s *sim) readBack() {
	for _, u := range s.users {
		switch {
		case u.gone:
			s.send(request{step: "check", what: "who was deleted is gone", method: http.MethodGet, path: "/Users/" + u.id, accept: []int{404}})
		case u.id != "":
			a := s.send(request{step: "check", what: "read every user back", method: http.MethodGet, path: "/Users/" + u.id, accept: []int{200}})
			if a.ok {
				s.checkUser(u, a)
				s.checkGroupsOf(u, a)
			}
		}
	}
	for _, g := range s.groups {
		switch {
		case g.gone:
			s.send(request{step: "check", what: "a group that was deleted is gone", method: http.MethodGet, path: "/Groups/" + g.id, accept: []int{404}})
		case g.id != "":
			a := s.send(request{step: "check", what: "read every group back", method: http.MethodGet, path: "/Groups/" + g.id, accept: []int{200}})
			if a.ok {
				s.checkGroup(g, a)
				s.checkMembers(g, a)
			}
		}
	}
}

// checkUser compares a user that the server sent, if it sent one.
func (s *sim) checkUser(u *user, a answer) {
	if a.body == nil {
		return
	}
	s.expect("check", u.name(), "id", a.id(), u.id)
	s.expect("check", u.name(), "password", at(a.body, "password"), nil)
	s.compare(u.name(), u.want, a.body)
}

// checkGroup compares a group that the server sent, but for its members.
func (s *sim) checkGroup(g *group, a answer) {
	if a.body == nil {
		return
	}
	s.expect("check", g.name(), "id", a.id(), g.id)
	s.compare(g.name(), g.want, a.body)
}

// checkMembers compares the members of a group that the server sent.
func (s *sim) checkMembers(g *group, a answer) {
	list, _ := a.body["members"].([]any)
	left := map[string]int{}
	for _, id := range values(list) {
		left[id]++
	}
	for _, u := range g.list() {
		if left[u.id] == 0 {
			s.expect(g.members[u], g.name(), "members", "without "+u.name(), "with it")
		}
		left[u.id]--
	}
	for id, n := range left {
		if n > 0 {
			step, who := s.leaver(g, id)
			s.expect(step, g.name(), "members", fmt.Sprintf("with %s, %d times too often", who, n), "without it")
		}
	}
}

// leaver finds who should not be a member any more, and the step that ended it.
func (s *sim) leaver(g *group, id string) (step, who string) {
	for _, u := range s.users {
		if u.id != id {
			continue
		}
		if step, ok := g.left[u]; ok {
			return step, u.name()
		}
		return "check", u.name()
	}
	return "check", "the unknown " + id
}

// checkGroupsOf compares the groups of a user, where the server says any.
func (s *sim) checkGroupsOf(u *user, a answer) {
	list, _ := a.body["groups"].([]any)
	if len(list) == 0 {
		return
	}
	has := values(list)
	for _, g := range s.groups {
		step, in := g.members[u]
		if !in {
			step = "check"
		}
		if g.here() {
			s.expect(step, u.name(), "groups with "+g.name(), slices.Contains(has, g.id), in)
		}
	}
}
