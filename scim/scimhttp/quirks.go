package scimhttp

import "rollcall/scim"

// The tolerances of this package: what real clients send that the RFC does not say. Each
// is counted for the client that used it (Config.Quirk). Those of bodies are named by
// scim.Draft and scim.Patched and counted alike.
const (
	QuirkBareToken     = "bare-token"           // Authorization holds the token without "Bearer"
	QuirkDoubledSlash  = "doubled-slash"        // A14: Keycloak sends //Users
	QuirkTrailingSlash = "trailing-slash"       // A14
	QuirkEndpointCase  = "endpoint-case"        // A14: /users
	QuirkNoMediaType   = "missing-content-type" // A1
	QuirkUnknownMember = "unknown-member"       // a member that does not exist was dropped
	QuirkUnknownName   = "unknown-name-asked"   // attributes names what the type does not have
	QuirkUnknownParam  = "unknown-parameter"    // A16: ?aadOptscim062020
	QuirkRestored      = "post-restored"        // O6: a POST brought a deactivated resource back
	QuirkForeignID     = "external-id-kept"     // E9 on a resource of another owner: its externalId stays (design.md §4.9)
)

// quirk counts a tolerance that the client made use of.
func (x *exchange) quirk(name string) { x.h.cfg.Quirk(x.actor.Client, name) }

func (x *exchange) quirks(names []string) {
	for _, name := range names {
		x.quirk(name)
	}
}

func (x *exchange) pathQuirks(p target) {
	if p.doubled {
		x.quirk(QuirkDoubledSlash)
	}
	if p.trailing {
		x.quirk(QuirkTrailingSlash)
	}
	if t := x.model.endpoint(p.endpoint); t != nil && t.name != p.endpoint {
		x.quirk(QuirkEndpointCase)
	}
}

// filterQuirks counts the tolerances of a filter.
func (x *exchange) filterQuirks(f *scim.Filter) {
	if x.typ != nil {
		x.quirks(f.Quirks(x.typ.ResourceType))
		return
	}
	x.quirks(f.Quirks(x.h.cfg.Model(x.workspace).Types...))
}

func (x *exchange) policy() Policy { return x.h.cfg.Policy(x.actor) }

// committed counts the members that a commit left out.
func (x *exchange) committed(done *scim.Committed) {
	for range x.dropped + len(done.Dropped) {
		x.quirk(QuirkUnknownMember)
	}
}
