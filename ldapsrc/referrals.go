package ldapsrc

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// References to other servers (RFC 4511 §4.5.3) are not followed: our password would go to whoever
// they name. Those to a server of Config.Referrals are, in the way that its URL there says, with the
// same rules for TLS.

const (
	maxReferrals = 50   // that one search follows
	maxURIs      = 1000 // references of one page that are looked at; the rest counts as not followed
)

// referral is a part of a search that another server has.
type referral struct {
	endpoint
	base, scope string
}

// trail collects the referrals of one search.
type trail struct {
	allowed []endpoint
	req     request
	seen    []referral
	left    []referral
}

// take takes a reference that may be followed: one of its URIs is of an allowed server. It is false
// for every other one.
func (t *trail) take(uris []string) bool {
	for _, text := range uris {
		r, ok := t.allow(text)
		if !ok {
			continue
		}
		if slices.ContainsFunc(t.seen, func(s referral) bool {
			return s.addr == r.addr && strings.EqualFold(s.base, r.base) && s.scope == r.scope
		}) {
			return true // two references to one another end here
		}
		if len(t.seen) == maxReferrals {
			return false
		}
		t.seen, t.left = append(t.seen, r), append(t.left, r)
		return true
	}
	return false
}

// allow reads an LDAP URL (RFC 4516).
func (t *trail) allow(text string) (r referral, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return r, false
	}
	i := slices.IndexFunc(t.allowed, func(e endpoint) bool {
		return strings.EqualFold(e.host, u.Hostname()) && (u.Port() == "" || strings.HasSuffix(e.addr, ":"+u.Port()))
	})
	if i < 0 {
		return r, false
	}
	r = referral{endpoint: t.allowed[i], base: strings.TrimPrefix(u.Path, "/"), scope: t.req.scope}
	if r.base == "" {
		r.base = t.req.base
	}
	parts := strings.Split(u.RawQuery, "?") // attributes?scope?filter
	if len(parts) > 1 && slices.Contains([]string{ScopeBase, ScopeOne, ScopeSub}, parts[1]) {
		r.scope = parts[1]
	} else if r.scope == ScopeOne {
		r.scope = ScopeBase // RFC 4511 §4.5.3
	}
	return r, true
}

// searchAll searches here and wherever allowed references lead, until each is false.
func (s *Source) searchAll(ctx context.Context, c *conn, req request, each func(body []byte) bool) error {
	if len(s.referrals) == 0 {
		return c.search(ctx, req, each)
	}
	stopped := false
	take := func(body []byte) bool {
		stopped = !each(body)
		return !stopped
	}
	t := &trail{allowed: s.referrals, req: req}
	req.follow = t.take
	err := c.search(ctx, req, take)
	for err == nil && !stopped && len(t.left) > 0 {
		next := t.left[0]
		t.left = t.left[1:]
		err = s.searchElsewhere(ctx, next, req, take)
	}
	return err
}

func (s *Source) searchElsewhere(ctx context.Context, r referral, req request, each func(body []byte) bool) error {
	c, err := s.connectTo(ctx, r.endpoint)
	if err != nil {
		return err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.cut)()
	req.base, req.scope = r.base, r.scope
	return c.search(ctx, req, each)
}
