package scim

import (
	"errors"
	"testing"
)

// A complex attribute that is compared as a whole stands for its sub-attribute value
// (RFC 7644 §3.4.2.2): one that is never returned cannot be asked about that way either.
func TestNeverReturnedValueCannotBeFilteredBy(t *testing.T) {
	d, err := ParseSchema([]byte(`{"id":"urn:example:vault","attributes":[
		{"name":"pin","type":"complex","subAttributes":[{"name":"value","returned":"never"},{"name":"hint"}]},
		{"name":"codes","type":"complex","multiValued":true,"subAttributes":[{"name":"value","returned":"never"},{"name":"type"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	custom := Custom{Schemas: []CustomSchema{{Definition: d}}}
	model, err := custom.Model()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`urn:example:vault:pin eq "1234"`, `urn:example:vault:pin sw "1"`, `not (urn:example:vault:pin ge "2")`,
		`urn:example:vault:codes co "1"`, `urn:example:vault:codes.value eq "1"`, `urn:example:vault:codes[value eq "1"]`,
		`urn:example:vault:codes[type eq "a" and value sw "1"]`,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Bind(model.Type("User")); !errors.Is(err, ErrSensitive) {
			t.Errorf("Bind(%s) = %v, want ErrSensitive", text, err)
		}
	}
	f, err := ParseFilter(`urn:example:vault:pin.hint eq "dog"`)
	if err == nil {
		_, err = f.Bind(model.Type("User"))
	}
	if err != nil {
		t.Errorf("Bind of a sub-attribute that is returned = %v", err)
	}
}
