package sync

import (
	"maps"
	"slices"
	"strings"
)

// Roles by group: Policy.Roles says which role the members of a group of the source have. Those
// roles are the source's to give and to take away; others that a person has stay.

// rolesText is the setting as text, for the hashes: where it changes, everybody is looked at again.
func rolesText(roles map[string]string) string {
	var b strings.Builder
	for _, group := range slices.Sorted(maps.Keys(roles)) {
		b.WriteString("\x00" + group + "\x00" + roles[group])
	}
	return b.String()
}

// holdRoles finds out who is in the groups that give roles, and which roles the source may take
// away: not those of a group that it does not have, or whose members could not be read whole.
func (p *planner) holdRoles() {
	p.rolesOf = map[string][]string{}
	unsure := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.policy.Roles)) {
		role, found := p.policy.Roles[name], false
		for i := range p.groups {
			e := &p.groups[i]
			shown, _ := e.Attributes["displayName"].(string)
			if key := canaryKey(name); key != canaryKey(shown) && key != canaryKey(e.DN) {
				continue
			}
			found = true
			unsure[role] = unsure[role] || e.MembersUnknown
			for _, id := range e.Members {
				if !slices.Contains(p.rolesOf[id], role) {
					p.rolesOf[id] = append(p.rolesOf[id], role)
				}
			}
		}
		if !found {
			unsure[role] = true
			p.report.problem(Problem{DN: name, Kind: "role", Reason: "the source has no such group, which gives the role " + role,
				Remedy: "Correct the setting roles of the source, or make the group. Until then nobody loses the role."})
		}
	}
	p.managed = map[string]bool{}
	for _, role := range p.policy.Roles {
		p.managed[role] = !unsure[role]
	}
}

// giveRoles puts the roles of a person's groups into the entry.
func (p *planner) giveRoles(e *Entry) {
	roles := p.rolesOf[e.ID]
	if len(roles) == 0 {
		return
	}
	list, _ := e.Attributes["roles"].([]any)
	list = slices.Clone(list)
	for _, role := range roles {
		list = append(list, map[string]any{"value": role})
	}
	e.Attributes = maps.Clone(e.Attributes)
	e.Attributes["roles"] = list
}

// mergeRoles is what a person's roles become: those wanted, and of the old ones all that are not
// the source's to take away. unsure tells that one stays which may have to go.
func mergeRoles(old, want any, managed map[string]bool) (merged []any, unsure bool) {
	wanted, _ := want.([]any)
	had := map[string]bool{}
	before, _ := old.([]any)
	for _, r := range before {
		value := roleValue(r)
		if takes, ours := managed[value]; ours && !slices.ContainsFunc(wanted, func(w any) bool { return roleValue(w) == value }) {
			if takes {
				continue
			}
			unsure = true
		}
		merged = append(merged, r)
		had[value] = true
	}
	for _, r := range wanted {
		if !had[roleValue(r)] {
			merged = append(merged, r)
		}
	}
	return merged, unsure
}

func roleValue(role any) string {
	m, _ := role.(map[string]any)
	value, _ := m["value"].(string)
	return value
}
