package scimhttp

import (
	"errors"
	"testing"

	"rollcall/scim"
)

// What sorts by a sub-attribute that is never returned would tell its order (security.md R6).
func TestNeverReturnedValueCannotBeSortedBy(t *testing.T) {
	d, err := scim.ParseSchema([]byte(`{"id":"urn:example:vault","attributes":[
		{"name":"pin","type":"complex","subAttributes":[{"name":"value","returned":"never"},{"name":"hint"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	custom := scim.Custom{Schemas: []scim.CustomSchema{{Definition: d}}}
	model, err := custom.Model()
	if err != nil {
		t.Fatal(err)
	}
	user := compileType(model.Type("User"))
	for _, name := range []string{"urn:example:vault:pin", "urn:example:vault:pin.value"} {
		if _, err := sortPath(user, name); !errors.Is(err, scim.ErrSensitive) {
			t.Errorf("sortPath(%s) = %v, want ErrSensitive", name, err)
		}
	}
	if _, err := sortPath(user, "urn:example:vault:pin.hint"); err != nil {
		t.Errorf("sortPath of a sub-attribute that is returned = %v", err)
	}
}
