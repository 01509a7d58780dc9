package scimhttp

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"rollcall/scim"
)

// spillAt is how much of an answer is kept in memory: a longer one goes out in pieces.
const spillAt = 64 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// answer is a body being written. It is sent in one piece, with its length, where it
// stays below spillAt, and else as it grows, so that no answer is ever whole in memory.
type answer struct {
	x       *exchange
	status  int
	buf     []byte
	spilled bool
	pooled  *[]byte
}

func (x *exchange) answer(status int) *answer {
	p := buffers.Get().(*[]byte)
	return &answer{x: x, status: status, buf: (*p)[:0], pooled: p}
}

// done gives the buffer back.
func (a *answer) done() {
	if cap(a.buf) <= 2*spillAt {
		*a.pooled = a.buf[:0]
		buffers.Put(a.pooled)
	}
}

// spill sends what has gathered, where that is much.
func (a *answer) spill() error {
	if len(a.buf) < spillAt {
		return nil
	}
	if !a.spilled {
		a.spilled = true
		a.x.w.Header()["Content-Type"] = jsonType
		a.x.startGzip()
		a.x.status = a.status
		a.x.w.WriteHeader(a.status)
	}
	err := a.x.write(a.buf)
	a.buf = a.buf[:0]
	return err
}

// send ends the answer.
func (a *answer) send() error {
	if !a.spilled {
		return a.x.json(a.status, a.buf)
	}
	if err := a.x.write(a.buf); err != nil {
		return err
	}
	return a.x.endGzip()
}

// resource answers with one resource. Content-Location is what meta.location is (RFC 7643
// §3.1).
func (x *exchange) resource(status int, s *scim.Stored, p *projection) error {
	x.free()
	x.setETag(p.shownAs(s))
	x.w.Header()["Content-Location"] = []string{x.location(x.typ, s.ID)}
	a := x.answer(status)
	defer a.done()
	if err := a.resource(x.typ, s, p); err != nil {
		return err
	}
	return a.send()
}

// resource appends the text of a resource: what was stored, between what the server
// itself knows. Stored text goes out as it is where nothing of it has to be left out.
func (a *answer) resource(t *wireType, s *scim.Stored, p *projection) error {
	body := s.Body
	if !p.whole {
		res, err := s.Resource()
		if err != nil {
			return err
		}
		if p.computed && a.x.h.cfg.Computed != nil {
			if err := a.x.h.cfg.Computed(a.x.ctx, a.x.workspace, res); err != nil {
				return err
			}
		}
		body = scim.AppendJSON(nil, p.attributes(t.ResourceType, res.Attributes))
	}
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' {
		return scim.Errorf(scim.ErrCorrupt, "%s: stored attributes are no object", s.Ref)
	}
	a.buf = t.appendSchemas(a.buf, s.Body)
	a.buf = append(a.buf, `,"id":`...)
	a.buf = appendString(a.buf, s.ID)
	if p.externalID && s.ExternalID != "" {
		a.buf = append(a.buf, `,"externalId":`...)
		a.buf = appendString(a.buf, s.ExternalID)
	}
	if inner := body[1 : len(body)-1]; len(inner) > 0 {
		a.buf = append(a.buf, ',')
		a.buf = append(a.buf, inner...)
	}
	if p.groups != 0 && len(s.Groups) > 0 {
		a.groups(s.Groups, p.groups)
	}
	if p.meta != 0 {
		a.meta(t, s, p)
	}
	if p.members != 0 {
		if err := a.members(s.Ref, p.members); err != nil {
			return err
		}
	}
	a.buf = append(a.buf, '}')
	return a.spill()
}

// appendSchemas lists the schemas in use. A name of an attribute is never within a
// string of the text, where each quotation mark has a backslash in front of it, so
// looking for the quoted URN and its colon finds the extension and nothing else.
func (t *wireType) appendSchemas(dst, body []byte) []byte {
	dst = append(dst, t.open...)
	var room [16]bool
	found := append(room[:0], make([]bool, len(t.extensions))...)
	t.extensionsIn(body, found)
	for i, in := range found {
		if in {
			dst = append(dst, t.extensions[i].item...)
		}
	}
	return append(dst, ']')
}

var urnPrefix = []byte("urn:")

// extensionsIn finds which extensions a text has, all in one pass: few texts have many "urn:".
func (t *wireType) extensionsIn(body []byte, found []bool) {
	for at := 1; at < len(body); {
		i := bytes.Index(body[at:], urnPrefix)
		if i < 0 {
			return
		}
		at += i
		if body[at-1] == '"' {
			for n := range t.extensions {
				if bytes.HasPrefix(body[at:], t.extensions[n].key) {
					found[n] = true
				}
			}
		}
		at += len(urnPrefix)
	}
}

func (a *answer) groups(groups []scim.Membership, show subs) {
	a.buf = append(a.buf, `,"groups":[`...)
	for i := range groups {
		g := &groups[i]
		o := object{buf: append(a.buf, '{')}
		if show.has(groupSubs, "value") {
			o.name("value")
			o.buf = appendString(o.buf, g.ID)
		}
		if t := a.x.model.byType[g.Type]; t != nil && show.has(groupSubs, "$ref") {
			o.name("$ref")
			o.buf = a.appendLocation(o.buf, t, g.ID)
		}
		if show.has(groupSubs, "display") && g.Display != "" {
			o.name("display")
			o.buf = appendString(o.buf, g.Display)
		}
		if show.has(groupSubs, "type") {
			kind := `"direct"`
			if !g.Direct {
				kind = `"indirect"`
			}
			o.name("type")
			o.buf = append(o.buf, kind...)
		}
		a.buf = append(o.buf, '}')
		if i < len(groups)-1 {
			a.buf = append(a.buf, ',')
		}
	}
	a.buf = append(a.buf, ']')
}

// members streams the members of a group from the store into the answer. They may be
// newer than the version in the answer, never older: whoever goes on with that version
// is told that the group has changed. A HEAD does without.
func (a *answer) members(group scim.Ref, show subs) error {
	if a.x.r.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := context.WithCancel(a.x.ctx)
	defer cancel() // stops reading ahead where the client has gone
	a.buf = append(a.buf, `,"members":[`...)
	first := true
	for m, err := range a.x.store.Members(ctx, group, scim.Ref{}) {
		if err != nil {
			return err
		}
		if !first {
			a.buf = append(a.buf, ',')
		}
		first = false
		a.member(m, show)
		if err := a.spill(); err != nil {
			return err
		}
	}
	a.buf = append(a.buf, ']')
	return nil
}

func (a *answer) member(m scim.Ref, show subs) {
	o := object{buf: append(a.buf, '{')}
	if show.has(memberSubs, "value") {
		o.name("value")
		o.buf = appendString(o.buf, m.ID)
	}
	if t := a.x.model.byType[m.Type]; t != nil && show.has(memberSubs, "$ref") {
		o.name("$ref")
		o.buf = a.appendLocation(o.buf, t, m.ID)
	}
	if show.has(memberSubs, "type") {
		o.name("type")
		o.buf = appendString(o.buf, m.Type)
	}
	a.buf = append(o.buf, '}')
}

const timeLayout = "2006-01-02T15:04:05.000Z"

func (a *answer) meta(t *wireType, s *scim.Stored, p *projection) {
	show := p.meta
	buf := append(a.buf, ',')
	if show == allSubs {
		buf = append(buf, t.metaOpen...)
		buf = append(buf, `,"created":`...)
		buf = appendTime(buf, s.Created)
		buf = append(buf, `,"lastModified":`...)
		buf = appendTime(buf, s.LastModified)
		buf = append(buf, `,"location":`...)
		buf = a.appendLocation(buf, t, s.ID)
		buf = append(buf, `,"version":`...)
		buf = appendVersion(buf, p.shownAs(s))
		a.buf = append(buf, '}')
		return
	}
	o := object{buf: append(buf, `"meta":{`...)}
	if show.has(metaSubs, "resourceType") {
		o.name("resourceType")
		o.buf = appendString(o.buf, s.Type)
	}
	if show.has(metaSubs, "created") {
		o.name("created")
		o.buf = appendTime(o.buf, s.Created)
	}
	if show.has(metaSubs, "lastModified") {
		o.name("lastModified")
		o.buf = appendTime(o.buf, s.LastModified)
	}
	if show.has(metaSubs, "location") {
		o.name("location")
		o.buf = a.appendLocation(o.buf, t, s.ID)
	}
	if show.has(metaSubs, "version") {
		o.name("version")
		o.buf = appendVersion(o.buf, p.shownAs(s))
	}
	a.buf = append(o.buf, '}')
}

// appendVersion writes a tag as a JSON string.
func appendVersion(dst []byte, t shownAs) []byte {
	var b [40]byte
	tag := t.appendTag(b[:0]) // W/"…": there is nothing to escape but the marks
	dst = append(dst, `"W/\"`...)
	dst = append(dst, tag[len(`W/"`):len(tag)-1]...)
	return append(dst, `\""`...)
}

// object writes the names of an object's values with commas between.
type object struct {
	buf  []byte
	more bool
}

func (o *object) name(n string) {
	if o.more {
		o.buf = append(o.buf, ',')
	}
	o.more = true
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, n...)
	o.buf = append(o.buf, '"', ':')
}

// appendLocation writes a URL. Ids are UUIDs and the base was checked: nothing in it
// needs to be escaped.
func (a *answer) appendLocation(dst []byte, t *wireType, id string) []byte {
	dst = append(dst, '"')
	dst = append(dst, a.x.base...)
	dst = append(dst, '/')
	dst = append(dst, t.name...)
	dst = append(dst, '/')
	dst = append(dst, id...)
	return append(dst, '"')
}

// appendTime writes a time in timeLayout, digit by digit: it is in every answer twice.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < 0 || year > 9999 {
		return append(t.AppendFormat(append(dst, '"'), timeLayout), '"')
	}
	two := func(b []byte, n int, behind byte) []byte { return append(b, byte('0'+n/10), byte('0'+n%10), behind) }
	dst = append(dst, '"', byte('0'+year/1000), byte('0'+year/100%10))
	dst = two(two(two(dst, year%100, '-'), int(month), '-'), day, 'T')
	dst = two(two(two(dst, hour, ':'), minute, ':'), second, '.')
	ms := t.Nanosecond() / 1e6
	return append(dst, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z', '"')
}

// appendString writes a JSON string; ids and names of plain ASCII go in as they are.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return scim.AppendJSON(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
