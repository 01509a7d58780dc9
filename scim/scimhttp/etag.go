package scimhttp

import (
	"net/http"
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

func (x *exchange) setETag(v scim.Version) {
	var b [32]byte
	x.w.Header()["Etag"] = []string{string(appendETag(b[:0], v))}
}

// etags is the value of If-Match or If-None-Match.
type etags struct {
	given    bool
	any      bool // "*"
	versions []scim.Version
}

// matches compares weakly, for If-Match too: RFC 7644 §3.14 shows it with weak tags,
// which the strong comparison of RFC 9110 §13.1.1 could never match.
func (e etags) matches(v scim.Version) bool {
	if e.any {
		return true
	}
	for _, w := range e.versions {
		if w == v {
			return true
		}
	}
	return false
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
		if v, err := strconv.ParseUint(tag[:end], 10, 64); err == nil && v != 0 {
			e.versions = append(e.versions, scim.Version(v))
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
