package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// A URL of ldap+srv://DOMAIN or ldaps+srv://DOMAIN stands for the servers that the DNS names for the
// domain (RFC 2782): _ldap._tcp or _ldaps._tcp. Active Directory has such records of ldap alone, under
// the domain and, for its controllers, under dc._msdcs: where there is none of ldaps, those of ldap are
// taken, with the port of ldaps.

const maxServers = 16 // of one lookup that are tried

// servers are the endpoints that an endpoint stands for, in the order in which they are to be tried.
func (s *Source) servers(ctx context.Context, e endpoint) ([]endpoint, error) {
	if !e.srv {
		return []endpoint{e}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.ConnectTimeout, errors.New("no answer within timeouts.connect"))
	defer cancel()
	records, port, err := s.lookup(ctx, e)
	if err != nil {
		return nil, &ReadError{Kind: ErrUnreachable, Where: e.url, Reason: "the DNS names no server for it",
			Remedy: "look at the SRV records of " + e.host + ", or write the URLs of the servers", Err: err}
	}
	var all []endpoint
	for _, r := range records[:min(len(records), maxServers)] {
		host := strings.TrimSuffix(r.Target, ".")
		// The DNS is no authority on whom to trust: with the machine's own authorities, a certificate of
		// any name in the world would do. So the name has to be in the domain that was asked for.
		if !s.config.named() && !inDomain(host, e.host) {
			s.config.Logger.Warn("directory server left out: its name is not in the domain of the URL", "url", e.url, "server", host)
			continue
		}
		p := int(r.Port)
		if port != 0 {
			p = port
		}
		one := endpoint{scheme: e.scheme, network: "tcp", host: host, addr: net.JoinHostPort(host, strconv.Itoa(p))}
		one.url = fmt.Sprintf("%s://%s", one.scheme, one.addr)
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, &ReadError{Kind: ErrUntrusted, Where: e.url, Reason: "the DNS names servers outside of the domain alone",
			Remedy: "write the URLs of the servers, or set ca_file or server_name"}
	}
	return all, nil
}

// lookup asks the DNS. port is one to use instead of that of the records; 0 for none.
func (s *Source) lookup(ctx context.Context, e endpoint) (records []*net.SRV, port int, err error) {
	_, records, err = s.config.LookupSRV(ctx, e.scheme, "tcp", e.host)
	if missing(records, err) && e.scheme == "ldaps" {
		port = 636
		_, records, err = s.config.LookupSRV(ctx, "ldap", "tcp", e.host)
	}
	if err == nil && missing(records, nil) {
		err = errors.New("the domain says that it has no such service")
	}
	return records, port, err
}

// missing tells that there is no such record; a single "." is how a domain says so (RFC 2782).
func missing(records []*net.SRV, err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound || err == nil && (len(records) == 0 || len(records) == 1 && records[0].Target == ".")
}

// named tells whether the configuration says by itself whom to trust.
func (c Config) named() bool { return c.CAFile != "" || c.ServerName != "" }

func inDomain(host, domain string) bool {
	host, domain = strings.ToLower(host), strings.ToLower(strings.TrimSuffix(domain, "."))
	domain = strings.TrimPrefix(domain, "dc._msdcs.") // names controllers of the domain above
	return host == domain || strings.HasSuffix(host, "."+domain)
}
