package ldapsrc

import (
	"strings"
	"testing"
)

func TestTemplates(t *testing.T) {
	const person = "dn: uid=ada,dc=x\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\nsn: Lovelace\ngivenName: Ada\n" +
		"mail: ada@EXAMPLE.org\nmail: second@example.org\nx-badge: B-17\ntitle: Countess\n"
	for template, want := range map[string]string{
		`{{.sn}}, {{.givenName}}`:                               "Lovelace, Ada",
		`{{.SN}} {{.missing}}`:                                  "Lovelace",
		`{{.missing}}`:                                          "", // no value: the attribute is not there
		`{{lower .mail}}`:                                       "ada@example.org",
		`{{.mail | lower | before "@"}}`:                        "ada",
		`{{after "@" .mail | upper}}`:                           "EXAMPLE.ORG",
		`{{attr "x-Badge"}}`:                                    "B-17",
		`{{attr "x-badge" | replace "-" ""}}`:                   "B17",
		`{{first 1 .givenName}}{{first 3 .sn}}`:                 "ALov",
		`{{.missing | default "none"}}`:                         "none",
		`{{if .missing}}a{{else if eq .sn "Lovelace"}}b{{end}}`: "b",
		`{{if and .sn (not .missing)}}both{{end}}`:              "both",
		`{{/* a comment */}}{{.uid -}}   x`:                     "adax",
	} {
		s := ldifOf(t, person, Users{Attributes: map[string]string{"nickName": template}}, Groups{})
		r := collect(t, s)
		if len(r) != 1 || r[0].Entry == nil {
			t.Errorf("%s: read = %+v", template, r)
			continue
		}
		if got, _ := r[0].Entry.Attributes["nickName"].(string); got != want {
			t.Errorf("%s = %q, want %q", template, got, want)
		}
	}
}

func TestBadTemplates(t *testing.T) {
	for template, says := range map[string]string{
		`{{.sn`:                        "template",
		`{{range .sn}}x{{end}}`:        "no place",
		`{{with .sn}}{{.}}{{end}}`:     "no place",
		`{{template "x"}}`:             "no place",
		`{{define "x"}}{{end}}{{.sn}}`: "within it",
		`{{$x := .sn}}{{$x}}`:          "variables",
		`{{.sn.x}}`:                    "one name",
		`{{printf "%1000000s" .sn}}`:   "printf",
		`{{len .sn}}`:                  "has no function len",
		`{{.}} {{.sn}}`:                "no place",
		`{{call .sn}}`:                 "call",
		`{{attr .sn}}`:                 "in quotes",
		`{{attr "no name"}}`:           "no name",
		`{{"text"}}`:                   "a constant begins with =",
		`{{.unicodePwd}}`:              "password",
		`{{.sn}}` + strings.Repeat(" ", maxTemplate): "longer",
		`{{nothing .sn}}`:                      "nothing",
		`{{block "x" .}}{{.sn}}{{end}}{{.sn}}`: "",
		`{{.sn}}{{break}}`:                     "",
		`{{(.sn).x}}`:                          "",
		`{{nil}}{{.sn}}`:                       "",
	} {
		c := LDIFConfig{Path: "x", Preset: "openldap", Users: Users{Attributes: map[string]string{"nickName": template}}}
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "users.attributes.nickName: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("Validate with %q = %v, want an error about nickName that says %q", template, err, says)
		}
	}
}

// What a template makes is no longer than a value may be, whatever it does to it on the way, and
// the entry alone is at fault.
func TestTemplateIsBounded(t *testing.T) {
	s := ldifOf(t, "dn: uid=ada,dc=x\nobjectClass: inetOrgPerson\nuid: ada\ncn: aaaaaaaaaaaaaaaaaaaaaaaaa\n",
		Users{Attributes: map[string]string{"nickName": `{{.cn` + strings.Repeat(` | replace "a" "aaaaaaaaaaaaaaaaaaaa"`, 24) + `}}`}}, Groups{})
	r := collect(t, s)
	if len(r) != 1 || r[0].Fault == nil || !strings.Contains(r[0].Fault.Reason, "more than 8192 bytes") || r[0].Fault.Attribute != "cn" {
		t.Errorf("read = %+v, want one fault about the length", r)
	}
}

func TestExclude(t *testing.T) {
	const people = "dn: uid=ada,dc=x\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\nemployeeType: staff\n\n" +
		"dn: uid=svc,dc=x\nobjectClass: inetOrgPerson\nuid: svc\ncn: Service\nemployeeType: service\n\n" +
		"dn: uid=bob,dc=x\nobjectClass: inetOrgPerson\nuid: bob\ncn: Bob\n"
	r := readAll(t, ldifOf(t, people, Users{Exclude: "employeeType=service"}, Groups{}))
	if r.expect(t, 2, 0); r.users["svc"].ID != "" {
		t.Errorf("svc was read, and is excluded")
	}
	err := LDIFConfig{Path: "x", Preset: "openldap", Users: Users{Exclude: "(uid="}}.Validate()
	if err == nil || !strings.HasPrefix(err.Error(), "users.exclude: ") {
		t.Errorf("Validate with a broken exclude = %v, want users.exclude named", err)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{{.sn}}, {{.givenName | lower}}`, "Lovelace")
	f.Add(`{{if eq .a "b"}}{{replace "x" "yy" .a}}{{end}}`, "xxx")
	f.Add(`{{attr "a-b" | first 3 | default "z"}}`, "")
	f.Fuzz(func(t *testing.T, template, value string) {
		compiled, err := parseTemplate(template)
		if err != nil {
			return
		}
		values := map[string]string{}
		for _, n := range compiled.names {
			values[n] = value
		}
		if text, err := compiled.text(values); err == nil && len(text) > maxValue {
			t.Errorf("%q makes %d bytes", template, len(text))
		}
	})
}
