package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"rollcall/scim"
)

var someone = scim.Ref{Type: "User", ID: "01a2127c-f64d-7615-a011-4e950f87b2b2"}

// TestDictionaryStays: with another dictionary nothing could be read that was written with this one.
func TestDictionaryStays(t *testing.T) {
	sum := sha256.Sum256(dictionary1)
	const want = "3784c3b5d6884aba074e326b30fc40acf5063d5f6195e3d981fbbc9123370257"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the dictionary of format 1 has the hash %s, want %s: make another format instead", got, want)
	}
}

func TestCompress(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "short": "{}", "user": `{"active":true,"displayName":"Ada","emails":[{"primary":true,"type":"work","value":"ada@example.com"}],"userName":"ada"}`,
		"long": strings.Repeat("abc", 300_000), "no JSON": "\x00\xff",
	} {
		plain := encodePayload("client:okta", "1", []byte(body))
		packed := compress(someone, plain)
		raw := Raw{Ref: someone, Payload: packed}
		s, err := decodeRecord(&raw)
		if err != nil || s.Owner != "client:okta" || s.ExternalID != "1" || string(s.Body) != body {
			t.Errorf("%s: decodeRecord() = %+v, %v", name, s, err)
		}
		if name == "user" && len(packed) > len(plain)*6/10 {
			t.Errorf("%d bytes compressed are %d", len(plain), len(packed))
		}
	}
}

// TestFlippedBits: whatever bit of a payload turns over, the record is not read as something else.
func TestFlippedBits(t *testing.T) {
	packed := compress(someone, encodePayload("client:okta", "1", []byte(`{"active":true,"userName":"ada","title":"Engineer"}`)))
	for i := range packed {
		for bit := range 8 {
			flipped := bytes.Clone(packed)
			flipped[i] ^= 1 << bit
			if _, err := decodeRecord(&Raw{Ref: someone, Payload: flipped}); !errors.Is(err, scim.ErrCorrupt) {
				t.Fatalf("byte %d, bit %d: decodeRecord() = %v, want ErrCorrupt", i, bit, err)
			}
		}
		if _, err := decodeRecord(&Raw{Ref: someone, Payload: packed[:i]}); !errors.Is(err, scim.ErrCorrupt) {
			t.Fatalf("cut at %d: decodeRecord() = %v, want ErrCorrupt", i, err)
		}
	}
	if _, err := decodeRecord(&Raw{Ref: scim.Ref{Type: "User", ID: "another"}, Payload: packed}); !errors.Is(err, scim.ErrCorrupt) {
		t.Errorf("under another key: decodeRecord() = %v, want ErrCorrupt", err)
	}
}

func BenchmarkCompress(b *testing.B) {
	plain := encodePayload("client:okta", "00u00000000000000001", []byte(`{"active":true,"addresses":[{"country":"NL","formatted":"100 Harbour Street, Nagoya","locality":"Nagoya","postalCode":"3011 AB","primary":true,"region":"South","streetAddress":"100 Harbour Street","type":"work"}],"displayName":"Ada Anderson","emails":[{"primary":true,"type":"work","value":"person.00000001@example.com"},{"type":"home","value":"Ada.Anderson.00000001@mail.example.org"}],"locale":"en-US","name":{"familyName":"Anderson","formatted":"Ada Anderson","givenName":"Ada"},"nickName":"Ada","phoneNumbers":[{"type":"work","value":"+31 10 00000001"},{"type":"mobile","value":"+31 6 00000001"}],"preferredLanguage":"en-US","profileUrl":"https://people.example.com/profile/00000001","timezone":"Europe/Amsterdam","title":"Software Engineer","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"costCenter":"4130","department":"Department 1","division":"Instruments","employeeNumber":"00000001","organization":"Larkspur Instruments"},"userName":"person.00000001@example.com","userType":"Employee"}`))
	packed := compress(someone, plain)
	b.Run("compress", func(b *testing.B) {
		b.ReportMetric(float64(len(packed)), "bytes")
		for b.Loop() {
			compress(someone, plain)
		}
	})
	b.Run("expand", func(b *testing.B) {
		for b.Loop() {
			if _, err := expand(someone, packed, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
