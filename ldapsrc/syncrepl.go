package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	dirsync "rollcall/sync"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// RFC 4533: the controls and the message of content synchronization.
const (
	syncOID      = "1.3.6.1.4.1.4203.1.9.1.1"
	syncStateOID = "1.3.6.1.4.1.4203.1.9.1.2"
	syncInfoOID  = "1.3.6.1.4.1.4203.1.9.1.4"
)

const (
	refreshOnly       = 1
	refreshAndPersist = 3
)

// syncrepl learns by RFC 4533 from OpenLDAP. Its position is the contextCSN that the server has on the
// root of its tree; a cookie is made of it. Only what the server names counts: that it does not name an
// entry says nothing, whatever refreshDeletes has to say (reference/ldap.md §0).
type syncrepl struct {
	f    *Follower
	base string // the naming context

	mu  sync.Mutex // guards csn: wait goes on beside the reads
	csn []string   // sorted
}

func (s *syncrepl) at() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.csn
}

func (s *syncrepl) move(csn []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.csn = csn
}

func (s *syncrepl) begin(ctx context.Context, c *conn) error {
	var err error
	if s.base, err = s.f.context(c); err != nil {
		return err
	}
	csn, err := s.contextCSN(ctx, c)
	s.move(csn)
	return err
}

func (s *syncrepl) contextCSN(ctx context.Context, c *conn) (csn []string, err error) {
	req := request{name: "contextCSN", base: s.base, scope: ScopeBase, filter: "(objectClass=*)", attributes: []string{"contextCSN"}}
	var entries entryReader
	err = c.search(ctx, req, func(body []byte) bool {
		raw, err := entries.read(body)
		if err != nil {
			return true
		}
		for _, a := range raw.attrs {
			for _, v := range a.values {
				csn = append(csn, string(v))
			}
		}
		return true
	})
	if err == nil && len(csn) == 0 {
		err = errors.New("the server has no contextCSN: it lacks the overlay syncprov, or the bind account may not read it")
	}
	slices.Sort(csn)
	return csn, err
}

// cookie is the position as a consumer of OpenLDAP writes it.
func (s *syncrepl) cookie() []byte { return []byte("rid=000,csn=" + strings.Join(s.at(), ";")) }

func (s *syncrepl) changed(ctx context.Context, c *conn) (ids []string, move func(), err error) {
	now, err := s.contextCSN(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if slices.Equal(now, s.at()) {
		return nil, func() {}, nil
	}
	seen := map[string]bool{}
	for _, search := range s.f.searches() {
		notices, err := s.ask(ctx, c, search, refreshOnly, func(n notice) bool {
			for _, id := range n.ids {
				if !seen[id] {
					seen[id] = true
					ids = append(ids, id)
				}
			}
			return true
		})
		if err != nil {
			return nil, nil, err
		}
		if notices.present {
			return nil, nil, &dirsync.ReadWhole{Why: "the server no longer knows what was deleted since the last read"}
		}
	}
	return ids, func() { s.move(now) }, nil
}

// notice is what one message says.
type notice struct {
	ids     []string
	present bool // it names what is there, so that the rest is to be taken for deleted: we do not
}

// ask runs a search with the sync request control, and passes each notice to each.
func (s *syncrepl) ask(ctx context.Context, c *conn, search *search, mode byte, each func(notice) bool) (all notice, err error) {
	value := berElement(tagSequence, []byte{tagEnumerated, 1, mode}, berElement(tagOctetString, s.cookie()))
	var broken error
	req := request{name: search.name, base: search.base, scope: search.scope, filter: search.filter, attributes: []string{"1.1"},
		controls: []ldap.Control{critical{syncOID, value}}, whole: true, finished: func(done) {},
		countReferences: true}
	err = c.search(ctx, req, func(body []byte) bool {
		m, err := parseMessage(body)
		var n notice
		if err == nil {
			n, err = parseNotice(m)
		}
		if err != nil {
			broken = &dirsync.ReadWhole{Why: "what the server says of its changes cannot be read"}
			return false
		}
		all.present = all.present || n.present
		return each(n)
	})
	if broken != nil {
		return all, broken
	}
	return all, wholeFor(err)
}

// wholeFor turns the results by which a server refuses a cookie into what is to be done.
func wholeFor(err error) error {
	var r *ReadError
	if errors.As(err, &r) && slices.Contains([]int{ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultProtocolError,
		ldap.LDAPResultUnavailableCriticalExtension, ldap.LDAPResultInsufficientAccessRights, syncRefreshRequired}, r.Code) {
		return &dirsync.ReadWhole{Why: fmt.Sprintf("the server does not go on from the last read: result %d", r.Code)}
	}
	return err
}

const syncRefreshRequired = 4096 // RFC 4533 §2.6

// parseNotice reads an entry with its state (RFC 4533 §2.3), or a sync info message (§2.5).
func parseNotice(m message) (n notice, err error) {
	const present, tagSyncName, tagSyncValue = 0, 0x80, 0x81
	switch m.op {
	case opEntry:
		value, given, err := controlValue(m.controls, syncStateOID)
		if err != nil || !given {
			return n, errBER
		}
		seq, _, err := expect(value, tagSequence)
		if err != nil {
			return n, errBER
		}
		state, seq, err := expect(seq, tagEnumerated)
		if err != nil || len(state) != 1 {
			return n, errBER
		}
		uuid, _, err := expect(seq, tagOctetString)
		if err != nil || len(uuid) != 16 {
			return n, errBER
		}
		return notice{ids: []string{formatUUID([16]byte(uuid))}, present: state[0] == present}, nil
	case opIntermediate:
		name, rest, err := expect(m.body, tagSyncName)
		if err != nil || string(name) != syncInfoOID {
			return n, err
		}
		value, _, err := expect(rest, tagSyncValue)
		if err != nil {
			return n, errBER
		}
		return parseSyncInfo(value)
	}
	return n, nil
}

// parseSyncInfo reads a syncInfoValue (RFC 4533 §2.5).
func parseSyncInfo(value []byte) (n notice, err error) {
	const newCookie, refreshDelete, refreshPresent, idSet, tagBoolean = 0x80, 0xa1, 0xa2, 0xa3, 0x01
	tag, body, _, err := nextElement(value)
	if err != nil {
		return n, errBER
	}
	switch tag {
	case newCookie, refreshDelete:
		return n, nil
	case refreshPresent:
		return notice{present: true}, nil
	case idSet:
	default:
		return n, errBER
	}
	deletes := false
	for len(body) > 0 {
		var part []byte
		if tag, part, body, err = nextElement(body); err != nil {
			return n, errBER
		}
		switch tag {
		case tagBoolean:
			deletes = len(part) == 1 && part[0] != 0
		case tagSet:
			for len(part) > 0 {
				var uuid []byte
				if uuid, part, err = expect(part, tagOctetString); err != nil || len(uuid) != 16 {
					return n, errBER
				}
				n.ids = append(n.ids, formatUUID([16]byte(uuid)))
			}
		}
	}
	n.present = !deletes
	if n.present {
		n.ids = nil
	}
	return n, nil
}

// wait returns when the server says that something changed (refreshAndPersist), at once where that was so
// before.
func (s *syncrepl) wait(ctx context.Context, c *conn) error {
	c.tap.wait(365 * 24 * time.Hour) // silence is what is to be expected; TCP finds out by itself that nobody is there
	both := &search{name: "live", base: s.base, scope: ScopeSub, filter: s.f.source.reading.users.filter}
	if g := s.f.source.reading.groups; g != nil {
		both.filter = "(|" + both.filter + g.filter + ")"
	}
	heard := false
	_, err := s.ask(ctx, c, both, refreshAndPersist, func(n notice) bool {
		heard = len(n.ids) > 0 || n.present
		return !heard
	})
	if heard {
		return nil
	}
	if err == nil {
		err = errors.New("the server ended a search that has no end")
	}
	return err
}

// berElement makes an element of parts.
func berElement(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	n := len(body)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// critical is a control that the server has to heed. go-ldap's own writes TRUE as 1, which RFC 4511 §5.1
// does not allow and Samba takes for FALSE.
type critical struct {
	oid   string
	value []byte
}

func (c critical) GetControlType() string { return c.oid }
func (c critical) String() string         { return c.oid }
func (c critical) Encode() *ber.Packet {
	const tagTrue = "\x01\x01\xff"
	return ber.DecodePacket(berElement(tagSequence, berElement(tagOctetString, []byte(c.oid)), []byte(tagTrue), berElement(tagOctetString, c.value)))
}
