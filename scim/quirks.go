package scim

// The tolerances: what clients send that the RFCs do not say, and that is taken for
// what it means. Draft.Quirks, Patched.Quirks and Filter.Quirks name those that were used.
// The row of clients.md that asks for each is given; docs/clients-behaviour.md lists the rows.
const (
	QuirkStringBoolean     = "string-boolean"         // A8: "True" for true
	QuirkEmptyString       = "empty-string"           // A10, E17: "" for a value that is not set
	QuirkUnknownAttribute  = "unknown-attribute"      // A9: left out
	QuirkReadOnly          = "read-only-ignored"      // A11, O17: id, meta, groups in a body
	QuirkUnknownSchema     = "unknown-schema"         // A9, E5, E21: in schemas
	QuirkNoSchemas         = "missing-schemas"        // schemas is not there
	QuirkTopLevel          = "extension-at-top-level" // E5, E7, E16: an enterprise attribute without its URN
	QuirkArrayForSingle    = "array-for-single-value" // E16, Okta's [true]
	QuirkSingleForArray    = "single-value-for-array" // one value where a PATCH is due a list of them
	QuirkStringForComplex  = "string-for-complex"     // E16: the manager's id alone
	QuirkRoleJSON          = "role-as-json-string"    // E18
	QuirkMemberRef         = "member-by-ref"          // a member or manager with $ref and no value
	QuirkOperatorCase      = "operator-case"          // A7, E9: "Replace"
	QuirkDottedName        = "path-as-name"           // E10: paths as names in a value without path
	QuirkFilterCreates     = "filter-creates-value"   // E12: a path that matches nothing makes the value
	QuirkRemoveByValue     = "remove-by-value"        // E25: remove with a list of values
	QuirkMembersReplaced   = "members-replaced"       // E27: obeyed, but often meant as an addition
	QuirkMembersUnassigned = "members-null"           // OneLogin: members null means that they stay
	QuirkUnquotedValue     = "unquoted-value"         // A15, E3: externalId eq jyoung
	QuirkComplexCompared   = "complex-compared"       // E7: manager eq for manager.value eq
)

// quirkNames gives each quirk its bit in a quirkSet.
var quirkNames = [...]string{
	QuirkStringBoolean, QuirkEmptyString, QuirkUnknownAttribute, QuirkReadOnly, QuirkUnknownSchema, QuirkNoSchemas,
	QuirkTopLevel, QuirkArrayForSingle, QuirkSingleForArray, QuirkStringForComplex, QuirkRoleJSON, QuirkMemberRef,
	QuirkOperatorCase, QuirkDottedName, QuirkFilterCreates, QuirkRemoveByValue, QuirkMembersReplaced,
	QuirkMembersUnassigned, QuirkUnquotedValue, QuirkComplexCompared,
}

// quirkSet is a set of quirks: each is named once, in the order above.
type quirkSet uint32

func (q *quirkSet) add(name string) {
	for i, n := range quirkNames {
		if n == name {
			*q |= 1 << i
			return
		}
	}
	panic("scim: no quirk " + name)
}

func (q quirkSet) list() []string {
	var names []string
	for i, n := range quirkNames {
		if q&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}
