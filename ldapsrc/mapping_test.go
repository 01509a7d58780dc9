package ldapsrc

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dirsync "rollcall/sync"
)

var update = flag.Bool("update", false, "write testdata/*.json anew")

// told is one pair of a stream, in the form of the golden files.
type told struct {
	Entry *dirsync.Entry      `json:"entry,omitempty"`
	Fault *dirsync.EntryError `json:"fault,omitempty"`
	End   string              `json:"end,omitempty"`
}

// collect ranges over a source to its end.
func collect(t testing.TB, s dirsync.Source) []told {
	t.Helper()
	var all []told
	for e, err := range s.Entries(t.Context()) {
		var fault *dirsync.EntryError
		switch {
		case err == nil:
			all = append(all, told{Entry: &e})
		case errors.As(err, &fault):
			all = append(all, told{Fault: fault})
		default:
			all = append(all, told{End: err.Error()})
		}
	}
	return all
}

func TestPresetsGolden(t *testing.T) {
	for _, preset := range Presets() {
		t.Run(preset, func(t *testing.T) {
			s, err := NewLDIF(LDIFConfig{Path: filepath.Join("testdata", preset+".ldif"), Preset: preset})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", preset+".json"), collect(t, s))
		})
	}
}

func golden(t *testing.T, path string, got any) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(want) {
		t.Errorf("%s differs (run with -update and look at the difference); got\n%s", path, text)
	}
}

func TestMappingOverrides(t *testing.T) {
	const person = "dn: uid=ada,dc=x\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\ntitle: Countess\n" +
		"l: London\nstreet: St James's Square\ndepartmentNumber: 7\nemployeeNumber: E1\npager: 1\npager: 2\n"
	s := ldifOf(t, person, Users{Attributes: map[string]string{
		"externalId":                           "employeeNumber",
		"userName":                             "missing|uid",
		"displayName":                          "",
		"title":                                "title",
		"userType":                             "=Employee",
		"addresses[type eq \"work\"].locality": "l",
		"addresses[type eq \"work\"].streetAddress":                             "street",
		"phoneNumbers[type eq \"pager\"].value":                                 "pager",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "departmentNumber",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter": "=Engines",
	}}, Groups{})
	golden(t, "testdata/overrides.json", collect(t, s))
}

func TestBadMapping(t *testing.T) {
	for path, source := range map[string]string{
		"emails":                      "mail",
		"emails[type eq \"work\"]":    "mail",
		"title[type eq \"x\"]":        "title",
		"title":                       "userPassword",
		"nickName":                    "unicodePwd",
		"password":                    "cn",
		"members":                     "member",
		"meta.created":                "createTimestamp",
		"name..x":                     "cn",
		"externalId":                  "no good",
		"userName":                    "",
		"displayName":                 "cn;lang-fr",
		"urn:x:y":                     "a||b",
		"emails[type eq \"a\"\"].v":   "mail",
		"emails[value eq \"work\"].v": "mail",
		"photos.value":                "thumbnailPhoto",
		"profileUrl":                  "{{.jpegPhoto}}",
		"locale":                      "{{.userPassword}}",
	} {
		t.Run(path+" from "+source, func(t *testing.T) {
			c := LDIFConfig{Path: "x", Preset: "openldap", Users: Users{Attributes: map[string]string{path: source}}}
			if err := c.Validate(); err == nil {
				t.Errorf("Validate with %q: %q = nil, want an error", path, source)
			} else if !strings.HasPrefix(err.Error(), "users.attributes") {
				t.Errorf("Validate = %q, want it to begin with users.attributes", err)
			}
		})
	}
}

func TestValidateReportsEverything(t *testing.T) {
	err := LDIFConfig{Preset: "openldap",
		Users:  Users{Base: "no dn", Filter: "(uid=", Scope: "tree"},
		Groups: Groups{Nested: "deep", Filter: "(cn:1.2.3:=x)"}}.Validate()
	if err == nil {
		t.Fatal("Validate = nil")
	}
	for _, want := range []string{"path:", "users.base", "users.filter", "users.scope", "groups.nested"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %q, want it to name %s", err, want)
		}
	}
	if err := (LDIFConfig{Path: "x", Preset: "novell"}).Validate(); err == nil || !strings.Contains(err.Error(), "openldap") {
		t.Errorf("Validate with an unknown preset = %v, want the known ones named", err)
	}
}

func TestTooLong(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for name, record := range map[string]string{
		"value": "dn: uid=a,dc=x\nobjectClass: inetOrgPerson\nuid: a\ncn: " + long + "\n",
		"DN":    "dn: uid=" + long + ",dc=x\nobjectClass: inetOrgPerson\nuid: a\ncn: a\n",
		"NUL":   "dn: uid=a,dc=x\nobjectClass: inetOrgPerson\nuid: a\ncn:: YQBi\n",
	} {
		got := collect(t, ldifOf(t, record, Users{}, Groups{}))
		if len(got) != 1 || got[0].Fault == nil || strings.Contains(got[0].Fault.Reason, "xx") {
			t.Errorf("%s: Entries = %+v, want one fault that does not quote it", name, got)
		}
	}
}

func TestRequestedAttributes(t *testing.T) {
	for _, preset := range Presets() {
		p, err := loadPreset(preset)
		if err != nil {
			t.Fatal(err)
		}
		users, errs1 := userTable(p, Users{})
		groups, errs2 := groupTable(p, Groups{})
		if len(errs1)+len(errs2) > 0 {
			t.Errorf("%s: %v %v", preset, errs1, errs2)
		}
		for _, name := range slices.Concat(users.names, groups.names) {
			if name == "*" || name == "+" || slices.Contains(neverRead, strings.ToLower(name)) {
				t.Errorf("%s asks for %s", preset, name)
			}
		}
	}
}
