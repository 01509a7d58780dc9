package ldapsrc

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// An idSyntax turns the value of a stable id attribute into the text that becomes
// externalId. The text is canonical, since it is compared byte by byte for ever after.
type idSyntax func(value []byte) (string, error)

// idSyntaxes are the stable id attributes whose syntax is known. Any other attribute
// (an employee number, say) is taken as text.
var idSyntaxes = map[string]idSyntax{
	"entryuuid":   uuidText,       // RFC 4530
	"ipauniqueid": uuidText,       // FreeIPA
	"objectguid":  guidText,       // Active Directory
	"nsuniqueid":  nsUniqueIDText, // 389 Directory Server
}

func idSyntaxOf(attribute string) idSyntax {
	if s, ok := idSyntaxes[strings.ToLower(attribute)]; ok {
		return s
	}
	return plainID
}

// maxID bounds a stable id: externalId is an index key in the store.
const maxID = 256

func plainID(v []byte) (string, error) {
	s, err := text(v)
	if err == nil && len(s) > maxID {
		err = errors.New("is longer than 256 bytes")
	}
	return s, err
}

// uuidText reads the text form of a UUID in any case.
func uuidText(v []byte) (string, error) {
	u, ok := parseUUID(string(v))
	if !ok {
		return "", errors.New("is not a UUID")
	}
	return formatUUID(u), nil
}

// guidText reads the 16 bytes of an objectGUID. Its first three fields are
// little-endian ([MS-DTYP] §2.3.4.2), so the text that tools print for it is not the
// plain hexadecimal of its bytes.
func guidText(v []byte) (string, error) {
	if len(v) != 16 {
		return "", errors.New("is not 16 bytes long, as a GUID is")
	}
	return formatUUID([16]byte{
		v[3], v[2], v[1], v[0], v[5], v[4], v[7], v[6],
		v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15],
	}), nil
}

// nsUniqueIDText reads four groups of eight hexadecimal digits. They are the bytes of
// a UUID in order: the server's own syncrepl calls the entry by that UUID.
func nsUniqueIDText(v []byte) (string, error) {
	if len(v) != 35 || v[8] != '-' || v[17] != '-' || v[26] != '-' {
		return "", errors.New("is not four groups of eight hexadecimal digits")
	}
	var u [16]byte
	for i := range 4 {
		if _, err := hex.Decode(u[4*i:], v[9*i:9*i+8]); err != nil {
			return "", errors.New("is not four groups of eight hexadecimal digits")
		}
	}
	return formatUUID(u), nil
}

// byID is the filter that finds the one entry of the search with a stable id.
func (s *search) byID(id string) (string, error) {
	value, err := assertion(s.table.names[s.table.id], id)
	if err != nil {
		return "", err
	}
	return "(&" + s.filter + "(" + s.table.names[s.table.id] + "=" + value + "))", nil
}

// assertion is a stable id as a filter wants it (RFC 4515 §3), the other way around of idSyntax.
func assertion(attribute, id string) (string, error) {
	switch strings.ToLower(attribute) {
	case "objectguid":
		u, ok := parseUUID(id)
		if !ok {
			return "", errors.New("is not a UUID")
		}
		u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7] = u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6]
		var b strings.Builder
		for _, c := range u {
			fmt.Fprintf(&b, `\%02x`, c)
		}
		return b.String(), nil
	case "nsuniqueid":
		u, ok := parseUUID(id)
		if !ok {
			return "", errors.New("is not a UUID")
		}
		h := hex.EncodeToString(u[:])
		return h[:8] + "-" + h[8:16] + "-" + h[16:24] + "-" + h[24:], nil
	}
	return ldap.EscapeFilter(id), nil
}

func parseUUID(s string) (u [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:]))
	return u, err == nil
}

func formatUUID(u [16]byte) string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// dnNamespace is the name space of X.500 DNs in RFC 4122, appendix C.
var dnNamespace = [16]byte{0x6b, 0xa7, 0xb8, 0x14, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}

// dnUUID is the UUIDv5 (RFC 4122 §4.3) of a DN in canonical form, written as text:
// "uid=ada,ou=people,dc=example,dc=org". It stands in for a stable id where an LDIF
// file has none. It is stable while the DN is: rename the entry and it is somebody else.
func dnUUID(canonical []byte) string {
	h := sha1.New()
	h.Write(dnNamespace[:])
	h.Write(dnText(canonical))
	var u [16]byte
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return formatUUID(u)
}
