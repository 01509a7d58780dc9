package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"rollcall/scim"
)

// A search was whole only if the server said so: SearchResultDone with success and, where
// it was paged, a paging control with an empty cookie (RFC 2696 §3). That a stream
// of entries stopped proves nothing: go-ldap's own asynchronous search ends without
// an error when its connection is gone, and a server that ran into a limit has sent
// what it had. So the proof is read here, from the server's own message.

// request is a search to run.
type request struct {
	name       string // for people
	base       string
	scope      string
	filter     string
	attributes []string
	pageSize   int // 0 for a search of one entry
	// countReferences: references to other servers do not make the search incomplete.
	countReferences bool
	controls        []ldap.Control
	// whole: each gets whole messages, intermediate responses too; finished gets the server's last word,
	// where that was success. Both are for what has controls of its own.
	whole    bool
	finished func(done)
	// follow takes a reference that somebody else will see to; nil takes none.
	follow func(uris []string) bool
}

// search runs a search to its proven end and passes each entry to each, whose bytes it may
// use until it returns. When each returns false the search ends at once without an error,
// and the connection is good for nothing more.
func (c *conn) search(ctx context.Context, req request, each func(body []byte) bool) (err error) {
	ctx, over := scim.Step(ctx, "ldap.search")
	defer func() { over(err) }()
	paged := req.pageSize > 0 && (c.paging || !c.controls)
	var cookie []byte
	refs := 0
	for first := true; ; first = false {
		p, stopped, err := c.page(req, paged, cookie, each)
		if stopped {
			return nil
		}
		if err != nil {
			return c.lost(ctx, req, err)
		}
		refs += p.more
		for _, uris := range p.refs {
			if req.follow == nil || !req.follow(uris) {
				refs++
			}
		}
		d := *p.done
		switch {
		case d.code == ldap.LDAPResultReferral && req.follow != nil && req.follow(d.referral):
			return c.checkReferences(req, refs)
		case d.code != 0:
			return c.resultError(req, d)
		case req.finished != nil:
			req.finished(d)
			return c.checkReferences(req, refs)
		case !paged, !d.paged && first && !c.paging:
			// A server that does not list its controls may ignore one that is not critical, and
			// has sent everything at once.
			return c.checkReferences(req, refs)
		case !d.paged:
			return c.incomplete(req, "a page came without its paging control", "report it to the vendor of the server: no page can be proven to be the last", nil)
		case len(d.cookie) == 0:
			return c.checkReferences(req, refs)
		}
		cookie = d.cookie
	}
}

// page runs one request. Its entries arrive in batches while go-ldap waits for the end.
func (c *conn) page(req request, paged bool, cookie []byte, each func([]byte) bool) (p *page, stopped bool, err error) {
	controls := slices.Clone(req.controls)
	if paged {
		control := ldap.NewControlPaging(uint32(req.pageSize))
		control.SetCookie(cookie)
		controls = append(controls, control)
	}
	scope := map[string]int{ScopeBase: ldap.ScopeBaseObject, ScopeOne: ldap.ScopeSingleLevel, ScopeSub: ldap.ScopeWholeSubtree}[req.scope]
	sr := ldap.NewSearchRequest(req.base, scope, ldap.NeverDerefAliases, 0, 0, false, req.filter, req.attributes, controls)
	p = newPage()
	p.whole = req.whole
	c.tap.expect(p)
	ended := make(chan error, 1)
	go func() {
		_, err := c.ldap.Search(sr)
		ended <- err
	}()
	take := func(b *batch) bool {
		start := 0
		for _, end := range b.ends {
			if !each(b.buf[start:end]) {
				return false
			}
			start = end
		}
		c.tap.recycle(b)
		return true
	}
	for {
		select {
		case b := <-p.batches:
			if !take(b) {
				c.tap.abandon()
				c.cut()
				<-ended //nolint:errcheck // we ended it
				return p, true, nil
			}
		case err := <-ended:
			// The last batch was handed over before go-ldap saw the end.
			select {
			case b := <-p.batches:
				if !take(b) {
					c.tap.abandon()
					return p, true, nil
				}
			default:
			}
			c.tap.finish()
			if p.done == nil {
				if err == nil {
					err = errors.New("the search ended without the server's word")
				}
				return p, false, err
			}
			return p, false, nil
		}
	}
}

// lost is the error for a connection that ended before the search did.
func (c *conn) lost(ctx context.Context, req request, err error) error {
	if cause := c.tap.cause(); cause != nil {
		err = cause
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return c.incomplete(req, "the search broke off", "nothing was concluded from it; the next run reads again", err)
}

func (c *conn) incomplete(req request, reason, remedy string, err error) error {
	return &ReadError{Kind: ErrIncomplete, Where: c.url, Search: req.name, Reason: reason, Remedy: remedy, Err: err}
}

// checkReferences judges references to other servers that nobody follows (see referrals.go).
func (c *conn) checkReferences(req request, refs int) error {
	if refs == 0 || req.countReferences {
		c.references += refs
		return nil
	}
	return c.incomplete(req, fmt.Sprintf("%d references to other servers: part of the tree is there", refs),
		"set the base below them, read each server as a source of its own, or name them in referrals", nil)
}

// results says what the codes of RFC 4511 appendix A mean for a read, and what to do.
var results = map[int]struct {
	kind           error
	reason, remedy string
}{
	3:  {ErrIncomplete, "the server's time limit ended the search", "raise it for the bind account, or index what the filter asks for"},
	4:  {ErrIncomplete, "the server's size limit ended the search", "raise it for the bind account (OpenLDAP: olcLimits with size and size.prtotal unlimited)"},
	8:  {ErrCredentials, "the server wants a stronger authentication", "use ldaps:// or StartTLS"},
	10: {ErrIncomplete, "the base is on another server", "use the URL of the server that holds it, or name that in referrals"},
	11: {ErrIncomplete, "an administrative limit ended the search", "raise it for the bind account (389-DS: nsslapd-lookthroughlimit, nsslapd-sizelimit)"},
	13: {ErrUntrusted, "the server wants TLS", "use ldaps:// or StartTLS"},
	32: {ErrNoBase, "the base does not exist, or the bind account may not see it", "check the base for a typing error, and the server's access rules"},
	49: {ErrCredentials, "the server does not accept the bind any more", "check the account"},
	50: {ErrIncomplete, "the bind account may not search there", "give it read access"},
	51: {ErrIncomplete, "the server is busy", "the next run reads again"},
	52: {ErrIncomplete, "the server is not available", "the next run reads again"},
	53: {ErrIncomplete, "the server is unwilling", "its log says why; Active Directory wants TLS, OpenLDAP refuses a stale paging cookie"},
}

func (c *conn) resultError(req request, d done) error {
	r, ok := results[d.code]
	if !ok {
		r.kind, r.reason, r.remedy = ErrIncomplete, "the server ended the search with an error", "its log says why"
	}
	return &ReadError{Kind: r.kind, Where: c.url, Search: req.name, Code: d.code, Reason: r.reason, Remedy: r.remedy,
		Err: errors.New(resultName(d))}
}

// resultName is a code's name and number and, cut short, what the server says of it.
func resultName(d done) string {
	name := ldap.LDAPResultCodeMap[uint16(d.code)]
	if name == "" {
		name = "unknown result"
	}
	s := fmt.Sprintf("%s (%d)", name, d.code)
	if d.diagnostic != "" {
		s += fmt.Sprintf(": %.200q", d.diagnostic)
	}
	return s
}
