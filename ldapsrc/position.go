package ldapsrc

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"rollcall/scim"
	dirsync "rollcall/sync"
)

// A position is a track in bytes, for another process: how changes are learned, which server's they are, and
// the roster, without which nobody could tell who the members of a changed group are.

// positionFormat changes with what is in a position.
const positionFormat = "1"

type savedTrack struct {
	Settings string // by which it was read
	Server   string
	Way      savedWay
	Roster   savedRoster
}

// savedWay is a way and where it is.
type savedWay struct {
	Name   string // of Ways
	Base   string
	CSN    []string
	Last   string
	Number uint64
	Cookie []byte
}

// savedRoster is a roster that was linked. Pairs of a key and a number lie one behind the other.
type savedRoster struct {
	Persons           int
	ByID, ByDN, ByUID []byte
	BySID             map[string][]int32
	Long, Lost        map[string]string
	Groups            []savedGroup
}

type savedGroup struct {
	ID, DN        string
	Attributes    []byte // JSON
	Unknown       bool
	Failed, Gone  bool
	Persons, Subs []int32
	Nobody, SID   []byte
	Ranges        []savedRange
}

type savedRange struct {
	Attribute string
	Next      int
}

// Position implements sync.Follower.
func (f *Follower) Position() ([]byte, error) {
	t := f.get()
	if t == nil {
		return nil, nil
	}
	var text bytes.Buffer
	err := gob.NewEncoder(&text).Encode(savedTrack{Settings: f.settings(), Server: t.server, Way: t.way.save(), Roster: t.roster.save()})
	if err != nil {
		return nil, fmt.Errorf("ldapsrc: position: %w", err)
	}
	return text.Bytes(), nil
}

// Resume implements sync.Follower.
func (f *Follower) Resume(position []byte) error {
	var s savedTrack
	if err := gob.NewDecoder(bytes.NewReader(position)).Decode(&s); err != nil {
		return &dirsync.ReadWhole{Why: "what was kept of an earlier read cannot be read"}
	}
	if s.Settings != f.settings() {
		return &dirsync.ReadWhole{Why: "the settings of the source are others than in the earlier read"}
	}
	w := f.restore(s.Way)
	r, err := s.Roster.restore(f.source.reading.nested)
	if w == nil || err != nil {
		return &dirsync.ReadWhole{Why: "what was kept of an earlier read cannot be read"}
	}
	f.set(&track{way: w, server: s.Server, roster: r})
	return nil
}

// settings is a hash of all that decides what a read comes to.
func (f *Follower) settings() string {
	c := f.source.config
	c.Users.Model, c.Groups.Model = nil, nil
	text, err := json.Marshal([]any{positionFormat, f.choice, c.Preset, c.URLs, c.Bind, c.BindDN, c.ServerName, c.ClientCert, c.Referrals, c.Users, c.Groups})
	if err != nil { // they are texts and maps of texts
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (s *syncrepl) save() savedWay { return savedWay{Name: FollowSyncrepl, Base: s.base, CSN: s.at()} }
func (d *dirSync) save() savedWay {
	return savedWay{Name: FollowDirSync, Base: d.base, Cookie: d.cookie}
}
func (u *usnChanged) save() savedWay { return savedWay{Name: FollowUSN, Number: u.last} }

// save leaves out what was seen: it is told again.
func (s *timestamp) save() savedWay { return savedWay{Name: FollowTimestamp, Last: s.last} }

// restore makes a way that was saved; nil where there is no such one.
func (f *Follower) restore(s savedWay) way {
	switch s.Name {
	case FollowSyncrepl:
		return &syncrepl{f: f, base: s.Base, csn: s.CSN}
	case FollowDirSync:
		return &dirSync{f: f, base: s.Base, cookie: s.Cookie}
	case FollowUSN:
		return &usnChanged{f: f, last: s.Number}
	case FollowTimestamp:
		return &timestamp{f: f, last: s.Last}
	}
	return nil
}

func (r *roster) save() savedRoster {
	s := savedRoster{Persons: len(r.ids), ByID: pairs(r.byID), ByDN: pairs(r.byDN), ByUID: pairs(r.byUID),
		BySID: map[string][]int32{}, Long: textKeys(r.long), Lost: textKeys(r.lost)}
	for sid, persons := range r.bySID {
		s.BySID[string(sid[:])] = persons
	}
	for _, g := range r.groups {
		one := savedGroup{ID: g.entry.ID, DN: g.entry.DN, Attributes: scim.AppendJSON(nil, g.entry.Attributes), Unknown: g.entry.MembersUnknown,
			Failed: g.failed, Gone: g.gone, Persons: g.persons, Subs: g.subs, SID: g.sid[:]}
		for _, k := range g.nobody {
			one.Nobody = append(one.Nobody, k[:]...)
		}
		for _, left := range g.ranges {
			one.Ranges = append(one.Ranges, savedRange{left.attribute, left.next})
		}
		s.Groups = append(s.Groups, one)
	}
	return s
}

func (s *savedRoster) restore(nested string) (*roster, error) {
	r := newRoster(nested)
	r.ids = make([]key, s.Persons)
	unpair(s.ByID, r.byID)
	unpair(s.ByDN, r.byDN)
	unpair(s.ByUID, r.byUID)
	for k, n := range r.byID {
		if n >= 0 {
			if int(n) >= s.Persons {
				return nil, errBER
			}
			r.ids[n] = k
		}
	}
	for sid, persons := range s.BySID {
		r.bySID[textKey(sid)] = persons
	}
	for k, text := range s.Long {
		r.long[textKey(k)] = text
	}
	for k, text := range s.Lost {
		r.lost[textKey(k)] = text
	}
	for _, one := range s.Groups {
		attributes, err := scim.ParseObject(one.Attributes, scim.StoredLimits)
		if err != nil {
			return nil, err
		}
		g := &group{entry: dirsync.Entry{ID: one.ID, DN: one.DN, Type: "Group", Attributes: attributes, MembersUnknown: one.Unknown},
			failed: one.Failed, gone: one.Gone, persons: one.Persons, subs: one.Subs, sid: textKey(string(one.SID))}
		for k := one.Nobody; len(k) >= len(key{}); k = k[len(key{}):] {
			g.nobody = append(g.nobody, key(k[:len(key{})]))
		}
		for _, left := range one.Ranges {
			g.ranges = append(g.ranges, rangeLeft{left.Attribute, left.Next})
		}
		r.groups = append(r.groups, g)
	}
	return r, nil
}

// pairs are the keys of a map with their numbers.
func pairs(m map[key]int32) []byte {
	text := make([]byte, 0, (len(key{})+4)*len(m))
	for k, n := range m {
		text = binary.LittleEndian.AppendUint32(append(text, k[:]...), uint32(n))
	}
	return text
}

func unpair(text []byte, m map[key]int32) {
	const size = len(key{})
	for ; len(text) >= size+4; text = text[size+4:] {
		m[key(text[:size])] = int32(binary.LittleEndian.Uint32(text[size:]))
	}
}

func textKeys(m map[key]string) map[string]string {
	texts := make(map[string]string, len(m))
	for k, text := range m {
		texts[string(k[:])] = text
	}
	return texts
}

func textKey(s string) (k key) {
	copy(k[:], s)
	return k
}
