package account

import (
	"slices"
	"strings"

	"rollcall/scim"
)

// Options are what an account may be given at its creation beside its attributes: entitlements to
// volumes and to a home (accounts.md A24).
type Options struct {
	Role          string
	AllVolumes    bool
	DefaultVolume bool
	Volumes       []string
	// Home makes a home, or does not even where the workspace's homePolicy would; nil: as that says.
	Home *bool
}

const (
	maxVolumes = 1000
	maxMessage = 2000
	// employee is the role that all volumes and the default volume are for.
	employee = "employee"
)

// HomeNone and HomeCreate are the values of homePolicy.
const (
	HomeNone   = "none"
	HomeCreate = "create"
)

// apply writes the options into an account that is being made, or comes back.
func (o Options) apply(s *Settings, r *scim.Resource) error {
	if o.Role != "" {
		if s.role(o.Role) == nil {
			return scim.Errorf(scim.ErrInvalidValue, "role: the workspace has no role %q", o.Role)
		}
		r.Attributes["roles"] = []any{map[string]any{"value": o.Role, "primary": true}}
	}
	if roles := s.roleNames(r); (o.AllVolumes || o.DefaultVolume) && !slices.Equal(roles, []string{employee}) {
		return scim.Errorf(scim.ErrInvalidValue, "allVolumes, defaultVolume: they are for the role %s alone", employee)
	}
	if len(o.Volumes) > maxVolumes {
		return scim.Errorf(scim.ErrTooLarge, "volumes: at most %d", maxVolumes)
	}
	if o.AllVolumes {
		entitle(r, "volume", "*", "all volumes")
	}
	if o.DefaultVolume {
		entitle(r, "volume", "default", "the default volume")
	}
	for _, id := range o.Volumes {
		if id == "" || len(id) > 200 || strings.ContainsAny(id, ":*") {
			return scim.Errorf(scim.ErrInvalidValue, "volumes: %q is no id of a volume", id)
		}
		entitle(r, "volume", id, "")
	}
	if o.Home != nil && *o.Home || o.Home == nil && s.HomePolicy == HomeCreate {
		entitle(r, "home", r.ID, "home")
	}
	return nil
}

// entitle lets an account read and write something; what it has of it already stays one.
func entitle(r *scim.Resource, typ, id, display string) {
	list, _ := r.Attributes["entitlements"].([]any)
	value := id + ":rw"
	if slices.ContainsFunc(list, func(v any) bool {
		m, _ := v.(map[string]any)
		return m["type"] == typ && (m["value"] == value || typ == "home")
	}) {
		return
	}
	e := map[string]any{"type": typ, "value": value}
	if display != "" {
		e["display"] = display
	}
	r.Attributes["entitlements"] = append(slices.Clone(list), e)
}

// checkMessage holds what somebody writes to an invited person.
func checkMessage(text string) error {
	if len(text) > maxMessage || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' }) {
		return scim.Errorf(scim.ErrInvalidValue, "message: at most %d bytes, without control characters", maxMessage)
	}
	return nil
}
