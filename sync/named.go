package sync

import (
	"maps"
	"slices"
	"strings"

	"rollcall/scim"
)

// recognise notes an entry that the policy names: a canary, or a protected account.
func (p *planner) recognise(e *Entry) {
	for _, text := range []any{e.DN, e.ID, e.Attributes["userName"], e.Attributes["displayName"]} {
		text, _ := text.(string)
		name, ok := p.names[canaryKey(text)]
		if text == "" || !ok {
			continue
		}
		p.plan.Canaries[canaryKey(text)] = true
		if slices.Contains(p.policy.Protect, name) {
			p.plan.Protected[scim.Ref{Type: e.Type, ID: e.ID}] = name
		}
	}
	if active, ok := e.Attributes["active"].(bool); ok && !active && p.protects(e.Type, e.ID, "") {
		e.Attributes = maps.Clone(e.Attributes)
		delete(e.Attributes, "active") // the source's word does not disable it
	}
}

// protects tells whether a resource is one that no run disables or deletes.
func (p *planner) protects(typ, externalID, name string) bool {
	if p.plan.Protected[scim.Ref{Type: typ, ID: externalID}] != "" {
		return true
	}
	return slices.ContainsFunc(p.policy.Protect, func(n string) bool {
		key := canaryKey(n)
		return key == canaryKey(externalID) || name != "" && key == canaryKey(name)
	})
}

// canaryKey is what names of entries in the policy are compared by. Of a DN, space around
// commas does not count; as a DN it is otherwise taken as the directory writes it.
func canaryKey(name string) string {
	parts := strings.Split(strings.ToLower(strings.TrimSpace(name)), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ",")
}
