package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
)

// The people of the benchmark are made from their number alone, so that nothing has to be kept.

var (
	givenNames  = []string{"Ada", "Bashir", "Chiara", "Dmitri", "Esther", "Farid", "Greta", "Hiroshi", "Ingrid", "Joaquin", "Keiko", "Lucien", "Marta", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Stefan", "Tamar", "Uwe", "Valeria", "Wendell", "Ximena", "Yusuf", "Zofia"}
	familyNames = []string{"Anderson", "Bergstrom", "Castillo", "Dvorak", "Eriksson", "Fontaine", "Grunwald", "Haverford", "Ibrahim", "Jansson", "Kowalski", "Lindqvist", "Moreau", "Nakamura", "Okonkwo", "Petersson", "Quintero", "Robertson", "Schreiber", "Takahashi", "Ulrichsen", "Vasquez", "Whitfield", "Yamamoto", "Zielinski", "Abernathy", "Brandt", "Cavendish", "Delacroix"}
	titles      = []string{"Software Engineer", "Account Manager", "Quality Analyst", "Product Designer", "Support Specialist", "Field Technician", "Controller"}
	cities      = []string{"Rotterdam", "Gothenburg", "Valparaiso", "Marseille", "Nagoya", "Winnipeg", "Ljubljana"}
)

func given(n int) string  { return givenNames[n%len(givenNames)] }
func family(n int) string { return familyNames[n/len(givenNames)%len(familyNames)] }
func title(n int) string  { return titles[n%len(titles)] }
func city(n int) string   { return cities[n/3%len(cities)] }

func userName(n int) string   { return fmt.Sprintf("person.%08d@example.com", n) }
func externalID(n int) string { return fmt.Sprintf("00u%017d", n) }

// appendUser writes a User as an identity provider sends it: about 1.2 KB.
func appendUser(b []byte, n int) []byte {
	g, f, t, c := given(n), family(n), title(n), city(n)
	num := fmt.Sprintf("%08d", n)
	text := func(parts ...string) {
		for _, p := range parts {
			b = append(b, p...)
		}
	}
	text(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],`)
	text(`"userName":"person.`, num, `@example.com","externalId":"`, externalID(n), `","active":true,`)
	text(`"name":{"formatted":"`, g, ` `, f, `","givenName":"`, g, `","familyName":"`, f, `"},"displayName":"`, g, ` `, f, `","nickName":"`, g, `","title":"`, t, `",`)
	text(`"userType":"Employee","preferredLanguage":"en-US","locale":"en-US","timezone":"Europe/Amsterdam","profileUrl":"https://people.example.com/profile/`, num, `",`)
	text(`"emails":[{"value":"person.`, num, `@example.com","type":"work","primary":true},{"value":"`, g, `.`, f, `.`, num, `@mail.example.org","type":"home"}],`)
	text(`"phoneNumbers":[{"value":"+31 10 `, num, `","type":"work"},{"value":"+31 6 `, num, `","type":"mobile"}],`)
	text(`"addresses":[{"type":"work","primary":true,"formatted":"100 Harbour Street, `, c, `","streetAddress":"100 Harbour Street","locality":"`, c, `","region":"South","postalCode":"3011 AB","country":"NL"}],`)
	text(`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"`, num, `","costCenter":"4130","organization":"Larkspur Instruments","division":"Instruments","department":"Department `, strconv.Itoa(n%97), `"}}`)
	return b
}

// appendRetitle writes the PATCH of one attribute, with a value that is always new.
func appendRetitle(b []byte, n int) []byte {
	b = append(b, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"title","value":"Engineer `...)
	b = strconv.AppendInt(b, int64(n), 10)
	return append(b, `"}]}`...)
}

// appendMembership writes the PATCH that adds or removes one member.
func appendMembership(b []byte, user string, remove bool) []byte {
	b = append(b, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"`...)
	if remove {
		b = append(b, `remove","path":"members[value eq \"`...)
		b = append(b, user...)
		return append(b, `\"]"}]}`...)
	}
	b = append(b, `add","path":"members","value":[{"value":"`...)
	b = append(b, user...)
	return append(b, `"}]}]}`...)
}

// appendGroup writes a Group, appendMembers the PATCH that adds many members.
func appendGroup(b []byte, g int, users []string) []byte {
	b = append(b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Group `...)
	b = strconv.AppendInt(b, int64(g), 10)
	b = append(b, `","members":[`...)
	return append(appendRefs(b, users), `]}`...)
}

func appendMembers(b []byte, users []string) []byte {
	b = append(b, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[`...)
	return append(appendRefs(b, users), `]}]}`...)
}

func appendRefs(b []byte, users []string) []byte {
	for i, id := range users {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"value":"`...)
		b = append(b, id...)
		b = append(b, `"}`...)
	}
	return b
}

// The tree of the directory.
const (
	suffix          = "dc=example,dc=org"
	groupsPerPerson = 2.5
	membersPerGroup = 250
)

// tree is a directory of some size, as the LDIF that slapadd loads.
type tree struct{ people, groups int }

func newTree(people int) tree {
	return tree{people, max(1, int(float64(people)*groupsPerPerson/membersPerGroup))}
}

func (t tree) memberships() int { return t.groups * t.size() }

// size is how many members each group has.
func (t tree) size() int { return min(membersPerGroup, t.people) }

// member is the number of the i-th member of group g.
func (t tree) member(g, i int) int { return (g*membersPerGroup/2 + i) % t.people }

func (t tree) writeLDIF(w io.Writer) error {
	_, err := fmt.Fprintf(w, "dn: %[1]s\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n"+
		"dn: ou=people,%[1]s\nobjectClass: organizationalUnit\nou: people\n\ndn: ou=groups,%[1]s\nobjectClass: organizationalUnit\nou: groups\n\n", suffix)
	for n := 0; n < t.people && err == nil; n++ {
		_, err = fmt.Fprintf(w, "dn: uid=p%08[1]d,ou=people,%[2]s\nobjectClass: inetOrgPerson\nuid: p%08[1]d\ncn: %[3]s %[4]s\nsn: %[4]s\ngivenName: %[3]s\n"+
			"displayName: %[3]s %[4]s\nmail: person.%08[1]d@example.com\ntitle: %[5]s\nl: %[6]s\ntelephoneNumber: +31 10 %08[1]d\nemployeeNumber: %08[1]d\n\n",
			n, suffix, given(n), family(n), title(n), city(n))
	}
	for g := 0; g < t.groups && err == nil; g++ {
		_, err = fmt.Fprintf(w, "dn: cn=group-%05[1]d,ou=groups,%[2]s\nobjectClass: groupOfNames\ncn: group-%05[1]d\n", g, suffix)
		for i := 0; i < t.size() && err == nil; i++ {
			_, err = fmt.Fprintf(w, "member: uid=p%08d,ou=people,%s\n", t.member(g, i), suffix)
		}
		if err == nil {
			_, err = io.WriteString(w, "\n")
		}
	}
	return err
}

// appendSynced writes the resource that the sync makes of a person: what the raw write writes.
func appendSynced(b []byte, n int) []byte {
	return fmt.Appendf(b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"p%08[1]d","externalId":"%08[1]d-0000-4000-8000-000000000000",`+
		`"displayName":"%[2]s %[3]s","name":{"givenName":"%[2]s","familyName":"%[3]s"},"emails":[{"type":"work","value":"person.%08[1]d@example.com"}],"active":true}`,
		n, given(n), family(n))
}

// secret is a token for one run.
func secret() string { return random(24) }

// newID is as long as the ids of resources are.
func newID() string { return random(18) }

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
