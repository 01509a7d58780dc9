package audit

import (
	_ "embed"
	"encoding/json"

	"rollcall/scim"
)

// lineSchema describes what a filter may name.
//
//go:embed line.json
var lineSchema []byte

// lineType is the type that a filter is bound to.
var lineType = func() *scim.ResourceType {
	d, err := scim.ParseSchema(lineSchema)
	if err != nil {
		panic(err) // it is part of the program
	}
	m, err := scim.NewModel(scim.TypeDefinition{Name: "AuditLine", Endpoint: "/AuditLines", Schema: d})
	if err != nil {
		panic(err)
	}
	return m.Type("AuditLine")
}()

// FilterAttributes are the names that a filter may have, with what they are.
func FilterAttributes() [][2]string {
	var all [][2]string
	for _, a := range lineType.Schema.Attributes {
		all = append(all, [2]string{a.Name, a.Description})
	}
	return all
}

// resource is the line as a filter sees it.
func (l *Line) resource() *scim.Resource {
	attributes := map[string]any{"at": l.At.UTC().Format("2006-01-02T15:04:05.000Z"), "type": l.Type}
	for name, value := range map[string]string{
		"outcome": l.Outcome, "actor": l.Actor, "by": l.By, "client": l.Client, "requestId": l.RequestID, "address": l.Address, "name": l.Name,
	} {
		if value != "" {
			attributes[name] = value
		}
	}
	if l.Subject != nil {
		attributes["subject"], attributes["subjectType"] = l.Subject.ID, l.Subject.Type
	}
	if l.Erased {
		attributes["erased"] = true
	}
	var names []any
	for _, c := range l.Changes {
		names = append(names, c.Attribute)
	}
	if names != nil {
		attributes["attributes"] = names
	}
	var members []any
	for _, ids := range [][]string{l.Added, l.Removed} {
		for _, id := range ids {
			members = append(members, id)
		}
	}
	if members != nil {
		attributes["memberIds"] = members
	}
	return &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "AuditLine", ID: l.ID}}, Attributes: attributes}
}

func unmarshal(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return scim.Errorf(scim.ErrCorrupt, "an event of the audit cannot be read: %v", err)
	}
	return nil
}
