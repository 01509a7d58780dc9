package linear

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// state is the directory that does one thing at a time. It is compared as it stands.
type state [5]struct { // by place in Names
	User
	member bool
}

// Result is what Check finds.
type Result struct {
	Operations int
	Lists      int // complete pages, and totals alone
	Incomplete int // pages that had fewer than were counted: what was on them changed on the way
}

// Check tells whether a history is linearizable. An error says that it is not, or that the time
// did not do to find out.
func Check(history []porcupine.Operation, limit time.Duration) (Result, error) {
	r := Result{Operations: len(history)}
	for _, op := range history {
		if op.Input.(step).kind == "list" {
			r.Lists++
			if op.Output.(seen).ids == "?" {
				r.Incomplete++
			}
		}
	}
	switch res := porcupine.CheckOperationsTimeout(model, history, limit); res {
	case porcupine.Ok:
		return r, nil
	case porcupine.Unknown:
		return r, fmt.Errorf("linear: %d operations could not be judged in %s", len(history), limit)
	}
	return r, fmt.Errorf("linear: %d operations are not linearizable: %s", len(history), firstBad(history, limit))
}

// firstBad describes the operations at the end of the shortest history that is wrong already.
func firstBad(history []porcupine.Operation, limit time.Duration) string {
	partial := func(n int) []porcupine.Operation { // of what had returned by the n-th return
		var some []porcupine.Operation
		until := returns(history)[n-1]
		for _, op := range history {
			if op.Return <= until {
				some = append(some, op)
			}
		}
		return some
	}
	low, high := 1, len(history)
	for low < high {
		mid := (low + high) / 2
		// What had not returned may have had its effect: leave out reads alone.
		if porcupine.CheckOperationsTimeout(model, withPending(history, partial(mid)), limit) == porcupine.Illegal {
			high = mid
		} else {
			low = mid + 1
		}
	}
	some := partial(low)
	last := some[0]
	for _, op := range some {
		if op.Return > last.Return {
			last = op
		}
	}
	return fmt.Sprintf("%+v saw %+v, as the %d-th to return", last.Input, last.Output, low)
}

func returns(history []porcupine.Operation) []int64 {
	all := make([]int64, len(history))
	for i, op := range history {
		all[i] = op.Return
	}
	slices.Sort(all)
	return all
}

// withPending adds the writes that had begun when the last of some returned.
func withPending(history, some []porcupine.Operation) []porcupine.Operation {
	var last int64
	for _, op := range some {
		last = max(last, op.Return)
	}
	for _, op := range history {
		if op.Return > last && op.Call <= last && strings.Contains("create set delete move", op.Input.(step).kind) {
			some = append(some, op)
		}
	}
	return some
}

var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) { return next(s.(state), in.(step), out.(seen)) },
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%+v: %+v", in, out)
	},
}

// next tells whether a directory in a state may answer so, and what state it is in then.
func next(s state, in step, out seen) (bool, state) {
	at := -1
	for i, u := range s {
		if u.ID != "" && (u.ID == in.id && in.kind != "lookup" || Names[i] == in.name && in.kind == "lookup") {
			at = i
		}
	}
	switch in.kind {
	case "create":
		at = slices.Index(Names, in.name)
		if out.user.ID == "" || s[at].ID != "" {
			return out.user.ID == "" && s[at].ID != "", s
		}
		s[at].User, s[at].member = out.user, false
		return true, s
	case "get", "lookup":
		if at < 0 {
			return out.user.ID == "", s
		}
		return out.user == s[at].User, s
	case "set":
		switch {
		case at < 0:
			return out.version == 0, s
		case in.expect != 0 && in.expect != s[at].Version:
			return out.version == Conflict, s
		case out.version == 0 || out.version == Conflict:
			return false, s
		}
		s[at].Title, s[at].Active, s[at].Version = in.title, in.active, out.version
		return true, s
	case "delete":
		if at >= 0 && out.ok {
			s[at].User, s[at].member = User{}, false
		}
		return out.ok == (at >= 0), s
	case "move":
		if at >= 0 {
			s[at].member = !in.remove
		}
		return true, s
	}
	return listed(s, in, out), s
}

// listed tells whether a list shows those who match, or members those who are.
func listed(s state, in step, out seen) bool {
	var ids []string
	for _, u := range s {
		if u.ID != "" && matches(u.User, u.member, in) {
			ids = append(ids, u.ID)
		}
	}
	return out.total == len(ids) && (out.ids == "?" || out.ids == joined(ids))
}

// matches is Filters, written out.
func matches(u User, member bool, in step) bool {
	f := in.filter
	switch {
	case in.kind == "members":
		return member
	case strings.HasPrefix(f, "active eq true and userName sw"):
		return u.Active && u.Name[:1] == in.name[:1]
	case f == "active eq false":
		return !u.Active
	case f == "userName pr":
		return true
	case strings.HasPrefix(f, "not"):
		return u.Name < "c" && u.Active
	case strings.Contains(f, `title eq "a"`):
		return u.Title == "a"
	case strings.HasPrefix(f, `title eq "b"`):
		return u.Title == "b" && u.Active
	case strings.HasSuffix(f, "active eq true"):
		return member && u.Active
	}
	return member
}
