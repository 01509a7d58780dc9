package console

import (
	"net/url"
	"strings"

	"rollcall/account"
	"rollcall/internal/audit"
	"rollcall/scim"
)

// auditPage is a page of the audit, newest first.
type auditPage struct {
	Filter, Next string // Next is a query; "" for no more
	Lines        []audit.Line
}

func listAudit(x *exchange) error {
	if err := x.Accounts.May(x.r.Context(), account.AuditRead); err != nil {
		return err
	}
	if x.Audit == nil {
		return scim.Errorf(scim.ErrNotFound, "this server keeps no audit")
	}
	p := auditPage{Filter: strings.TrimSpace(x.r.URL.Query().Get("filter"))}
	q := audit.Query{Count: pageSize, Cursor: x.r.URL.Query().Get("cursor")}
	if p.Filter != "" {
		var err error
		if q.Filter, err = scim.ParseFilter(p.Filter); err != nil {
			return x.again("audit", "Audit", p, err)
		}
	}
	page, err := x.Audit.List(x.r.Context(), x.actor.Workspace, q)
	if err != nil {
		return x.again("audit", "Audit", p, err)
	}
	p.Lines = page.Lines
	if page.Next != "" {
		p.Next = "?" + url.Values{"filter": {p.Filter}, "cursor": {page.Next}}.Encode()
	}
	return x.page("audit", "Audit", p)
}
