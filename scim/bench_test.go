package scim

import (
	"encoding/json"
	"testing"
)

// benchUser is a user of about 1.2 KB, as RFC 7643 §8 shows them and an IdP sends them.
const benchUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"bjensen@example.com",
"name":{"formatted":"Ms. Barbara J Jensen, III","familyName":"Jensen","givenName":"Barbara","middleName":"Jane","honorificPrefix":"Ms."},
"displayName":"Babs Jensen","nickName":"Babs","profileUrl":"https://login.example.com/bjensen",
"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
"addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"USA","formatted":"100 Universal City Plaza\nHollywood, CA 91608 USA","primary":true}],
"phoneNumbers":[{"value":"555-555-5555","type":"work"},{"value":"555-555-4444","type":"mobile"}],
"userType":"Employee","title":"Tour Guide","preferredLanguage":"en-US","locale":"en-US","timezone":"America/Los_Angeles","active":true,
"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","costCenter":"4130","organization":"Universal Studios","division":"Theme Park","department":"Tour Operations","manager":{"value":"26118915-6090-4610-87e4-49d8ca9f808d"}}}`

const fiveClauses = `userName sw "b" and active eq true and (emails.value co "@example.com" or name.familyName eq "Jensen") and meta.lastModified gt "2026-01-01T00:00:00Z"`

func BenchmarkParseObject(b *testing.B) {
	text := []byte(benchUser)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseObject(text, BodyLimits); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseObjectStandard is the ceiling to compare with: encoding/json.
func BenchmarkParseObjectStandard(b *testing.B) {
	text := []byte(benchUser)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	m := parse(b, benchUser)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendJSON(buf[:0], m)
	}
}

func BenchmarkUserNameKey(b *testing.B) {
	for name, s := range map[string]string{"ascii": "BJensen@example.com", "unicode": "Müller@example.com"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = UserNameKey(s)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	body := parse(b, benchUser)
	typ := user()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := typ.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseFilter(b *testing.B) {
	for name, text := range map[string]string{"one": `userName eq "x"`, "five": fiveClauses} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFilter(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBind(b *testing.B) {
	for name, text := range map[string]string{"one": `userName eq "x"`, "five": fiveClauses} {
		f, err := ParseFilter(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Bind(user()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	target := sampleTarget(b)
	for name, text := range map[string]string{"userName": `userName eq "x@y.z"`, "co": `name.familyName co "son"`, "five": fiveClauses} {
		p := bind(b, user(), text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Match(target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPatch(b *testing.B) {
	draft, err := user().Decode(parse(b, benchUser))
	if err != nil {
		b.Fatal(err)
	}
	for name, ops := range map[string]string{
		"active": `[{"op":"replace","value":{"active":false}}]`,
		"email":  `[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"new@example.com"}]`,
	} {
		list := operations(b, ops)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := user().Patch(draft.Resource, list, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
