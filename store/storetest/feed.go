package storetest

import (
	"fmt"

	"rollcall/scim"
	"rollcall/store"
)

var feedCases = []testCase{
	{name: "every change is told once, in order, with who did it", run: func(f *fixture) {
		ctx := as(f.ctx, "token", "abc", "okta")
		u, v := user("a"), user("b")
		g := group("g")
		for _, c := range []*scim.Commit{{Ref: u.Ref, Put: u}, {Ref: v.Ref, Put: v}, {Ref: g.Ref, Put: g, Edges: add(u.Ref)}} {
			_, err := f.Commit(ctx, c)
			checkError(f, "Commit()", err, nil)
		}
		_, err := f.Commit(ctx, edgesOf(g.Ref, append(add(v.Ref), drop(u.Ref)...)))
		checkError(f, "Commit()", err, nil)
		f.commit(replace(f.get(u.Ref), set("title", "x")))
		f.commit(remove(f.get(v.Ref)))

		who := scim.Change{Actor: "token:abc", Client: "okta", RequestID: "req-1"}
		want := []scim.Change{
			{Version: 1, Op: "create", Ref: u.Ref, Actor: who.Actor, Client: who.Client, RequestID: who.RequestID, Attributes: []string{"userName"}},
			{Version: 2, Op: "create", Ref: v.Ref, Actor: who.Actor, Client: who.Client, RequestID: who.RequestID, Attributes: []string{"userName"}},
			{Version: 3, Op: "create", Ref: g.Ref, Actor: who.Actor, Client: who.Client, RequestID: who.RequestID, Edges: add(u.Ref),
				Attributes: []string{"displayName"}},
			{Version: 4, Before: 3, Op: "members", Ref: g.Ref, Actor: who.Actor, Client: who.Client, RequestID: who.RequestID,
				Edges: append(add(v.Ref), drop(u.Ref)...)},
			{Version: 5, Before: 1, Op: "update", Ref: u.Ref, Attributes: []string{"title"}},
			{Version: 6, Before: 2, Op: "delete", Ref: v.Ref, Groups: []scim.Ref{g.Ref}},
		}
		got := f.changes(0)
		for i := range min(len(got), len(want)) {
			want[i].Time, want[i].History = got[i].Time, got[i].History
			if len(got[i].History) != store.NonceLen {
				f.Errorf("History of change %d = %q", i+1, got[i].History)
			}
			if got[i].Time.IsZero() || i > 0 && got[i].Time.Before(got[i-1].Time) {
				f.Errorf("Time of change %d = %v, want one not before %v", i+1, got[i].Time, got[max(i, 1)-1].Time)
			}
		}
		checkEqual(f, "Changes()", got, want)
	}},
	{name: "changes are read in pages", run: func(f *fixture) {
		f.users(25)
		var after scim.Version
		for n := 0; n < 25; n += 10 {
			page, err := f.Changes(f.ctx, after, 10)
			checkError(f, "Changes()", err, nil)
			checkEqual(f, "page", len(page), min(10, 25-n))
			for _, c := range page {
				after++
				checkEqual(f, "Version", c.Version, after)
			}
		}
		page, err := f.Changes(f.ctx, after, 10)
		checkError(f, "Changes() at the end", err, nil)
		checkEqual(f, "page at the end", len(page), 0)
	}},
	{name: "a feed that is trimmed says so", run: func(f *fixture) {
		f.users(450)
		_, err := f.Changes(f.ctx, 0, 10)
		checkError(f, "Changes() after 0", err, scim.ErrInvalidVers)
		page, err := f.Changes(f.ctx, 440, 100)
		checkError(f, "Changes() after 440", err, nil)
		checkEqual(f, "page", len(page), 10)
		_, err = f.Changes(f.ctx, 500, 10)
		checkError(f, "Changes() after what never was", err, scim.ErrInvalidVers)
	}, config: store.Config{FeedKeep: 100}},
	{name: "a change names the attributes that it changed, and no values", run: func(f *fixture) {
		u := owned(user("a", "title", "x", "emails", []any{map[string]any{"value": "a@example.com"}}), "client:okta", "1")
		change := func(what string, attributes []string, became string, c *scim.Commit) {
			f.Helper()
			n := f.commit(c).Stored.Version
			got := f.changes(n - 1)[0]
			checkEqual(f, what+": Attributes", got.Attributes, attributes)
			checkEqual(f, what+": Became", got.Became, became)
		}
		change("create", []string{"emails", "externalId", "title", "userName"}, "", &scim.Commit{Ref: u.Ref, Put: u})
		change("several", []string{"emails", "nickName", "title"}, "", replace(f.get(u.Ref), func(r *scim.Resource) {
			delete(r.Attributes, "title")
			r.Attributes["nickName"] = "n"
			r.Attributes["emails"] = []any{}
		}))
		change("disable", []string{"active"}, "inactive", replace(f.get(u.Ref), set("active", false)))
		change("enable", []string{"active"}, "active", replace(f.get(u.Ref), set("active", true)))
		change("active left out", []string{"active"}, "", replace(f.get(u.Ref), func(r *scim.Resource) { delete(r.Attributes, "active") }))
	}},
	{name: "how far the feed reaches", run: func(f *fixture) {
		span, err := f.Span(f.ctx)
		checkError(f, "Span()", err, nil)
		checkEqual(f, "Span() of an empty feed", span, scim.Span{Oldest: 1})
		f.users(450)
		span, err = f.Span(f.ctx)
		checkError(f, "Span()", err, nil)
		if span.Newest != 450 || span.Oldest < 2 || span.Oldest > 351 {
			f.Errorf("Span() = %v, want the newest 450 and the oldest above 1, at most 351", span)
		}
		page, err := f.Changes(f.ctx, span.Oldest-1, 1)
		checkError(f, "Changes() from the oldest", err, nil)
		checkEqual(f, "page", len(page), 1)
	}, config: store.Config{FeedKeep: 100}},
	{name: "an empty feed", run: func(f *fixture) {
		checkEqual(f, "Changes()", len(f.changes(0)), 0)
		report, err := f.Fsck(f.ctx)
		checkError(f, "Fsck()", err, nil)
		checkEqual(f, "report", report, &store.Report{Workspace: "default", Resources: map[string]int{}})
	}},
	{name: "fsck counts", run: func(f *fixture) {
		users := f.users(3)
		f.create(owned(group("g"), "source:corp", "1"), users...)
		l, err := f.Lock(f.ctx, "run", "me", 1<<40)
		checkError(f, "Lock()", err, nil)
		defer l.Release(f.ctx)
		report, err := f.Fsck(f.ctx)
		checkError(f, "Fsck()", err, nil)
		checkEqual(f, "report", report, &store.Report{Workspace: "default", Resources: map[string]int{"User": 3, "Group": 1},
			Claims: 5, Edges: 3, Changes: 4, Locks: 1})
		if !report.Clean() {
			f.Error(fmt.Sprint(report.Findings))
		}
	}},
}
