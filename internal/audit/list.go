package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
	"rollcall/store"
)

// Line is one line of the audit as it is shown: a change of a resource, or an event.
type Line struct {
	ID        string         `json:"id"`
	At        time.Time      `json:"at"`
	Type      string         `json:"type"` // "user.update", "login.ok"
	Outcome   string         `json:"outcome,omitempty"`
	Actor     string         `json:"actor,omitempty"`
	By        string         `json:"by,omitempty"` // who acts as the actor
	Subject   *Subject       `json:"subject,omitempty"`
	Client    string         `json:"client,omitempty"`
	RequestID string         `json:"requestId,omitempty"`
	Version   scim.Version   `json:"version,omitempty"`
	Changes   []Changed      `json:"changes,omitempty"` // attributes
	Added     []string       `json:"added,omitempty"`   // ids of members
	Removed   []string       `json:"removed,omitempty"`
	Groups    []string       `json:"groups,omitempty"` // ids of groups that lost the subject
	Detail    map[string]any `json:"detail,omitempty"`
	Address   string         `json:"address,omitempty"`
	Name      string         `json:"name,omitempty"`
	Erased    bool           `json:"erased,omitempty"` // what was personal of it is gone
	Block     uint64         `json:"block"`
}

// Subject is whom or what a line is about.
type Subject struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Changed is one attribute that a change set, changed or removed. Before and After are left out where
// they are no longer kept, or never shown.
type Changed struct {
	Attribute string `json:"attribute"`
	Before    any    `json:"before,omitempty"`
	After     any    `json:"after,omitempty"`
}

// Query asks for lines, newest first.
type Query struct {
	Filter *scim.Filter // nil for all
	Count  int
	Cursor string // Page.Next of the page before; "" for the newest
}

// Page is a part of the audit.
type Page struct {
	Lines []Line `json:"lines"`
	Next  string `json:"next,omitempty"` // "" where there is no more
}

// maxScan is how many lines one page looks at: a filter that hardly anything matches goes on with
// the next.
const maxScan = 20_000

// List returns a page of a workspace's audit.
func (l *Log) List(ctx context.Context, workspace string, q Query) (*Page, error) {
	match := func(*Line) (bool, error) { return true, nil }
	if q.Filter != nil {
		predicate, err := q.Filter.Bind(lineType)
		if err != nil {
			return nil, err
		}
		match = func(line *Line) (bool, error) {
			return predicate.Match(&scim.Target{Resource: line.resource(), Type: lineType})
		}
	}
	c, err := l.chain(ctx, workspace)
	if err != nil {
		return nil, err
	}
	if err := c.upToDate(ctx); err != nil {
		return nil, err
	}
	n, skip, err := c.start(ctx, q.Cursor)
	if err != nil {
		return nil, err
	}
	page := &Page{Lines: []Line{}}
	for scanned := 0; n > 0; n, skip = n-1, 0 {
		b, _, err := c.readBlock(ctx, n)
		if err != nil {
			return nil, err
		}
		if b == nil { // of those before, none is kept
			return page, nil
		}
		lines, err := c.lines(ctx, b)
		if err != nil {
			return nil, err
		}
		for i := skip; i < len(lines); i++ {
			if len(page.Lines) == q.Count || scanned >= maxScan {
				page.Next = fmt.Sprintf("%d.%d", n, i)
				return page, nil
			}
			scanned++
			ok, err := match(&lines[i])
			if err != nil {
				return nil, err
			}
			if ok {
				page.Lines = append(page.Lines, lines[i])
			}
		}
	}
	return page, nil
}

// start is where a page begins: the block, and how many of its lines were shown.
func (c *chain) start(ctx context.Context, cursor string) (n uint64, skip int, err error) {
	if cursor == "" {
		b, err := c.newest(ctx)
		if err != nil || b == nil {
			return 0, 0, err
		}
		return b.N, 0, nil
	}
	block, line, ok := strings.Cut(cursor, ".")
	n, err1 := strconv.ParseUint(block, 10, 63)
	skip, err2 := strconv.Atoi(line)
	if !ok || err1 != nil || err2 != nil || skip < 0 {
		return 0, 0, scim.Errorf(scim.ErrInvalidValue, "cursor: it is not one that this call gave")
	}
	return n, skip, nil
}

// lines are those of a block, newest first.
func (c *chain) lines(ctx context.Context, b *block) ([]Line, error) {
	var lines []Line
	for i := range b.Events {
		l, err := b.Events[i].shown()
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	if len(b.Changes) > 0 {
		evidence, _, err := c.store.Evidence(ctx, b.First-1, len(b.Changes))
		if err != nil {
			return nil, err
		}
		for i := range evidence {
			e := &evidence[i]
			if e.Version > b.Last {
				break
			}
			l, err := c.changeLine(e)
			if err != nil {
				return nil, err
			}
			l.Erased = b.Changes[e.Version-b.First].Salt == [saltLen]byte{}
			lines = append(lines, l)
		}
	}
	for i := range lines {
		lines[i].Block = b.N
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		if a.Version != 0 && b.Version != 0 { // the clock may have been put back
			return int(int64(b.Version) - int64(a.Version))
		}
		return b.At.Compare(a.At)
	})
	return lines, nil
}

func (l *line) shown() (Line, error) {
	e, err := l.event()
	if err != nil {
		return Line{}, err
	}
	personal := map[string]string{}
	if l.Personal != nil {
		if err := unmarshal(l.Personal, &personal); err != nil {
			return Line{}, err
		}
	}
	out := Line{ID: e.ID, At: e.At, Type: e.Type, Outcome: e.Outcome, Actor: e.Actor, By: e.By, Client: e.Client, RequestID: e.RequestID,
		Detail: e.Detail, Address: personal["address"], Name: personal["name"], Erased: l.Salt == nil}
	if ref, ok := store.ParseRef(e.Subject); ok {
		out.Subject = &Subject{ref.Type, ref.ID}
	}
	return out, nil
}

// changeLine is the line of a change, with what its attributes were before and after.
func (c *chain) changeLine(e *store.Evidence) (Line, error) {
	l := Line{ID: fmt.Sprintf("c%d", e.Version), At: e.Time, Type: strings.ToLower(e.Ref.Type) + "." + e.Op, Client: e.Client, RequestID: e.RequestID,
		Subject: &Subject{e.Ref.Type, e.Ref.ID}, Version: e.Version}
	l.Actor, l.By, _ = strings.Cut(e.Actor, " by ")
	for _, m := range e.Edges {
		if m.Remove {
			l.Removed = append(l.Removed, m.Member.ID)
		} else {
			l.Added = append(l.Added, m.Member.ID)
		}
	}
	for _, g := range e.Groups {
		l.Groups = append(l.Groups, g.ID)
	}
	images, err := e.Images()
	if err != nil && !errors.Is(err, scim.ErrCorrupt) { // verify tells of what cannot be read
		return l, err
	}
	names := e.Attributes
	if e.Op == store.ChangeDelete && images.Old != nil {
		names = scim.ChangedAttributes(nil, images.Old)
	}
	for _, r := range []*scim.Resource{images.Old, images.New} {
		if r == nil {
			continue
		}
		if t := c.log.Model(c.workspace).Type(r.Type); t != nil {
			t.DropNever(r)
		} else {
			r.Attributes = nil // of a type that there is no more
		}
	}
	for _, name := range names {
		l.Changes = append(l.Changes, Changed{name, valueOf(images.Old, name), valueOf(images.New, name)})
	}
	return l, nil
}

func valueOf(r *scim.Resource, name string) any {
	switch {
	case r == nil:
		return nil
	case name == "externalId":
		if r.ExternalID == "" {
			return nil
		}
		return r.ExternalID
	}
	return r.Attributes[name]
}
