package ldapsrc

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rollcall/scim"
)

// A rule fills one SCIM attribute: a target, and where its value comes from.
type rule struct {
	path     string        // in the schema's spelling
	urn      string        // extension schema, "" for the core schema
	attr     string        // "emails"
	kind     string        // "work", the type of the value of a multi-valued attribute; "" for none
	sub      string        // "value", "" for a simple attribute
	multi    bool          // attr is multi-valued
	typ      string        // of the value, as in scim.Attribute
	sources  []string      // LDAP attributes, the first with a value wins
	constant string        // where sources is empty
	template *textTemplate // of which sources are the attributes; nil for none
}

// rulePath is the part of RFC 7644's path language that a mapping needs: a name, perhaps
// with its URN before it, perhaps with the type of a value in brackets, perhaps a sub-attribute.
var rulePath = regexp.MustCompile(`^([^\[\]]+?)(?:\[type eq "([A-Za-z0-9_ -]+)"\])?(\.\$?[A-Za-z][A-Za-z0-9_-]*)?$`)

// attributeName is an LDAP attribute type (RFC 4512 §2.5) without options.
var attributeName = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9_-]*|[0-9]+(?:\.[0-9]+)+)$`)

// notMapped are set by the server, by the stable id, or by nobody (a directory's
// password is never read).
var notMapped = []string{"id", "externalId", "meta", "schemas", "groups", "members", "password"}

// pictures are attributes whose values are no text, and large: they are left out, whatever the
// configuration says, since no SCIM attribute takes one (photos are URLs, RFC 7643 §4.1.2).
var pictures = []string{"jpegphoto", "thumbnailphoto", "thumbnaillogo", "photo", "personalpicture", "exchangephoto", "audio", "usercertificate", "usersmimecertificate"}

// neverRead are attributes that hold passwords or their hashes. They are never asked for,
// whatever the configuration says, and dropped when a server sends them all the same.
var neverRead = []string{"userpassword", "unicodepwd", "dbcspwd", "sambantpassword", "sambalmpassword",
	"krbprincipalkey", "pwdhistory", "sambapasswordhistory", "ntpwdhistory", "lmpwdhistory", "supplementalcredentials"}

// parseRule reads one line of a mapping: a SCIM path, and a source that is the name
// of an LDAP attribute, several separated by "|" of which the first with a value wins, a template
// (see template.go), or "=" followed by a constant. An empty source makes a rule without any.
func parseRule(t *scim.ResourceType, path, source string) (*rule, error) {
	r, err := parsePath(t, path)
	if err != nil || source == "" {
		return r, err
	}
	if constant, ok := strings.CutPrefix(source, "="); ok {
		r.constant = constant
		if _, err := r.value(constant); err != nil {
			return nil, fmt.Errorf("%s: the constant %w", path, err)
		}
		return r, nil
	}
	if strings.Contains(source, "{{") {
		if r.template, err = parseTemplate(source); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		r.sources = r.template.names
		return r, nil
	}
	for name := range strings.SplitSeq(source, "|") {
		name = strings.TrimSpace(name)
		if err := checkAttribute(name); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		r.sources = append(r.sources, name)
	}
	return r, nil
}

// parsePath resolves a path against the schemas.
func parsePath(t *scim.ResourceType, path string) (*rule, error) {
	m := rulePath.FindStringSubmatch(path)
	if m == nil {
		return nil, fmt.Errorf(`%q is no SCIM path such as title, name.givenName or emails[type eq "work"].value`, path)
	}
	p, err := t.Find(m[1] + m[3])
	if err != nil {
		return nil, fmt.Errorf("%q is no attribute of a %s", path, t.Name)
	}
	if p.Attr == nil {
		return nil, fmt.Errorf("%q is a schema: say which of its attributes", path)
	}
	leaf := p.Attr
	r := &rule{attr: p.Attr.Name, kind: m[2], multi: p.Attr.MultiValued}
	if p.Extension != nil {
		r.urn = p.Extension.URN
	}
	if p.Sub != nil {
		leaf, r.sub = p.Sub, p.Sub.Name
	}
	r.typ = leaf.Type
	switch {
	case slices.Contains(notMapped, r.attr) && r.urn == "", p.Attr.Mutability == "readOnly", leaf.Mutability == "readOnly":
		return nil, fmt.Errorf("%q is not filled from a directory", path)
	case leaf.Type == "complex":
		return nil, fmt.Errorf("%q is made of several parts: say which, as in %s.%s", path, path, leaf.Sub[0].Name)
	case r.kind != "" && (!r.multi || p.Attr.SubAttribute("type") == nil):
		return nil, fmt.Errorf("%q: the values of %s have no types", path, r.attr)
	case leaf.Type == "decimal":
		return nil, fmt.Errorf("%q is a decimal number, which no directory holds", path)
	}
	r.path = r.attr
	if r.urn != "" {
		r.path = r.urn + ":" + r.attr
	}
	if r.kind != "" {
		r.path += fmt.Sprintf("[type eq %q]", r.kind)
	}
	if r.sub != "" {
		r.path += "." + r.sub
	}
	return r, nil
}

// value turns text into a value of the attribute's type.
func (r *rule) value(s string) (any, error) {
	switch r.typ {
	case "boolean":
		switch strings.ToLower(s) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, errors.New("is neither TRUE nor FALSE")
	case "integer":
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, errors.New("is not a whole number")
		}
		return n, nil
	}
	return s, nil
}

func checkAttribute(name string) error {
	if !attributeName.MatchString(name) {
		return fmt.Errorf("%q is no LDAP attribute name (a constant begins with =)", name)
	}
	if slices.Contains(neverRead, strings.ToLower(name)) {
		return fmt.Errorf("%s holds a password and is never read", name)
	}
	if slices.Contains(pictures, strings.ToLower(name)) {
		return fmt.Errorf("%s holds a picture, a sound or a certificate, and no text: map an attribute that holds its URL", name)
	}
	return nil
}
