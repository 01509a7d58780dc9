package ldapsrc

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	dirsync "rollcall/sync"
)

// TLS modes of Config. An ldaps:// URL is always TLS, and an ldapi:// URL never.
const (
	TLSAuto = ""    // ldap:// uses StartTLS, except to a loopback address
	TLSOn   = "on"  // ldap:// uses StartTLS wherever it leads
	TLSOff  = "off" // ldap:// is plain wherever it leads: the password crosses the network readable
)

// Config configures a source that is a directory.
type Config struct {
	Preset string // see Presets
	// URLs are servers of one directory, tried in order: ldap://, ldaps:// or, for a
	// local socket, ldapi://%2Fpath%2Fto%2Fsocket; ldap+srv:// and ldaps+srv:// name a domain
	// whose servers the DNS knows.
	URLs   []string
	Bind   string // BindSimple or BindExternal
	BindDN string
	// Password is asked for at every connection, so that a changed file is seen.
	Password   func() (string, error)
	TLS        string // TLSAuto, TLSOn or TLSOff
	CAFile     string // PEM; "" for the machine's own authorities
	ServerName string // that the certificate must have; "" for the host of the URL
	// ClientCert and ClientKey are PEM files of a certificate of our own; "" for none.
	ClientCert, ClientKey string
	// Referrals are the servers, as URLs, to which references are followed, with our name and password;
	// every other one is only counted, or makes the read incomplete.
	Referrals []string
	Users     Users
	Groups    Groups
	PageSize  int // entries a page; Active Directory allows no more than 1,000
	// Every wait has an end: one for connecting and binding, one for silence while
	// entries are read, and one for the whole read.
	ConnectTimeout, IdleTimeout, RunTimeout time.Duration
	MaxMessage                              int // bytes of one entry as it is sent
	MaxEntries                              int // entries of a read
	// LookupSRV asks the DNS; nil for the machine's resolver.
	LookupSRV func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	Logger    *slog.Logger
}

func (c Config) withDefaults() Config {
	c.PageSize = cmp.Or(c.PageSize, 1000)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 30*time.Second)
	c.RunTimeout = cmp.Or(c.RunTimeout, time.Hour)
	c.MaxMessage = cmp.Or(c.MaxMessage, 64<<20)
	c.MaxEntries = cmp.Or(c.MaxEntries, 2_000_000)
	if c.LookupSRV == nil {
		c.LookupSRV = net.DefaultResolver.LookupSRV
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Source reads a directory over LDAP. It holds no connection between reads and may be used
// by several goroutines.
type Source struct {
	config    Config
	endpoints []endpoint
	referrals []endpoint // to which references are followed
	reading   *reading
}

var _ dirsync.Source = (*Source)(nil)

// Validate reports everything that is wrong with a configuration.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// New makes a source. It connects to nothing.
func New(c Config) (*Source, error) {
	s := &Source{config: c.withDefaults()}
	problems := s.config.problems()
	for _, u := range c.URLs {
		e, err := parseURL(u)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		s.endpoints = append(s.endpoints, e)
	}
	for _, u := range c.Referrals {
		e, err := parseURL(u)
		if err == nil && (e.srv || e.scheme == "ldapi") {
			err = fmt.Errorf("%q is no ldap:// or ldaps:// and a host", u)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("referrals: %s", strings.TrimPrefix(err.Error(), "url: ")))
			continue
		}
		s.referrals = append(s.referrals, e)
	}
	var errs []error
	s.reading, errs = newReading(c.Preset, c.Users, c.Groups, s.config.Logger)
	if err := errors.Join(append(problems, errs...)...); err != nil {
		return nil, err
	}
	if c.Groups.Base == "" {
		s.reading.groups = nil
	}
	return s, nil
}

func (c Config) problems() (all []error) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	wrong(len(c.URLs) == 0, "url: is missing")
	c.bindProblems(wrong)
	wrong(c.TLS != TLSAuto && c.TLS != TLSOn && c.TLS != TLSOff, "tls: %q is neither on nor off", c.TLS)
	if c.CAFile != "" {
		_, err := c.authorities()
		wrong(err != nil, "ca_file: %w", err)
	}
	wrong(c.Users.Base == "", "users.base: is missing")
	wrong(c.PageSize < 1 || c.PageSize > 100_000, "page_size: %d is not between 1 and 100,000", c.PageSize)
	wrong(c.MaxMessage < 1<<16 || c.MaxMessage > 1<<30, "limits.message: %d bytes is not between 64 KiB and 1 GiB", c.MaxMessage)
	wrong(c.MaxEntries < 1, "limits.entries: %d is below one", c.MaxEntries)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"timeouts.connect", c.ConnectTimeout}, {"timeouts.idle", c.IdleTimeout}, {"timeouts.run", c.RunTimeout}} {
		wrong(d.value < 0, "%s: %v is negative", d.name, d.value)
	}
	return all
}

// authorities are those that a server's certificate must come from; nil for the machine's.
func (c Config) authorities() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", c.CAFile)
	}
	return pool, nil
}

func (c Config) tlsConfig(host string) (*tls.Config, error) {
	pool, err := c.authorities()
	if err != nil {
		return nil, err
	}
	own, err := c.clientCertificate()
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: pool, Certificates: own, ServerName: cmp.Or(c.ServerName, host), MinVersion: tls.VersionTLS12}, nil
}

// Info is what Check found.
type Info struct {
	URL            string
	TLS            string // "TLS 1.3", or "" for a plain connection
	Vendor         string
	NamingContexts []string
	Paging         bool // the server offers simple paged results (RFC 2696)
}

// Check connects, binds, reads the root DSE and looks for the bases: what a doctor asks.
func (s *Source) Check(ctx context.Context) (Info, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return Info{}, err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.cut)()
	for _, search := range []*search{s.reading.users, s.reading.groups} {
		if search == nil {
			continue
		}
		req := request{name: search.name, base: search.base, scope: ScopeBase, filter: "(objectClass=*)", attributes: []string{"1.1"}}
		if err := s.searchAll(ctx, c, req, func([]byte) bool { return true }); err != nil {
			return c.info, err
		}
	}
	return c.info, nil
}

// errRunTimeout is the cause of a context that RunTimeout ended.
var errRunTimeout = errors.New("the read took longer than timeouts.run")

// Entries implements sync.Source: users as they come, then the groups, which are kept
// until all are read.
func (s *Source) Entries(ctx context.Context) iter.Seq2[dirsync.Entry, error] {
	return s.whole(ctx, nil)
}

// whole reads everything, for a follower that wants to know where that began; nil for none.
func (s *Source) whole(ctx context.Context, f *Follower) iter.Seq2[dirsync.Entry, error] {
	return func(yield func(dirsync.Entry, error) bool) {
		ctx, cancel := context.WithTimeoutCause(ctx, s.config.RunTimeout, errRunTimeout)
		defer cancel()
		r := s.reading.start(yield)
		c, err := s.connect(ctx)
		if err != nil {
			r.emit(dirsync.Entry{}, err)
			return
		}
		defer c.close()
		defer context.AfterFunc(ctx, c.cut)()
		var t *track
		if f != nil {
			if t, err = f.begin(ctx, c); err != nil {
				r.emit(dirsync.Entry{}, err)
				return
			}
		}
		if err := s.read(ctx, c, r); err != nil {
			r.emit(dirsync.Entry{}, err)
			return
		}
		if t != nil && !r.stopped {
			t.roster = r.roster
			f.set(t)
		}
	}
}

func (s *Source) read(ctx context.Context, c *conn, r *read) error {
	if err := s.readAll(ctx, c, r, s.reading.users, r.user); err != nil || r.stopped {
		return err
	}
	if s.reading.groups != nil {
		if err := s.readAll(ctx, c, r, s.reading.groups, r.group); err != nil || r.stopped {
			return err
		}
		if err := s.finishRanges(ctx, c, r.roster); err != nil {
			return err
		}
	}
	r.counts.references = c.references
	r.finish()
	return nil
}

// readAll runs one of the two searches. An entry that cannot be decoded is one fault;
// the message around it is whole, so what follows is read as if nothing had been.
func (s *Source) readAll(ctx context.Context, c *conn, r *read, search *search, take func(*mapper, *rawEntry) bool) error {
	m := search.table.mapper()
	var entries entryReader
	req := request{name: search.name, base: search.base, scope: search.scope, filter: search.filter,
		attributes: search.attributes(), pageSize: s.config.PageSize, countReferences: s.reading.preset.References == "count"}
	var tooMany error
	err := s.searchAll(ctx, c, req, func(body []byte) bool {
		if r.entries++; r.entries > s.config.MaxEntries {
			tooMany = c.incomplete(req, fmt.Sprintf("more than %d entries", s.config.MaxEntries), "raise limits.entries if the directory is that large", nil)
			return false
		}
		raw, err := entries.read(body)
		if err != nil {
			return r.fault(brokenEntry(raw))
		}
		return take(m, raw)
	})
	if tooMany != nil {
		return tooMany
	}
	return err
}

func brokenEntry(raw *rawEntry) *dirsync.EntryError {
	dn := string(raw.dn[:min(len(raw.dn), 256)])
	return &dirsync.EntryError{DN: dn, Reason: "the server sent it in a broken encoding (RFC 4511 §4.5.2)",
		Remedy: "read the entry with ldapsearch; if that fails too, the server's data are damaged"}
}

// finishRanges fetches the members that Active Directory held back: a group of more than
// 1,500 comes with member;range=0-1499, and the rest is asked for range by range (MS-ADTS
// §3.1.1.3.1.3.3). A group of which that fails keeps the members it has
// in our store, since what was read is not all.
func (s *Source) finishRanges(ctx context.Context, c *conn, r *roster) error {
	if s.reading.groups == nil {
		return nil
	}
	m := s.reading.groups.table.mapper()
	for _, g := range r.unfinished() {
		for len(g.ranges) > 0 {
			more, err := s.readRange(ctx, c, r, m, g)
			if err != nil {
				return err
			}
			if !more {
				s.config.Logger.Warn("members of a group came in part", "dn", g.entry.DN, "attribute", g.ranges[0].attribute)
				break
			}
		}
	}
	return nil
}

// readRange fetches one more range of a group's first unfinished attribute. more is
// false where the server sends no such range.
func (s *Source) readRange(ctx context.Context, c *conn, r *roster, m *mapper, g *group) (more bool, err error) {
	left := &g.ranges[0]
	if left.next == 0 {
		return false, nil
	}
	req := request{name: "groups", base: g.entry.DN, scope: ScopeBase, filter: "(objectClass=*)",
		attributes: []string{fmt.Sprintf("%s;range=%d-*", left.attribute, left.next)}}
	slot := m.slots[foldType(left.attribute)]
	var entries entryReader
	err = c.search(ctx, req, func(body []byte) bool {
		raw, err := entries.read(body)
		if err != nil {
			return true
		}
		m.load(raw)
		got := m.ranges[slot]
		if !got.given || got.first != left.next {
			return true
		}
		r.addMembers(g, m.values[slot])
		left.next, more = got.next, true
		return true
	})
	var result *ReadError
	if errors.As(err, &result) && result.Code != 0 {
		return false, nil // the server answered, and no: the group went away, or may not be read
	}
	if more && left.next == 0 {
		g.ranges = g.ranges[1:]
	}
	return more, err
}
