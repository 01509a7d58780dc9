package store

import (
	"slices"
	"strings"
	"testing"

	"rollcall/scim"
)

func TestChangedText(t *testing.T) {
	old := &scim.Resource{Attributes: map[string]any{"userName": "a", "active": true, "urn:example:x": map[string]any{"a": "b"}}}
	now := &scim.Resource{Header: scim.Header{ExternalID: "1"}, Attributes: map[string]any{
		"userName": "b", "active": false, "badge": "x", scim.EnterpriseURN: map[string]any{"department": "d"},
	}}
	text := ChangedText(old, now)
	names, became := ParseChanged(text)
	want := []string{"active", "badge", "externalId", "urn:example:x", scim.EnterpriseURN, "userName"}
	if !slices.Equal(names, want) || became != "inactive" {
		t.Errorf("ParseChanged(%q) = %v, %q, want %v, inactive", text, names, became, want)
	}
	// As it was written before there were short names.
	if names, became := ParseChanged("active:true badge userName"); strings.Join(names, " ") != "active badge userName" || became != "active" {
		t.Errorf("ParseChanged() of an old text = %v, %q", names, became)
	}
	if names, _ := ParseChanged(""); names != nil {
		t.Errorf("ParseChanged() of nothing = %v", names)
	}
}

// TestShortNamesStay: they are in feeds.
func TestShortNamesStay(t *testing.T) {
	names, _ := ParseChanged(`~#$%&'()*+,-./0123456789`)
	if got := strings.Join(names, " "); got != "active addresses displayName emails entitlements externalId ims locale name nickName phoneNumbers photos preferredLanguage profileUrl roles timezone title "+
		scim.EnterpriseURN+" "+scim.AccountGroupURN+" "+scim.AccountUserURN+" userName userType x509Certificates" {
		t.Errorf("the short names are %s", got)
	}
}
