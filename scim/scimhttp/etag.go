package scimhttp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rollcall/scim"
)

// appendETag writes a version as an entity tag. Tags are weak (RFC 7644 §3.14): one
// version has many texts, by projection.
func appendETag(dst []byte, v scim.Version) []byte {
	dst = append(dst, 'W', '/', '"')
	dst = strconv.AppendUint(dst, uint64(v), 10)
	return append(dst, '"')
}

func (x *exchange) setETag(t shownAs) {
	var b [40]byte
	x.w.Header()["Etag"] = []string{string(t.appendTag(b[:0]))}
}

// shownAs is what an entity tag is made of. Whoever joins or leaves a group keeps the version, and is
// shown with other groups: a reader must not be told that nothing is new.
type shownAs struct {
	version scim.Version
	groups  uint32 // a digest of the groups that are shown; 0 for none
}

func (p *projection) shownAs(s *scim.Stored) shownAs {
	if p.groups == 0 || len(s.Groups) == 0 {
		return shownAs{version: s.Version}
	}
	h := uint32(2166136261) // FNV-1a
	for i := range s.Groups {
		for _, text := range [...]string{s.Groups[i].ID, s.Groups[i].Display} {
			for n := range len(text) {
				h = (h ^ uint32(text[n])) * 16777619
			}
			h = (h ^ 0xff) * 16777619 // ends a text: no UTF-8 has it
		}
		if !s.Groups[i].Direct {
			h = (h ^ 0xfe) * 16777619
		}
	}
	return shownAs{s.Version, max(h, 1)}
}

// appendTag writes W/"12", or W/"12-9ae16a3b" where groups are shown.
func (t shownAs) appendTag(dst []byte) []byte {
	dst = appendETag(dst, t.version)
	if t.groups == 0 {
		return dst
	}
	dst = append(dst[:len(dst)-1], '-')
	dst = strconv.AppendUint(dst, uint64(t.groups), 16)
	return append(dst, '"')
}

// etags is the value of If-Match or If-None-Match.
type etags struct {
	given bool
	any   bool // "*"
	tags  []shownAs
}

// matches compares weakly, for If-Match too: RFC 7644 §3.14 shows it with weak tags,
// which the strong comparison of RFC 9110 §13.1.1 could never match. The version alone counts, for
// a write is of the resource and not of its groups.
func (e etags) matches(v scim.Version) bool {
	return e.any || slices.ContainsFunc(e.tags, func(t shownAs) bool { return t.version == v })
}

// has tells that the client has just what would be shown.
func (e etags) has(t shownAs) bool { return e.any || slices.Contains(e.tags, t) }

// parseTag reads what stands between the quotation marks of a tag of ours.
func parseTag(text string) (t shownAs, ok bool) {
	number, groups, digested := strings.Cut(text, "-")
	v, err := strconv.ParseUint(number, 10, 64)
	if err != nil || v == 0 {
		return t, false
	}
	t.version = scim.Version(v)
	if digested {
		d, err := strconv.ParseUint(groups, 16, 32)
		if err != nil || d == 0 {
			return t, false
		}
		t.groups = uint32(d)
	}
	return t, true
}

// preconditions are those of a request (RFC 9110 §13).
type preconditions struct{ match, noneMatch etags }

func (x *exchange) preconditions() (p preconditions, err error) {
	if p.match, err = parseETags("If-Match", x.r.Header["If-Match"]); err != nil {
		return p, err
	}
	p.noneMatch, err = parseETags("If-None-Match", x.r.Header["If-None-Match"])
	return p, err
}

// pinned tells that the client named versions, so that a lost race is its to know of.
func (p preconditions) pinned() bool {
	return p.match.given && !p.match.any || p.noneMatch.given
}

// check holds a version against the preconditions: ErrVersionMismatch, which is 412.
// A GET deals with If-None-Match itself.
func (p preconditions) check(method string, v scim.Version) error {
	if p.match.given && !p.match.matches(v) {
		return scim.Errorf(scim.ErrVersionMismatch, "the resource has been changed: its version is now %s", appendETag(nil, v))
	}
	read := method == http.MethodGet || method == http.MethodHead
	if !read && p.noneMatch.given && p.noneMatch.matches(v) {
		return scim.Errorf(scim.ErrVersionMismatch, "If-None-Match holds the version that the resource has")
	}
	return nil
}

const maxETags = 32

// parseETags reads a list of entity tags (RFC 9110 §8.8.3), weak or strong. A tag that
// is none of ours matches nothing; what is no tag at all is an error, for a
// precondition that were ignored could overwrite someone's change.
func parseETags(name string, lines []string) (etags, error) {
	if len(lines) == 0 {
		return etags{}, nil
	}
	e := etags{given: true}
	bad := scim.Errorf(errBadRequest, `%s must be * or a list of entity tags such as W/"12"`, name)
	rest := strings.Trim(strings.Join(lines, ","), " \t")
	if rest == "*" {
		e.any = true
		return e, nil
	}
	for n := 0; rest != ""; n++ {
		if n == maxETags {
			return e, scim.Errorf(errBadRequest, "%s has more than %d entity tags", name, maxETags)
		}
		tag, ok := strings.CutPrefix(strings.TrimPrefix(rest, "W/"), `"`)
		if !ok {
			return e, bad
		}
		end := strings.IndexByte(tag, '"')
		if end < 0 {
			return e, bad
		}
		if t, ok := parseTag(tag[:end]); ok {
			e.tags = append(e.tags, t)
		}
		rest = strings.TrimLeft(tag[end+1:], " \t")
		if rest == "" {
			return e, nil
		}
		if rest[0] != ',' {
			return e, bad
		}
		if rest = strings.TrimLeft(rest, ", \t"); rest == "" {
			return e, nil // empty elements of a list are allowed (RFC 9110 §5.6.1.2)
		}
	}
	return e, bad
}
