// Package scim is Rollcall's model of RFC 7643 and RFC 7644: what a resource is,
// what a store of resources must do, and what can go wrong.
//
// It is pure: it does no input or output, starts no goroutine, and imports nothing
// else of this module. The protocol over HTTP is in scim/scimhttp; keeping resources
// is the work of store.
//
// Start with Resource (RFC 7643 §3), then Model (schemas and resource types, §6 and §7),
// then Store, the contract between whoever changes resources and whoever keeps them.
// Filter (RFC 7644 §3.4.2.2) and Operation (§3.5.2) are the two small languages.
package scim

import (
	"time"
)

// Ref names one resource of a workspace: its resource type ("User") and its id.
type Ref struct {
	Type string
	ID   string
}

func (r Ref) String() string { return r.Type + "/" + r.ID }

// Version numbers a resource's state: the number of the commit that made it, unique
// and rising within a workspace. Zero is no version. As an entity tag it is W/"<n>".
type Version uint64

// Header is what the server itself knows of a resource, outside its attributes.
type Header struct {
	Ref
	ExternalID string // RFC 7643 §3.1, scoped to Owner; "" when not set
	// Owner is who manages the resource: "client:<name>", "source:<name>", or "" for
	// a resource that was made by hand. Set at creation.
	Owner        string
	Created      time.Time // UTC, milliseconds, the store's clock
	LastModified time.Time // likewise
	Version      Version
}

// Resource is a resource in memory: a header and its attributes.
//
// Attributes holds core attributes under their schema spelling and each extension
// under its URN as a map of its own. Values are string, bool, int64, float64,
// map[string]any (a complex value) or []any (a multi-valued attribute). It never holds
// schemas, id, externalId, meta, password, members or groups: the first are in the
// header or derived from it, a password is never kept here, and members and
// groups are edges (see Edge).
type Resource struct {
	Header
	Attributes map[string]any
}

// Stored is a resource as a store keeps it: the header, and the attributes as the
// text of one JSON object. It is not to be changed: many readers may share it.
type Stored struct {
	Header
	Body []byte
	// Groups is filled where the reader asked for it (With.Groups): the groups that
	// the resource is a member of, directly or through others, in order of id.
	Groups []Membership
}

// Membership is one group of a member, as in the attribute groups (RFC 7643 §4.1.2).
type Membership struct {
	Ref            // the group
	Display string // its displayName
	Direct  bool   // false where it comes through a nested group
}

// Groups may be members of groups, and these of others, in circles too. Whoever is in one of them
// is an indirect member of those around it, as far as this.
const (
	// MaxNesting is through how many groups an indirect membership leads: a group that is further
	// away neither counts nor shows.
	MaxNesting = 32
	// MaxIndirect is how many indirect memberships of a resource are told, the nearest.
	MaxIndirect = 1000
)

// Resource decodes the stored text into a resource of its own, safe to change.
func (s *Stored) Resource() (*Resource, error) {
	attrs, err := ParseObject(s.Body, StoredLimits)
	if err != nil {
		return nil, Errorf(ErrCorrupt, "%s: stored attributes: %v", s.Ref, err)
	}
	return &Resource{Header: s.Header, Attributes: attrs}, nil
}

// UserName is the attribute userName, "" where there is none.
func (r *Resource) UserName() string { s, _ := r.Attributes["userName"].(string); return s }

// DisplayName is the attribute displayName, "" where there is none.
func (r *Resource) DisplayName() string { s, _ := r.Attributes["displayName"].(string); return s }

// Active is the attribute active. A user without it is active (RFC 7643 §4.1.1 leaves
// its meaning to the provider; a PUT that does not mention it must lock nobody out).
func (r *Resource) Active() bool {
	b, ok := r.Attributes["active"].(bool)
	return !ok || b
}

// Clone returns a deep copy.
func (r *Resource) Clone() *Resource {
	c := *r
	c.Attributes = cloneValue(r.Attributes).(map[string]any)
	return &c
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = cloneValue(e)
		}
		return m
	case []any:
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = cloneValue(e)
		}
		return a
	}
	return v
}
