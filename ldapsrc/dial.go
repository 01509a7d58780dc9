package ldapsrc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// endpoint is a URL of the configuration, taken apart.
type endpoint struct {
	url, scheme   string
	network, addr string
	host          string
	srv           bool // host is a domain, whose servers the DNS knows
}

func parseURL(text string) (endpoint, error) {
	e := endpoint{url: text, network: "tcp"}
	bad := func(why string) (endpoint, error) {
		return e, fmt.Errorf("url: %q %s", text, why)
	}
	if socket, ok := strings.CutPrefix(text, "ldapi://"); ok {
		path, err := url.PathUnescape(strings.TrimSuffix(socket, "/"))
		if err != nil || !strings.HasPrefix(path, "/") {
			return bad("is not ldapi:// and the path of a socket, with %2F for each slash")
		}
		e.scheme, e.network, e.addr = "ldapi", "unix", path
		return e, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return bad("is not a URL such as ldaps://ldap.example.com")
	}
	e.scheme, e.srv = strings.CutSuffix(u.Scheme, "+srv")
	port := map[string]string{"ldap": "389", "ldaps": "636"}[e.scheme]
	switch {
	case port == "":
		return bad("is none of ldap://, ldaps:// and ldapi://, nor ldap+srv:// or ldaps+srv:// and a domain")
	case e.srv && u.Port() != "":
		return bad("has a port, and the DNS is to say which")
	case u.User != nil:
		return e, errors.New("url: names and passwords do not belong into it")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return bad("has more than a host and a port: base and filter are settings of their own")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	e.host, e.addr = u.Hostname(), net.JoinHostPort(u.Hostname(), port)
	return e, nil
}

// conn is one bound connection. It serves one read.
type conn struct {
	endpoint
	net  net.Conn // what the tap reads from: TLS or plain
	tap  *tap
	ldap *ldap.Conn
	info Info
	// paging is whether the server offers it; unknown where it hides its controls.
	paging   bool
	controls bool
	offers   map[string]bool // controls that the server has and we have a use for
	// What a domain controller says of itself: the number of its last change, and its name.
	usn, service string
	// references counts those that were neither followed nor held against the read.
	references int
}

// cut ends everything that waits for the connection.
func (c *conn) cut() { c.net.Close() }

// close cuts the connection and waits for what go-ldap started. To close go-ldap's end
// first could wait for ever on a server that is silent.
func (c *conn) close() {
	c.tap.abandon()
	c.cut()
	c.ldap.Close()
}

// connect tries the URLs in order. A refused bind ends the attempt: a second server
// of the same directory would only count a second failure against the account.
func (s *Source) connect(ctx context.Context) (*conn, error) {
	var errs []error
tries:
	for _, named := range s.endpoints {
		servers, err := s.servers(ctx, named)
		if err != nil {
			errs = append(errs, err)
			s.config.Logger.Warn("directory servers not known", "url", named.url, "error", err)
		}
		for _, e := range servers {
			c, err := s.connectTo(ctx, e)
			if err == nil {
				return c, nil
			}
			errs = append(errs, err)
			if errors.Is(err, ErrCredentials) || ctx.Err() != nil {
				break tries
			}
			s.config.Logger.Warn("directory server not usable", "url", e.url, "error", err)
		}
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

func (s *Source) connectTo(ctx context.Context, e endpoint) (*conn, error) {
	password, err := s.password(e)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.ConnectTimeout, errors.New("no answer within timeouts.connect"))
	defer cancel()
	nc, err := s.open(ctx, e)
	if err != nil {
		return nil, timeoutCause(ctx, err)
	}
	t := newTap(nc, s.config.IdleTimeout, s.config.MaxMessage)
	c := &conn{endpoint: e, net: nc, tap: t, ldap: ldap.NewConn(t, true)}
	c.info = Info{URL: e.url, TLS: tlsName(nc)}
	c.ldap.Start()
	stop := context.AfterFunc(ctx, c.cut)
	defer stop()
	if err := s.bind(ctx, e, c, password); err != nil {
		c.close()
		return nil, err
	}
	if err := c.rootDSE(ctx); err != nil {
		c.close()
		return nil, timeoutCause(ctx, err)
	}
	if !stop() { // the deadline fell between the last answer and here
		c.close()
		return nil, &ReadError{Kind: ErrUnreachable, Where: e.url, Reason: "connecting did not end in time", Err: context.Cause(ctx)}
	}
	return c, nil
}

// timeoutCause puts our own words in place of "i/o timeout" or "closed", where a deadline
// of ours was behind it.
func timeoutCause(ctx context.Context, err error) error {
	var r *ReadError
	if errors.As(err, &r) && over(ctx) {
		r.Kind, r.Err = ErrUnreachable, context.Cause(ctx)
	}
	return err
}

// over tells whether a context has ended. A dialer sets its own timer by the deadline, which
// may go off a moment before the context's.
func over(ctx context.Context) bool {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

// open connects and, as the scheme and the TLS mode want it, encrypts.
func (s *Source) open(ctx context.Context, e endpoint) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, e.network, e.addr)
	if err != nil {
		return nil, &ReadError{Kind: ErrUnreachable, Where: e.url, Reason: "no connection",
			Remedy: "is the server up, and does a firewall let us through?", Err: err}
	}
	secure, err := s.secure(ctx, e, nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return secure, nil
}

func (s *Source) secure(ctx context.Context, e endpoint, nc net.Conn) (net.Conn, error) {
	switch {
	case e.scheme == "ldapi":
		return nc, nil
	case e.scheme == "ldaps":
		return s.handshake(ctx, e, nc)
	case s.config.TLS == TLSOff:
		if !loopback(nc) {
			s.config.Logger.Warn("tls is off: names, attributes and the bind password cross the network readable", "url", e.url)
		}
		return nc, nil
	case s.config.TLS == TLSAuto && loopback(nc):
		return nc, nil
	}
	if err := startTLS(ctx, nc); err != nil {
		return nil, &ReadError{Kind: ErrUntrusted, Where: e.url, Reason: "StartTLS failed, and nothing is sent without it",
			Remedy: "use ldaps://, or set up TLS on the server", Err: err}
	}
	return s.handshake(ctx, e, nc)
}

// loopback looks at where the connection leads, not at the name in the URL: a name may
// resolve to anything.
func loopback(nc net.Conn) bool {
	a, ok := nc.RemoteAddr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

func (s *Source) handshake(ctx context.Context, e endpoint, nc net.Conn) (net.Conn, error) {
	config, err := s.config.tlsConfig(e.host)
	if err != nil {
		return nil, &ReadError{Kind: ErrUntrusted, Where: e.url, Reason: "ca_file or client_cert cannot be used", Err: err}
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		r := &ReadError{Kind: ErrUntrusted, Where: e.url, Reason: "no TLS with the server", Err: err}
		var unknown x509.UnknownAuthorityError
		var name x509.HostnameError
		switch {
		case errors.As(err, &unknown):
			r.Remedy = "set ca_file to the authority that signed the server's certificate"
		case errors.As(err, &name):
			r.Remedy = "use the name that the certificate has, or set server_name to it"
		}
		return nil, r
	}
	return tc, nil
}

// The request for StartTLS (RFC 4511 §4.14): message 1, an ExtendedRequest with its OID.
const startTLSRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + "1.3.6.1.4.1.1466.20037"

// startTLS asks for TLS. It is done here, and not by go-ldap, so that the tap can sit
// above TLS. The answer is read byte for byte: what an attacker puts behind it in plain
// text must reach the handshake, and fail there, not a buffer.
func startTLS(ctx context.Context, nc net.Conn) error {
	if deadline, ok := ctx.Deadline(); ok {
		nc.SetDeadline(deadline)
		defer nc.SetDeadline(time.Time{})
	}
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(nc, startTLSRequest); err != nil {
		return err
	}
	answer, err := readMessage(nc, nil, 64<<10)
	if err != nil {
		return err
	}
	m, err := parseMessage(answer)
	if err != nil || m.op != opExtResponse {
		return errors.New("the server's answer is no ExtendedResponse")
	}
	d, err := parseDone(m)
	if err != nil {
		return err
	}
	if m.id != 1 || d.code != 0 {
		return fmt.Errorf("the server says no: %s", resultName(d))
	}
	return nil
}

func tlsName(nc net.Conn) string {
	if tc, ok := nc.(*tls.Conn); ok {
		return tls.VersionName(tc.ConnectionState().Version)
	}
	return ""
}

// rootDSE reads what the server says of itself (RFC 4512 §5.1).
func (c *conn) rootDSE(ctx context.Context) error {
	req := request{name: "root DSE", scope: ScopeBase, filter: "(objectClass=*)",
		attributes: []string{"supportedControl", "namingContexts", "vendorName", "vendorVersion", "supportedCapabilities", "highestCommittedUSN", "dsServiceName"}}
	var entries entryReader
	err := c.search(ctx, req, func(body []byte) bool {
		raw, err := entries.read(body)
		if err != nil {
			return true
		}
		for _, a := range raw.attrs {
			for _, v := range a.values {
				c.learn(foldType(string(a.name)), string(v))
			}
		}
		return true
	})
	var r *ReadError
	if errors.As(err, &r) && r.Code != 0 {
		return nil // hidden, as some servers have it
	}
	return err
}

func (c *conn) learn(attribute, value string) {
	switch attribute {
	case "supportedcontrol":
		c.controls = true
		c.paging = c.paging || value == pagingOID
		c.info.Paging = c.paging
		if value == syncOID || value == dirSyncOID {
			if c.offers == nil {
				c.offers = map[string]bool{}
			}
			c.offers[value] = true
		}
	case "highestcommittedusn":
		c.usn = value
	case "dsservicename":
		c.service = value
	case "namingcontexts":
		if len(c.info.NamingContexts) < 100 {
			c.info.NamingContexts = append(c.info.NamingContexts, value)
		}
	case "vendorname", "vendorversion":
		c.info.Vendor = strings.TrimSpace(c.info.Vendor + " " + value)
	case "supportedcapabilities":
		if value == "1.2.840.113556.1.4.800" { // LDAP_CAP_ACTIVE_DIRECTORY_OID, MS-ADTS §3.1.1.3.4.3.1
			c.info.Vendor = strings.TrimSpace("Active Directory " + c.info.Vendor)
		}
	}
}
