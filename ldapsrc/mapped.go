package ldapsrc

import dirsync "rollcall/sync"

var (
	_ dirsync.Mapper = (*Source)(nil)
	_ dirsync.Mapper = (*LDIF)(nil)
)

// Mapped lists the SCIM attributes that the mapping fills for a resource type.
func (s *Source) Mapped(typ string) []string { return s.reading.mapped(typ) }

// Mapped lists the SCIM attributes that the mapping fills for a resource type.
func (s *LDIF) Mapped(typ string) []string { return s.reading.mapped(typ) }

func (r *reading) mapped(typ string) []string {
	var names []string
	for _, s := range []*search{r.users, r.groups} {
		if s == nil || s.table.resourceType != typ {
			continue
		}
		for _, rule := range s.table.rules {
			names = append(names, rule.name())
		}
	}
	return names
}

// name is the attribute that the rule fills, as a SCIM attribute name. One of several values
// of an attribute counts as the attribute: "emails", for emails[type eq "work"].value.
func (r *rule) name() string {
	name := r.attr
	if r.urn != "" {
		name = r.urn + ":" + name
	}
	if r.sub != "" && !r.multi {
		name += "." + r.sub
	}
	return name
}
