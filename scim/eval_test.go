package scim

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const sampleUser = `{
	"userName": "BJensen@example.com", "name": {"givenName": "Barbara", "familyName": "Jensen"},
	"displayName": "Bárbara \"Babs\" Jensen", "nickName": "Babs\\x", "title": "Tour Guide", "active": true, "profileUrl": "https://example.com/BJ",
	"emails": [{"value": "Bjensen@Example.com", "type": "work", "primary": true}, {"value": "babs@home.org", "type": "home"}],
	"phoneNumbers": [{"value": "555-1", "type": "mobile"}],
	"roles": [{"value": "Admin", "primary": true}],
	"x509Certificates": [{"value": "QUJD"}],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "701984", "department": "Sales", "manager": {"value": "m-1"}},
	"urn:rollcall:params:scim:schemas:extension:account:2.0:User": {
		"number": 42, "activeSessions": 0, "lastLogin": "2026-01-02T03:04:05.050Z", "codeAllowed": false,
		"preferences": [{"name": "theme", "value": "dark"}]}
}`

func sampleTarget(t testing.TB) *Target {
	return &Target{
		Type: user(),
		Resource: &Resource{
			Header: Header{
				Ref: Ref{"User", "u-1"}, ExternalID: "Ext-1", Version: 7,
				Created:      time.Date(2026, 1, 1, 0, 0, 0, 50e6, time.UTC),
				LastModified: time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC),
			},
			Attributes: parse(t, sampleUser),
		},
		Groups: func() ([]Membership, error) {
			return []Membership{{Ref: Ref{"Group", "g-1"}, Display: "Tour Guides", Direct: true}, {Ref: Ref{"Group", "g-2"}, Display: "Staff"}}, nil
		},
	}
}

func bind(t testing.TB, typ *ResourceType, filter string) *Predicate {
	t.Helper()
	f, err := ParseFilter(filter)
	if err != nil {
		t.Fatalf("ParseFilter(%s) = %v", filter, err)
	}
	p, err := f.Bind(typ)
	if err != nil {
		t.Fatalf("Bind(%s) = %v", filter, err)
	}
	return p
}

func TestMatch(t *testing.T) {
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	yes := []string{
		// strings, by the attribute's own comparison
		`userName eq "bjensen@EXAMPLE.com"`, `USERNAME eq "bjensen@example.com"`, `userName eq "ｂjensen@example.com"`, `userName ne "bjensen"`,
		`userName sw "bj"`, `userName co "@EX"`, `userName ew ".COM"`, `userName co "SEN@"`, `userName gt "a"`, `userName lt "c"`,
		`name.familyName co "ENS"`, `displayName eq "bárbara \"babs\" jensen"`, `displayName eq "ba\u0301rbara \"Babs\" Jensen"`, `displayName co "\"BABS\""`,
		`nickName eq "babs\\x"`, `profileUrl eq "https://example.com/BJ"`, `title pr`, `name pr`, `name.givenName pr`,
		`title eq "tour guide" and (active eq false or userName sw "b")`, `title eq "x" or title eq "tour guide"`,
		// booleans, as clients write them
		`active eq true`, `active eq True`, `active eq "True"`, `active ne false`, `active pr`, `not (active eq false)`,
		// common attributes
		`id eq "u-1"`, `externalId eq "Ext-1"`, `externalId eq Ext-1`, `externalId ne "ext-1"`, `meta.resourceType eq "User"`, `meta pr`,
		`meta.created eq "2026-01-01T01:00:00.050+01:00"`, `meta.created gt "2026-01-01T00:00:00.005Z"`, `meta.lastModified ge "2026-02-01T12:00:00Z"`,
		`meta.lastmodified lt "2026-02-01T12:00:00.001Z"`, `meta.created sw "2026-01"`, `meta.version eq "W/\"7\""`, `meta.version eq "W/\"7-9ae16a3b\""`,
		`meta.location eq "https://h/scim/v2/Users/u-1"`, `schemas eq "` + ent + `"`, `schemas eq "` + strings.ToUpper(ent) + `"`, `schemas co "enterprise"`,
		// multi-valued: any element
		`emails eq "bjensen@example.com"`, `emails co "home.org"`, `emails.value ew "HOME.ORG"`, `emails.type eq "home"`, `emails pr`, `emails.value pr`,
		`emails[type eq "work" and value co "@example.com"]`, `emails[type eq "x" or (type eq "home" and not (primary eq true))]`,
		`emails[type eq "work"].value eq "bjensen@example.com"`, `emails[type eq "home"].value sw "babs"`, `emails[primary eq "True"].type eq "work"`,
		`emails[type eq "fax"].value ne "x"`, `emails.value ne "babs@home.org"`, `roles[primary eq "True"].value eq "admin"`, `emails[type eq "work"].display eq null`,
		`emails[primary eq false].value eq "babs@home.org"`, `emails.primary eq false`, `emails[type eq "home" and primary ne true]`,
		`emails[type eq "home" and primary eq null]`, `x509Certificates.value eq "QUJD"`, `x509Certificates ne "QUJE"`, `phoneNumbers[type eq "mobile"]`,
		// extensions
		ent + `:department eq "sales"`, `department eq "sales"`, strings.ToUpper(ent) + `:Department eq "SALES"`, ent + ` pr`, ent + ` ne null`,
		`employeeNumber eq 701984`, `employeeNumber eq "701984"`, `manager eq "m-1"`, `manager.value eq "m-1"`, ent + `:manager eq "m-1"`, `manager.$ref eq "../Users/m-1"`,
		`userName eq "bjensen@example.com" and ` + ent + `:department eq "sales"`, `preferences[name eq "theme" and value eq "dark"]`,
		// numbers and times
		`number eq 42`, `number eq 42.0`, `number eq "42"`, `number gt 41.5`, `number ge 42`, `number lt 4.3e1`, `number ne 9007199254740993`, `activeSessions le 0`,
		`lastLogin eq "2026-01-02T03:04:05.05Z"`, `lastLogin ne "2026-01-02T03:04:05.5Z"`, `lastLogin gt "2026-01-02T03:04:05Z"`, `lastLogin ew "050Z"`,
		// absent values
		`locale ne "de"`, `locale eq null`, `not (locale pr)`, `title ne null`, `passwordExpires eq null`, `locale eq null and title ne null`, `ims eq null`,
		`trial.valid ne true`, `codeAllowed ne null`, `codeAllowed eq "false"`,
		// groups
		`groups eq "g-1"`, `groups.value eq "g-2"`, `groups.display co "guides"`, `groups[value eq "g-2" and type eq "indirect"]`, `groups pr`, `groups.$ref eq "https://h/Groups/g-1"`,
	}
	no := []string{
		`userName eq "bjensen"`, `userName eq ""`, `userName eq "bj\u200bensen@example.com"`, `userName sw "jensen"`, `userName ne "bjensen@example.com"`, `userName gt "c"`,
		`externalId eq "ext-1"`, `id eq "U-1"`, `id ne "u-1"`, `profileUrl eq "https://example.com/bj"`, `active eq false`, `active ne true`, `active eq null`,
		`meta.created lt "2026-01-01T00:00:00Z"`, `meta.created eq "2026-01-01T00:00:00.5Z"`, `meta.location eq "https://h/Users/u-2"`, `meta eq null`, `meta.resourceType eq "Group"`,
		`schemas eq "urn:x"`, `emails eq "x"`, `emails[type eq "home" and value co "example"]`, `emails[type eq "home"].value eq "bjensen@example.com"`,
		`emails[type eq "fax"]`, `emails[type eq "fax"].value pr`, `emails[type eq "home" and primary ne false]`, `emails[type eq "home"].primary pr`, `ims.primary eq false`, `emails[type eq "work"].display pr`, `emails eq null`, `x509Certificates.value eq "qujd"`,
		`department eq "x"`, ent + ` eq null`, `number eq 41`, `number gt 42`, `number lt -1`, `number eq 42.5`, `activeSessions gt 0`,
		`lastLogin lt "2026-01-02T03:04:05Z"`, `locale pr`, `locale eq "x"`, `locale gt "a"`, `title eq null`, `not (title pr)`, `trial.valid eq false`, `trial pr`,
		`groups eq "g-3"`, `groups eq "G-1"`, `groups[value eq "g-1" and type eq "indirect"]`, `preferences.name eq "Theme"`, `manager eq "M-1"`,
		`codeAllowed eq null`, `codeAllowed eq true`, `number eq null`, `emails.value eq null`,
	}
	for _, f := range yes {
		if got, err := bind(t, user(), f).Match(sampleTarget(t)); !got || err != nil {
			t.Errorf("Match(%s) = %v, %v, want true", f, got, err)
		}
	}
	for _, f := range no {
		if got, err := bind(t, user(), f).Match(sampleTarget(t)); got || err != nil {
			t.Errorf("Match(%s) = %v, %v, want false", f, got, err)
		}
	}
}

// A user whose record does not say is active (Resource.Active).
func TestMatchActiveUnset(t *testing.T) {
	target := &Target{Type: user(), Resource: &Resource{Attributes: map[string]any{"userName": "a"}}}
	for f, want := range map[string]bool{`active eq true`: true, `active eq false`: false, `active ne true`: false, `active pr`: true} {
		if got, err := bind(t, user(), f).Match(target); got != want || err != nil {
			t.Errorf("Match(%s) = %v, %v, want %v", f, got, err, want)
		}
	}
}

func TestMatchMembers(t *testing.T) {
	calls := 0
	target := &Target{
		Type:     group(),
		Resource: &Resource{Header: Header{Ref: Ref{"Group", "g-1"}}, Attributes: parse(t, `{"displayName":"Sales  Team","`+AccountGroupURN+`":{"ldapGroupNames":["cn=A","cn=B"],"admin":true}}`)},
		Members: func() ([]Member, error) {
			calls++
			return []Member{{Value: "u-1", Type: "User"}, {Value: "g-2", Type: "Group"}}, nil
		},
	}
	for f, want := range map[string]bool{
		`members eq "u-1"`: true, `members.value eq "g-2"`: true, `members[value eq "u-1"]`: true, `members[value eq "u-1" and type eq "group"]`: false,
		`members eq "U-1"`: false, `members.type eq "Group"`: true, `members pr`: true, `members eq null`: false, `members.$ref eq "https://h/Users/u-1"`: true,
		`id eq "g-1" and members eq "u-1"`: true, `members eq "u-1" and members eq "x"`: false, `members ne "u-1"`: true, `not (members eq "u-1")`: false,
		`displayName eq "sales team"`: true, `displayName eq " SALES TEAM "`: true, `displayName sw "sales "`: true,
		`ldapGroupNames eq "CN=a"`: true, `ldapGroupNames.value eq "cn=b"`: true, `ldapGroupNames[value sw "cn=b"]`: true, `ldapGroupNames eq "x"`: false, `admin eq true`: true,
	} {
		calls = 0
		p := bind(t, group(), f)
		if got, err := p.Match(target); got != want || err != nil {
			t.Errorf("Match(%s) = %v, %v, want %v", f, got, err, want)
		}
		if calls > 1 || calls == 1 && !p.NeedsMembers {
			t.Errorf("Match(%s) asked for members %d times, NeedsMembers = %v", f, calls, p.NeedsMembers)
		}
	}
	failing := &Target{Type: group(), Resource: target.Resource, Members: func() ([]Member, error) { return nil, ErrUnavailable }}
	if _, err := bind(t, group(), `not (members eq "x")`).Match(failing); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Match with members that cannot be read = %v, want unavailable", err)
	}
}

func TestBindRefuses(t *testing.T) {
	tests := []struct {
		filter, want string
		kind         error
	}{
		{`nope eq "x"`, `User has no attribute "nope"`, ErrUnknownAttribute},
		{`nope[type eq "x"]`, `User has no attribute "nope"`, ErrUnknownAttribute},
		{`emails.nope eq "x"`, `"emails.nope"`, ErrUnknownAttribute},
		{`emails[nope eq "x"]`, `"emails.nope"`, ErrUnknownAttribute},
		{`emails[type eq "x"].nope eq "x"`, `"emails.nope"`, ErrUnknownAttribute},
		{`members eq "x"`, `User has no attribute "members"`, ErrUnknownAttribute},
		{`urn:x:y:z eq "x"`, "has no attribute", ErrUnknownAttribute},
		{`userName[value eq "x"]`, "brackets", ErrInvalidFilter},
		{`meta[version eq "x"]`, "brackets", ErrInvalidFilter},
		{`emails.value[value eq "x"]`, "brackets", ErrInvalidFilter},
		{`name eq "x"`, "name is complex", ErrInvalidFilter},
		{`meta eq "x"`, "meta is complex", ErrInvalidFilter},
		{EnterpriseURN + ` eq "x"`, "with pr alone", ErrInvalidFilter},
		{`active gt true`, "type boolean cannot be compared with gt", ErrInvalidFilter},
		{`active co "t"`, "type boolean cannot be compared with co", ErrInvalidFilter},
		{`active eq "yes"`, `active: expected true or false, found "yes"`, ErrInvalidFilter},
		{`x509Certificates.value gt "a"`, "type binary cannot", ErrInvalidFilter},
		{`number co "1"`, "type integer cannot", ErrInvalidFilter},
		{`number eq "x"`, "number: expected a number", ErrInvalidFilter},
		{`meta.created gt "2023"`, "meta.created: expected a date", ErrInvalidFilter},
		{`title gt null`, "null can be compared with eq and ne", ErrInvalidFilter},
		{`meta.location sw "x"`, "cannot be compared with sw", ErrInvalidFilter},
		{`password eq "x"`, "password", ErrSensitive},
		{`password pr`, "password", ErrSensitive},
		{`userName eq "a" or not (PASSWORD sw "x")`, "password", ErrSensitive},
		{UserURN + `:password eq null`, "password", ErrSensitive},
	}
	for _, tt := range tests {
		f, err := ParseFilter(tt.filter)
		if err != nil {
			t.Fatalf("ParseFilter(%s) = %v", tt.filter, err)
		}
		_, err = f.Bind(user())
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Bind(%s) = %v, want %v with %q", tt.filter, err, tt.kind, tt.want)
		}
		if tt.kind != ErrSensitive && !errors.Is(err, ErrInvalidFilter) {
			t.Errorf("Bind(%s) = %v, want invalidFilter", tt.filter, err)
		}
		var detail *Error
		if !errors.As(err, &detail) {
			t.Errorf("Bind(%s) = %v, want a detail for the client", tt.filter, err)
		}
		if tt.kind != ErrUnknownAttribute && errors.Is(err, ErrUnknownAttribute) {
			t.Errorf("Bind(%s) = %v, which is no unknown attribute", tt.filter, err)
		}
	}
}

func TestUniqueEq(t *testing.T) {
	tests := []struct{ filter, attr, value string }{
		{`userName eq "BJ"`, "userName", "BJ"},
		{`(USERNAME eq "BJ")`, "userName", "BJ"},
		{`externalId eq jyoung`, "externalId", "jyoung"},
		{`active eq true and userName eq "a"`, "userName", "a"},
		{`ID eq "7" and manager eq "8"`, "id", "7"},
		{`manager eq "8" and (title pr and id eq "7")`, "id", "7"},
		{`userName eq "a" and id eq "7"`, "id", "7"},
		{`meta.location eq "https://h/Users/7"`, "id", "7"},
		{UserURN + `:userName eq "a"`, "userName", "a"},
		{`userName eq "a" or title pr`, "", ""},
		{`not (userName eq "a")`, "", ""},
		{`userName sw "a"`, "", ""},
		{`userName ne "a"`, "", ""},
		{`userName eq null`, "", ""},
		{`id ne null`, "", ""},
		{`displayName eq "a"`, "", ""},
	}
	for _, tt := range tests {
		attr, value, ok := bind(t, user(), tt.filter).UniqueEq()
		if attr != tt.attr || value != tt.value || ok != (tt.attr != "") {
			t.Errorf("UniqueEq(%s) = %q, %q, %v, want %q, %q", tt.filter, attr, value, ok, tt.attr, tt.value)
		}
	}
	if attr, value, ok := bind(t, group(), `displayName eq "G"`).UniqueEq(); attr != "displayName" || value != "G" || !ok {
		t.Errorf("UniqueEq of a group's displayName = %q, %q, %v", attr, value, ok)
	}
}

func TestMemberEq(t *testing.T) {
	for filter, want := range map[string]string{
		`members eq "u"`: "u", `members.value eq "u"`: "u", `members[value eq "u"]`: "u", `members[type eq "User" and value eq "u"]`: "u",
		`id eq "g" and members eq "u"`: "u", `members.$ref eq "https://h/Users/u"`: "u",
		`members eq "u" or id pr`: "", `not (members eq "u")`: "", `members[value eq "u" or value eq "v"]`: "", `members.type eq "User"`: "",
		`members[not (value eq "u")]`: "", `members ne "u"`: "", `members eq null`: "", `displayName eq "x"`: "",
	} {
		if id, ok := bind(t, group(), filter).MemberEq(); id != want || ok != (want != "") {
			t.Errorf("MemberEq(%s) = %q, %v, want %q", filter, id, ok, want)
		}
	}
	p := bind(t, user(), `groups.value eq "g"`)
	if !p.NeedsGroups || p.NeedsMembers {
		t.Errorf("a filter by groups needs groups %v, members %v", p.NeedsGroups, p.NeedsMembers)
	}
}

func TestMatchAllocates(t *testing.T) {
	target := sampleTarget(t)
	for _, f := range []string{`id eq "x"`, `name.familyName co "son"`, `emails.value eq "x@y.z"`, `active eq true and title sw "a"`, `number gt 7`} {
		p := bind(t, user(), f)
		if n := testing.AllocsPerRun(100, func() { _, _ = p.Match(target) }); n != 0 {
			t.Errorf("Match(%s) costs %v allocations, want 0", f, n)
		}
	}
}
