package ldapsrc

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	dirsync "rollcall/sync"

	"github.com/go-ldap/ldap/v3"
)

// usnChanged learns by the number that a domain controller gives to each change of its copy (MS-ADTS
// §3.1.1.1.9). It tells of no deletion, and of nobody who fell out of the filter.
type usnChanged struct {
	f    *Follower
	last uint64
}

func (u *usnChanged) begin(_ context.Context, c *conn) (err error) {
	u.last, err = strconv.ParseUint(c.usn, 10, 64)
	return err
}

func (u *usnChanged) changed(ctx context.Context, c *conn) (ids []string, move func(), err error) {
	now, err := strconv.ParseUint(c.usn, 10, 64)
	switch {
	case err != nil:
		return nil, nil, &dirsync.ReadWhole{Why: "the server does not number its changes"}
	case now < u.last:
		return nil, nil, &dirsync.ReadWhole{Why: "the server numbers its changes anew: it was restored from a backup"}
	case now > u.last:
		ids, _, err = u.f.ids(ctx, c, fmt.Sprintf("(uSNChanged>=%d)", u.last+1), "")
	}
	return ids, func() { u.last = now }, err
}

// timestamp learns by modifyTimestamp (RFC 4512 §3.4.3). Its times are the server's; since its entries may
// be written in another order than their times, what is a little older is looked at again. It tells of no
// deletion, and of nobody who fell out of the filter.
type timestamp struct {
	f    *Follower
	last string             // the newest time that was seen, less the margin
	seen map[string]stamped // by id, from last on
}

// stamped is an entry with its time. Its second may not have been over when it was read: then it may have
// changed again, with the same time. It is settled once it was read well after it was first seen.
type stamped struct {
	at      string
	first   time.Time
	settled bool
}

const (
	generalizedTime = "20060102150405Z"
	stampMargin     = 5 * time.Second
	stampSettles    = 2 * time.Second
)

func (s *timestamp) begin(ctx context.Context, c *conn) error {
	// The newest of a day; our own clock need not be right, only not wrong by a day.
	s.last = time.Now().Add(-24 * time.Hour).UTC().Format(generalizedTime)
	_, seen, err := s.f.ids(ctx, c, "(modifyTimestamp>="+s.last+")", "modifyTimestamp")
	if err != nil {
		return err
	}
	s.move(s.stamps(seen))
	return nil
}

// stamps are what was seen, with what is known of it.
func (s *timestamp) stamps(seen map[string]string) map[string]stamped {
	now := time.Now()
	stamps := make(map[string]stamped, len(seen))
	for id, at := range seen {
		before, ok := s.seen[id]
		if !ok || before.at != at {
			before = stamped{at: at, first: now}
		} else if now.Sub(before.first) >= stampSettles {
			before.settled = true
		}
		stamps[id] = before
	}
	return stamps
}

func (s *timestamp) changed(ctx context.Context, c *conn) (ids []string, move func(), err error) {
	_, seen, err := s.f.ids(ctx, c, "(modifyTimestamp>="+s.last+")", "modifyTimestamp")
	if err != nil {
		return nil, nil, err
	}
	for id, at := range seen {
		if before := s.seen[id]; before.at != at || !before.settled {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	stamps := s.stamps(seen)
	return ids, func() { s.move(stamps) }, nil
}

// move moves the position to the newest time of what was seen.
func (s *timestamp) move(seen map[string]stamped) {
	for _, stamp := range seen {
		whole, _, _ := strings.Cut(strings.TrimSuffix(stamp.at, "Z"), ".")
		t, err := time.Parse(generalizedTime, whole+"Z")
		if err != nil {
			continue
		}
		if from := t.Add(-stampMargin).Format(generalizedTime); from > s.last {
			s.last = from
		}
	}
	s.seen = seen
}

// ids searches users and groups for a filter, and returns the stable ids, and with each the value of an
// attribute.
func (f *Follower) ids(ctx context.Context, c *conn, filter, attribute string) (ids []string, values map[string]string, err error) {
	values = map[string]string{}
	for _, s := range f.searches() {
		id := s.table.names[s.table.id]
		req := request{name: s.name, base: s.base, scope: s.scope, filter: "(&" + s.filter + filter + ")", attributes: []string{id},
			pageSize: f.source.config.PageSize, countReferences: f.source.reading.preset.References == "count"}
		if attribute != "" {
			req.attributes = append(req.attributes, attribute)
		}
		var entries entryReader
		err := f.source.searchAll(ctx, c, req, func(body []byte) bool {
			raw, err := entries.read(body)
			if err != nil {
				return true
			}
			text := ""
			value := ""
			for _, a := range raw.attrs {
				switch {
				case len(a.values) == 0:
				case strings.EqualFold(string(a.name), id):
					text, _ = s.table.idText(a.values[0])
				case strings.EqualFold(string(a.name), attribute):
					value = string(a.values[0])
				}
			}
			if text != "" {
				ids = append(ids, text)
				values[text] = value
			}
			return true
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return ids, values, nil
}

const dirSyncOID = "1.2.840.113556.1.4.841"

// dirSync learns by the control of MS-ADTS §3.1.1.3.4.1.3: it tells of what changed in a naming context, and
// of what was deleted; not of who fell out of the filter.
type dirSync struct {
	f      *Follower
	base   string // the naming context
	cookie []byte
}

func (d *dirSync) begin(ctx context.Context, c *conn) error {
	var err error
	if d.base, err = d.f.context(c); err != nil {
		return err
	}
	// A filter that nobody meets: only the cookie is wanted.
	d.cookie = nil
	_, err = d.ask(ctx, c, "(objectGUID="+strings.Repeat(`\00`, 16)+")", func(string) {})
	return err
}

func (d *dirSync) changed(ctx context.Context, c *conn) (ids []string, move func(), err error) {
	before := d.cookie
	seen := map[string]bool{}
	next, err := d.ask(ctx, c, "(|(objectClass=user)(objectClass=group))", func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	})
	d.cookie = before
	return ids, func() { d.cookie = next }, err
}

// ask goes through the pages of changes since the cookie, which it moves.
func (d *dirSync) ask(ctx context.Context, c *conn, filter string, each func(id string)) (cookie []byte, err error) {
	// LDAP_DIRSYNC_OBJECT_SECURITY, which needs no right of its own, and _INCREMENTAL_VALUES, so that a
	// group of 50,000 does not come whole for one member.
	const flags = "\x02\x04\x80\x00\x00\x01"
	attributes := []string{"name", "isDeleted"} // name changes with a rename and a move
	for _, s := range d.f.searches() {
		for _, name := range s.attributes() {
			if !slices.Contains(attributes, name) {
				attributes = append(attributes, name)
			}
		}
	}
	for more := true; more; {
		value := berElement(tagSequence, []byte(flags), []byte("\x02\x02\x03\xe8"), berElement(tagOctetString, d.cookie))
		req := request{name: "changes", base: d.base, scope: ScopeSub, filter: filter, attributes: attributes, countReferences: true,
			controls: []ldap.Control{critical{dirSyncOID, value}}}
		var last done
		req.finished = func(d done) { last = d }
		var entries entryReader
		err := c.search(ctx, req, func(body []byte) bool {
			raw, err := entries.read(body)
			if err != nil {
				return true
			}
			for _, a := range raw.attrs {
				if strings.EqualFold(string(a.name), "objectGUID") && len(a.values) == 1 {
					if id, err := guidText(a.values[0]); err == nil {
						each(id)
					}
				}
			}
			return true
		})
		if err != nil {
			return nil, wholeFor(err)
		}
		if more, d.cookie, err = parseDirSync(last.controls); err != nil {
			return nil, &dirsync.ReadWhole{Why: "the server's answer to the DirSync control cannot be read"}
		}
	}
	return d.cookie, nil
}

func parseDirSync(controls []byte) (more bool, cookie []byte, err error) {
	value, given, err := controlValue(controls, dirSyncOID)
	if err != nil || !given {
		return false, nil, errBER
	}
	seq, _, err := expect(value, tagSequence)
	if err != nil {
		return false, nil, errBER
	}
	flag, seq, err := expect(seq, tagInteger)
	if err != nil {
		return false, nil, errBER
	}
	if _, seq, err = expect(seq, tagInteger); err != nil {
		return false, nil, errBER
	}
	cookie, _, err = expect(seq, tagOctetString)
	return slices.ContainsFunc(flag, func(b byte) bool { return b != 0 }), slices.Clone(cookie), err
}

// context is the naming context that the users and groups are in.
func (f *Follower) context(c *conn) (string, error) {
	found := ""
	for _, s := range f.searches() {
		best := ""
		for _, name := range c.info.NamingContexts {
			canon, err := appendDN(nil, name)
			if err == nil && inScope(s.canon, canon, ScopeSub) && len(name) > len(best) {
				best = name
			}
		}
		if best == "" || found != "" && found != best {
			return "", fmt.Errorf("users and groups are not in one naming context of the server")
		}
		found = best
	}
	return found, nil
}
