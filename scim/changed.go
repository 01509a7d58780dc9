package scim

import "slices"

// ChangedAttributes names what differs between two states of a resource, in order: core
// attributes, extensions by their URN, and externalId. old is nil for a resource that is new.
// Members are no part of it: they change by edges.
func ChangedAttributes(old, new *Resource) []string {
	if old == nil {
		old = &Resource{}
	}
	var names []string
	if old.ExternalID != new.ExternalID {
		names = append(names, "externalId")
	}
	for name, value := range new.Attributes {
		before, had := old.Attributes[name]
		if !had || !equalValues(before, value) {
			names = append(names, name)
		}
	}
	for name := range old.Attributes {
		if _, has := new.Attributes[name]; !has {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
