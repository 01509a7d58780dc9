package ldapsrc

import (
	"bytes"
	"context"

	"github.com/go-ldap/ldap/v3"
)

// Limits are what a directory gives at once, as Probe saw them.
type Limits struct {
	// Unpaged is how many entries one search without pages gave before the server refused more;
	// 0 where it refused none that Probe looked at, which are at most probeMost.
	Unpaged int
	// Page is the size of the first page where that is less than was asked for and there are more; 0
	// for pages as they are asked for.
	Page int
	// Range is how many members of a group came at once, where they come in ranges; 0 for all.
	Range int
	// Refused is why the server would not give the first page, "" where it did.
	Refused string
}

// probeMost bounds how many entries Probe has sent to it.
const probeMost = 5000

// Probe looks for the limits of the server: how many people one search gives, and how many
// members of a group come at once. It reads names alone, and changes nothing.
func (s *Source) Probe(ctx context.Context) (Limits, error) {
	var l Limits
	for _, look := range []func(context.Context, *conn, *Limits) error{s.probeSize, s.probePage, s.probeRange} {
		// Each has a connection of its own, since a search that is given up ends it.
		c, err := s.connect(ctx)
		if err != nil {
			return l, err
		}
		stop := context.AfterFunc(ctx, c.cut)
		err = look(ctx, c, &l)
		stop()
		c.close()
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

func (s *Source) probeRequest(of *search, attributes ...string) request {
	return request{name: of.name, base: of.base, scope: of.scope, filter: of.filter, attributes: attributes, pageSize: s.config.PageSize}
}

func (s *Source) probeSize(ctx context.Context, c *conn, l *Limits) error {
	n := 0
	req := s.probeRequest(s.reading.users, "1.1")
	p, stopped, err := c.page(req, false, nil, func([]byte) bool { n++; return n < probeMost })
	switch {
	case stopped:
		return nil
	case err != nil:
		return c.lost(ctx, req, err)
	case p.done.code == ldap.LDAPResultSizeLimitExceeded || p.done.code == ldap.LDAPResultAdminLimitExceeded:
		l.Unpaged = max(n, 1)
	}
	return nil
}

func (s *Source) probePage(ctx context.Context, c *conn, l *Limits) error {
	if !c.paging && c.controls {
		return nil
	}
	n := 0
	req := s.probeRequest(s.reading.users, "1.1")
	p, _, err := c.page(req, true, nil, func([]byte) bool { n++; return true })
	switch {
	case err != nil:
		return c.lost(ctx, req, err)
	case p.done.code != 0:
		l.Refused = c.resultError(req, *p.done).Error()
	case len(p.done.cookie) > 0 && n < req.pageSize:
		l.Page = n
	}
	return nil
}

// probeRange looks whether any group of the first page has members in ranges.
func (s *Source) probeRange(ctx context.Context, c *conn, l *Limits) error {
	groups := s.reading.groups
	if groups == nil {
		return nil
	}
	var entries entryReader
	req := s.probeRequest(groups, groups.attributes()...)
	p, _, err := c.page(req, c.paging || !c.controls, nil, func(body []byte) bool {
		raw, err := entries.read(body)
		if err != nil {
			return true // a run tells of it
		}
		for _, a := range raw.attrs {
			if _, option, ok := bytes.Cut(a.name, []byte(";")); ok {
				if r, is := parseRange(string(option)); is && r.given && r.next > 0 {
					l.Range = max(l.Range, len(a.values))
				}
			}
		}
		return true
	})
	if err != nil {
		return c.lost(ctx, req, err)
	}
	if p.done.code != 0 && l.Refused == "" {
		l.Refused = c.resultError(req, *p.done).Error()
	}
	return nil
}
