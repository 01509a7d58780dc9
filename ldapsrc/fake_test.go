package ldapsrc

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeServer is an LDAP server that says what a test wants, bytes that no real server sends
// included. It takes every bind.
type fakeServer struct {
	url string
	// search answers a search with whole messages; tlv and its friends make them.
	search func(id int, base string, attributes []string, cookie string) []byte
	root   []byte // attributes of the root DSE
}

func tlv(tag byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	n := len(body)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func octets(s string) []byte  { return tlv(tagOctetString, []byte(s)) }
func integer(n int) []byte    { return []byte{tagInteger, 2, byte(n >> 8), byte(n)} }
func enumerated(n int) []byte { return []byte{tagEnumerated, 1, byte(n)} }
func reply(id int, parts ...[]byte) []byte {
	return tlv(tagSequence, append([][]byte{integer(id)}, parts...)...)
}

func entryOf(id int, dn string, attributes ...string) []byte {
	return reply(id, tlv(opEntry, octets(dn), attributeList(attributes...)))
}

// attributeList is made of "name=value" pairs.
func attributeList(attributes ...string) []byte {
	var list [][]byte
	for _, a := range attributes {
		name, value, _ := strings.Cut(a, "=")
		if n, rest, ok := strings.Cut(value, "="); ok && strings.Contains(name, ";") { // member;range=0-1=x
			name, value = name+"="+n, rest
		}
		list = append(list, tlv(tagSequence, octets(name), tlv(tagSet, octets(value))))
	}
	return tlv(tagSequence, list...)
}

func doneOf(id, code int, cookie ...string) []byte {
	parts := [][]byte{tlv(opDone, enumerated(code), octets(""), octets("says the fake"))}
	if len(cookie) > 0 {
		value := tlv(tagSequence, integer(0), octets(cookie[0]))
		parts = append(parts, tlv(tagControls, tlv(tagSequence, octets(pagingOID), tlv(tagOctetString, value))))
	}
	return reply(id, parts...)
}

func startFake(t testing.TB) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{url: "ldap://" + l.Addr().String(), root: attributeList("supportedControl=" + pagingOID)}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); f.serve(c) })
		}
	})
	return f
}

func (f *fakeServer) serve(c net.Conn) {
	for {
		text, err := readMessage(c, nil, 1<<20)
		if err != nil {
			return
		}
		m, err := parseMessage(text)
		if err != nil {
			return
		}
		switch m.op {
		case 0x60: // BindRequest
			c.Write(reply(m.id, tlv(opBindResponse, enumerated(0), octets(""), octets(""))))
		case opSearch:
			base, attributes := parseSearch(m.body)
			if base == "" {
				c.Write(append(reply(m.id, tlv(opEntry, octets(""), f.root)), doneOf(m.id, 0)...))
				continue
			}
			d, _ := parseDone(message{body: []byte{tagEnumerated, 1, 0, 4, 0, 4, 0}, controls: m.controls})
			c.Write(f.search(m.id, base, attributes, string(d.cookie)))
		}
	}
}

// parseSearch takes base and attributes out of a SearchRequest (RFC 4511 §4.5.1).
func parseSearch(b []byte) (base string, attributes []string) {
	_, dn, b, _ := nextElement(b)
	for range 6 {
		_, _, b, _ = nextElement(b)
	}
	_, list, _, _ := nextElement(b)
	for len(list) > 0 {
		var a []byte
		_, a, list, _ = nextElement(list)
		attributes = append(attributes, string(a))
	}
	return string(dn), attributes
}

const (
	fakePeople = "ou=people,dc=x"
	fakeGroups = "ou=groups,dc=x"
)

func (f *fakeServer) source(t testing.TB, change ...func(*Config)) *Source {
	t.Helper()
	c := Config{Preset: "openldap", URLs: []string{f.url}, BindDN: "cn=r", Password: password("secret"),
		Users: Users{Base: fakePeople}, Groups: Groups{Base: fakeGroups}, IdleTimeout: 2 * time.Second}
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fakeUser(id, n int) []byte {
	return entryOf(id, fmt.Sprintf("uid=u%d,%s", n, fakePeople), fmt.Sprintf("uid=u%d", n), fmt.Sprintf("cn=U %d", n),
		fmt.Sprintf("entryUUID=a0000000-0000-4000-8000-%012d", n))
}

// One broken entry is one fault, and those around it are read.
func TestMalformedEntries(t *testing.T) {
	dn := octets("uid=broken," + fakePeople)
	value := tlv(tagSet, octets("x"))
	for name, body := range map[string][]byte{
		"nothing":                    {},
		"no attributes":              dn,
		"attributes are no list":     append(append([]byte{}, dn...), octets("x")...),
		"more behind the list":       append(append(append([]byte{}, dn...), attributeList()...), 5, 0),
		"DN of another type":         append(integer(1), attributeList()...),
		"attribute without values":   append(append([]byte{}, dn...), tlv(tagSequence, tlv(tagSequence, octets("uid")))...),
		"values are no set":          append(append([]byte{}, dn...), tlv(tagSequence, tlv(tagSequence, octets("uid"), octets("x")))...),
		"attribute cut":              append(append([]byte{}, dn...), tlv(tagSequence, []byte{tagSequence, 9, 4})...),
		"length of five bytes":       append(append([]byte{}, dn...), tagSequence, 0x85, 0, 0, 0, 0, 0),
		"indefinite length":          append(append([]byte{}, dn...), tagSequence, 0x80, 0, 0),
		"length beyond the message":  append(append([]byte{}, dn...), tagSequence, 0x84, 0x7f, 0xff, 0xff, 0xff),
		"tag of two bytes":           append(append([]byte{}, dn...), 0x3f, 0x81, 0x00),
		"value of another type":      append(append([]byte{}, dn...), tlv(tagSequence, tlv(tagSequence, octets("uid"), tlv(tagSet, integer(1))))...),
		"attribute name of a type":   append(append([]byte{}, dn...), tlv(tagSequence, tlv(tagSequence, integer(1), value))...),
		"no DN in it":                append(octets(""), attributeList("uid=x", "cn=x", "entryUUID=a0000000-0000-4000-8000-000000000099")...),
		"DN is no UTF-8":             append(octets("uid=\xff"), attributeList("uid=x", "cn=x")...),
		"value is no UTF-8":          append(append([]byte{}, dn...), attributeList("uid=\xff", "cn=x", "entryUUID=a0000000-0000-4000-8000-000000000099")...),
		"id twice":                   append(append([]byte{}, dn...), attributeList("uid=x", "cn=x", "entryUUID=a0000000-0000-4000-8000-000000000001")...),
		"no id":                      append(append([]byte{}, dn...), attributeList("uid=x", "cn=x")...),
		"name of control characters": append(append([]byte{}, dn...), attributeList("uid=a\u202eb", "cn=x", "entryUUID=a0000000-0000-4000-8000-000000000099")...),
		"no name":                    append(append([]byte{}, dn...), attributeList("cn=x", "entryUUID=a0000000-0000-4000-8000-000000000099")...),
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t)
			f.search = func(id int, base string, _ []string, _ string) []byte {
				if base == fakeGroups {
					return append(entryOf(id, "cn=g,"+fakeGroups, "cn=g", "entryUUID=b0000000-0000-4000-8000-000000000001", "member=uid=u1,"+fakePeople), doneOf(id, 0, "")...)
				}
				out := append(fakeUser(id, 1), reply(id, tlv(opEntry, body))...)
				return append(append(out, fakeUser(id, 2)...), doneOf(id, 0, "")...)
			}
			r := readAll(t, f.source(t))
			if r.end != nil || len(r.users) != 2 || len(r.groups["g"].Members) != 1 || len(r.faults) != 1 {
				t.Fatalf("read = %d users, faults %v, end %v, want 2 users, 1 fault and no end", len(r.users), r.faults, r.end)
			}
			if fault := r.faults[0]; fault.Reason == "" || fault.Remedy == "" {
				t.Errorf("fault = %+v, want a reason and a remedy", fault)
			}
		})
	}
}

// None of these proves that the read was whole.
func TestUnprovenEnds(t *testing.T) {
	user := fakeUser
	for _, c := range []struct {
		name   string
		answer func(id int, cookie string) []byte
		says   string
	}{
		{"no paging control, though the server offers it", func(id int, _ string) []byte { return append(user(id, 1), doneOf(id, 0)...) }, "paging control"},
		{"second page without its control", func(id int, cookie string) []byte {
			if cookie == "" {
				return append(user(id, 1), doneOf(id, 0, "next")...)
			}
			return append(user(id, 2), doneOf(id, 0)...)
		}, "paging control"},
		{"success of another message", func(id int, _ string) []byte { return append(user(id, 1), doneOf(id+1, 0, "")...) }, "timeouts.idle"},
		{"size limit with an empty cookie", func(id int, _ string) []byte { return append(user(id, 1), doneOf(id, 4, "")...) }, "Size Limit"},
		{"time limit", func(id int, _ string) []byte { return append(user(id, 1), doneOf(id, 3, "")...) }, "time limit"},
		{"admin limit", func(id int, _ string) []byte { return doneOf(id, 11, "") }, "administrative limit"},
		{"referral", func(id int, _ string) []byte { return doneOf(id, 10, "") }, "another server"},
		{"busy", func(id int, _ string) []byte { return doneOf(id, 51, "") }, "busy"},
		{"unheard-of code", func(id int, _ string) []byte { return doneOf(id, 99, "") }, "99"},
		{"e-syncRefreshRequired in a done", func(id int, _ string) []byte {
			return reply(id, tlv(opDone, []byte{tagEnumerated, 2, 0x10, 0}, octets(""), octets("")))
		}, "4096"},
		{"a reference", func(id int, _ string) []byte {
			return append(reply(id, tlv(opReference, octets("ldap://elsewhere"))), doneOf(id, 0, "")...)
		}, "references"},
		{"notice of disconnection", func(id int, _ string) []byte {
			return append(user(id, 1), reply(0, tlv(opExtResponse, enumerated(52), octets(""), octets("going down")))...)
		}, "going down"},
		{"garbage between messages", func(id int, _ string) []byte { return append(user(id, 1), "garbage"...) }, "no LDAP message"},
		{"a message that is too big", func(id int, _ string) []byte { return []byte{tagSequence, 0x84, 0x70, 0, 0, 0} }, "limits.message"},
		{"a done that is broken", func(id int, _ string) []byte { return reply(id, tlv(opDone, octets("x"))) }, "malformed"},
		{"a control that is broken", func(id int, _ string) []byte {
			return reply(id, tlv(opDone, enumerated(0), octets(""), octets("")), tlv(tagControls, tlv(tagSequence, octets(pagingOID), octets("x"))))
		}, "malformed"},
		{"nonsense for go-ldap's decoder", func(id int, _ string) []byte {
			return reply(id, tlv(opExtResponse, []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}))
		}, "malformed"},
		{"silence", func(id int, _ string) []byte { return user(id, 1) }, "timeouts.idle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t)
			f.search = func(id int, _ string, _ []string, cookie string) []byte { return c.answer(id, cookie) }
			r := readAll(t, f.source(t, func(c *Config) { c.IdleTimeout = 300 * time.Millisecond }))
			if !errors.Is(r.end, ErrIncomplete) || len(r.groups) > 0 {
				t.Fatalf("read ended with %v, want ErrIncomplete", r.end)
			}
			if !strings.Contains(r.end.Error(), c.says) {
				t.Errorf("error = %q, want it to say %q", r.end, c.says)
			}
		})
	}
}

// Two servers without paging: one says so, one hides what it can.
func TestWithoutPaging(t *testing.T) {
	for name, root := range map[string][]byte{
		"not offered": attributeList("supportedControl=1.2.3"),
		"hidden":      attributeList(),
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t)
			f.root = root
			f.search = func(id int, base string, _ []string, _ string) []byte {
				if base == fakeGroups {
					return doneOf(id, 0)
				}
				return append(append(fakeUser(id, 1), fakeUser(id, 2)...), doneOf(id, 0)...)
			}
			readAll(t, f.source(t)).expect(t, 2, 0)
		})
	}
}

// A group of more than 1,500 members, as Active Directory sends it.
func TestRanges(t *testing.T) {
	const users, step = 40, 15
	members := func(id, from int) []byte {
		to := min(from+step, users)
		last := fmt.Sprint(to - 1)
		if to == users {
			last = "*"
		}
		var values [][]byte
		for n := from; n < to; n++ {
			values = append(values, octets(fmt.Sprintf("uid=u%d,%s", n, fakePeople)))
		}
		name := fmt.Sprintf("member;range=%d-%s", from, last)
		attribute := tlv(tagSequence, octets(name), tlv(tagSet, values...))
		empty := tlv(tagSequence, octets("member"), tlv(tagSet))
		cn := tlv(tagSequence, octets("cn"), tlv(tagSet, octets("g")))
		uuid := tlv(tagSequence, octets("entryUUID"), tlv(tagSet, octets("b0000000-0000-4000-8000-000000000001")))
		return reply(id, tlv(opEntry, octets("cn=g,"+fakeGroups), tlv(tagSequence, cn, uuid, empty, attribute)))
	}
	people := func(id int) (out []byte) {
		for n := range users {
			out = append(out, fakeUser(id, n)...)
		}
		return append(out, doneOf(id, 0, "")...)
	}
	for _, c := range []struct {
		name    string
		next    func(id, from int) []byte // answers a request for a range
		unknown bool
	}{
		{"to the end", func(id, from int) []byte { return append(members(id, from), doneOf(id, 0)...) }, false},
		{"no such range", func(id, from int) []byte { return append(entryOf(id, "cn=g,"+fakeGroups, "cn=g"), doneOf(id, 0)...) }, true},
		{"the same range again", func(id, _ int) []byte { return append(members(id, 0), doneOf(id, 0)...) }, true},
		{"the group is gone", func(id, _ int) []byte { return doneOf(id, 32) }, true},
		{"no entry", func(id, _ int) []byte { return doneOf(id, 0) }, true},
		{"a broken entry", func(id, _ int) []byte { return append(reply(id, tlv(opEntry)), doneOf(id, 0)...) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := startFake(t)
			f.search = func(id int, base string, attributes []string, _ string) []byte {
				switch {
				case base == fakePeople:
					return people(id)
				case base == fakeGroups:
					return append(members(id, 0), doneOf(id, 0, "")...)
				}
				var from int
				if _, err := fmt.Sscanf(attributes[0], "member;range=%d-*", &from); err != nil {
					t.Errorf("asked for %q", attributes)
				}
				return c.next(id, from)
			}
			r := readAll(t, f.source(t))
			r.expect(t, users, 1)
			g := r.groups["g"]
			if g.MembersUnknown != c.unknown || !c.unknown && len(g.Members) != users {
				t.Errorf("g has %d members, unknown %v, want %d, %v", len(g.Members), g.MembersUnknown, users, c.unknown)
			}
			if told := len(r.parts) == 1; told != c.unknown {
				t.Errorf("faults about members = %v, want one: %v", r.parts, c.unknown)
			}
		})
	}
}

// References are no fault of Active Directory's: every search from the top has some.
func TestCountedReferences(t *testing.T) {
	f := startFake(t)
	f.search = func(id int, _ string, _ []string, _ string) []byte {
		return append(reply(id, tlv(opReference, octets("ldap://DomainDnsZones.ad.test/DC=DomainDnsZones,DC=ad,DC=test"))), doneOf(id, 0, "")...)
	}
	var log bytes.Buffer
	readAll(t, f.source(t, func(c *Config) { c.Preset, c.Logger = "ad", slog.New(slog.NewTextHandler(&log, nil)) })).expect(t, 0, 0)
	if !strings.Contains(log.String(), "references=2") {
		t.Errorf("log = %s, want it to count two references", &log)
	}
}

// A message of many megabytes passes in pieces of its own, and a smaller bound stops it.
func TestBigGroup(t *testing.T) {
	f := startFake(t)
	var values [][]byte
	for n := range 60_000 {
		values = append(values, octets(fmt.Sprintf("uid=u%d,%s", n%2+1, fakePeople)))
	}
	list := tlv(tagSequence,
		tlv(tagSequence, octets("cn"), tlv(tagSet, octets("big"))),
		tlv(tagSequence, octets("entryUUID"), tlv(tagSet, octets("b0000000-0000-4000-8000-000000000001"))),
		tlv(tagSequence, octets("member"), tlv(tagSet, values...)))
	f.search = func(id int, base string, _ []string, _ string) []byte {
		if base == fakePeople {
			return append(append(fakeUser(id, 1), fakeUser(id, 2)...), doneOf(id, 0, "")...)
		}
		return append(reply(id, tlv(opEntry, octets("cn=big,"+fakeGroups), list)), doneOf(id, 0, "")...)
	}
	r := readAll(t, f.source(t))
	r.expect(t, 2, 1)
	if got := len(r.groups["big"].Members); got != 2 {
		t.Errorf("members of big = %d, want 2 without duplicates", got)
	}
	if r := readAll(t, f.source(t, func(c *Config) { c.MaxMessage = 1 << 20 })); !errors.Is(r.end, ErrIncomplete) || !strings.Contains(r.end.Error(), "limits.message") {
		t.Errorf("read with a smaller bound ended with %v, want ErrIncomplete that names limits.message", r.end)
	}
}

func TestConfigValidate(t *testing.T) {
	good := Config{Preset: "openldap", URLs: []string{"ldaps://ldap.example.org"}, BindDN: "cn=r", Password: password("x"), Users: Users{Base: "dc=x"}}
	if err := good.Validate(); err != nil {
		t.Fatalf("Validate = %v, want nil", err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no URL":           {func(c *Config) { c.URLs = nil }, "url:"},
		"http":             {func(c *Config) { c.URLs = []string{"https://x"} }, "url:"},
		"no host":          {func(c *Config) { c.URLs = []string{"ldap://"} }, "url:"},
		"password in URL":  {func(c *Config) { c.URLs = []string{"ldap://me:hunter2@x"} }, "url:"},
		"base in URL":      {func(c *Config) { c.URLs = []string{"ldap://x/dc=x??sub"} }, "url:"},
		"socket":           {func(c *Config) { c.URLs = []string{"ldapi://var/run"} }, "url:"},
		"no bind DN":       {func(c *Config) { c.BindDN = "" }, "bind_dn:"},
		"no password":      {func(c *Config) { c.Password = nil }, "bind_password:"},
		"TLS mode":         {func(c *Config) { c.TLS = "maybe" }, "tls:"},
		"CA file missing":  {func(c *Config) { c.CAFile = "/does/not/exist" }, "ca_file:"},
		"CA file of no CA": {func(c *Config) { c.CAFile = "fake_test.go" }, "ca_file:"},
		"no base":          {func(c *Config) { c.Users.Base = "" }, "users.base:"},
		"page size":        {func(c *Config) { c.PageSize = -1 }, "page_size:"},
		"negative timeout": {func(c *Config) { c.IdleTimeout = -1 }, "timeouts.idle:"},
		"message bound":    {func(c *Config) { c.MaxMessage = 1 }, "limits.message:"},
		"groups' filter":   {func(c *Config) { c.Groups.Filter = "(((" }, "groups.filter:"},
	} {
		cfg := good
		c.change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Validate = %v, want it to name %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: Validate = %v, which tells a password", name, err)
		}
	}
}

// FuzzEntry feeds the reader what a hostile server might send in an entry.
func FuzzEntry(f *testing.F) {
	m, _ := parseMessage(fakeUser(1, 1))
	f.Add(m.body)
	f.Add([]byte{4, 0, 0x30, 0})
	f.Add([]byte{4, 1, 'x', 0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	p, err := loadPreset("ad")
	if err != nil {
		f.Fatal(err)
	}
	users, _ := userTable(p, Users{})
	groups, _ := groupTable(p, Groups{})
	f.Fuzz(func(t *testing.T, body []byte) {
		var entries entryReader
		raw, err := entries.read(body)
		size := len(raw.dn)
		for _, a := range raw.attrs {
			size += len(a.name)
			for _, v := range a.values {
				size += len(v)
			}
		}
		if size > len(body) {
			t.Errorf("%d bytes out of %d", size, len(body))
		}
		if err != nil {
			return
		}
		if !wellFormed(body, 32) {
			t.Errorf("%x was read and is not well formed", body)
		}
		r := newRoster(NestedFlatten)
		e, fault := r.user(users.mapper(), raw)
		if fault == nil && (e.ID == "" || e.Attributes["userName"] == nil) {
			t.Errorf("%x became %+v", body, e)
		}
		r.group(groups.mapper(), raw)
		for range r.entries() {
		}
	})
}

// FuzzMessage feeds everything that comes off the network before an entry is one.
func FuzzMessage(f *testing.F) {
	f.Add(fakeUser(3, 1))
	f.Add(doneOf(3, 0, "cookie"))
	f.Add(reply(0, tlv(opExtResponse, enumerated(52), octets(""), octets("bye"))))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := readMessage(strings.NewReader(string(text)), nil, 1<<16)
		if err != nil {
			return
		}
		if len(got) > len(text) || string(got) != string(text[:len(got)]) {
			t.Errorf("readMessage(%x) = %x", text, got)
		}
		m, err := parseMessage(got)
		if err != nil {
			return
		}
		if d, err := parseDone(m); err == nil && len(d.cookie)+len(d.diagnostic) > len(text) {
			t.Errorf("parseDone(%x) = %+v", text, d)
		}
	})
}
