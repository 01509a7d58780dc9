package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones are settings: they load on any machine
	"unicode"

	dirsync "rollcall/sync"
)

// check reports what is wrong with values that could be read, alone and together.
func (l *loader) check() {
	l.checkServer()
	l.checkStore()
	l.checkToken()
	l.checkSchemas()
	for _, name := range slices.Sorted(maps.Keys(l.config.Sources)) {
		c := &sourceCheck{l, l.config.Sources[name], "sources." + name + "."}
		c.check()
	}
	for _, name := range slices.Sorted(maps.Keys(l.config.Clients)) {
		l.checkClient("clients."+name+".", l.config.Clients[name])
	}
	for _, name := range slices.Sorted(maps.Keys(l.config.SSO)) {
		l.checkSSO("sso."+name+".", l.config.SSO[name])
	}
	l.checkRequests()
	l.checkOwnership()
	l.checkEvents()
	l.checkMail()
	if _, err := l.config.Accounts.breached(); err != nil {
		l.bad("accounts.breached_passwords", "", "%v", err)
	}
}

func (l *loader) checkServer() {
	s := l.config.Server
	ok := l.checkListen("server.listen", s.Listen)
	if l.checkListen("server.ops_listen", s.OpsListen) && ok && s.Listen == s.OpsListen && !strings.HasSuffix(s.Listen, ":0") {
		l.bad("server.ops_listen", "", "it is the same as server.listen")
	}
	l.checkBaseURL()
	l.checkFilter()
	if s.ShutdownDelay > 5*60*second {
		l.bad("server.shutdown_delay", "", "%s is longer than 5m", s.ShutdownDelay)
	}
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
	case s.TLSKey == "":
		l.bad("server.tls_key", "", "it is missing: server.tls_cert is set")
	case s.TLSCert == "":
		l.bad("server.tls_cert", "", "it is missing: server.tls_key is set")
	default:
		l.checkKeyPair(s.TLSCert, s.TLSKey)
	}
}

func (l *loader) checkListen(path, address string) bool {
	if l.broken[path] {
		return false
	}
	hint, ok := checkAddress(address)
	if !ok {
		l.bad(path, hint, "%s is no address", quote(address))
	}
	return ok
}

// checkAddress tells whether something can listen there, and if not how to write it.
func checkAddress(address string) (hint string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	_, numberErr := strconv.ParseUint(port, 10, 16)
	if err == nil && numberErr == nil && !strings.ContainsAny(host, " /") {
		return "", true
	}
	if n, err := strconv.ParseUint(address, 10, 16); err == nil {
		return fmt.Sprintf(`Write ":%d" for every interface, "127.0.0.1:%d" for this machine alone`, n, n), false
	}
	return "Write HOST:PORT, or :PORT for every interface", false
}

func (l *loader) checkBaseURL() {
	base := strings.TrimRight(l.config.Server.BaseURL, "/")
	l.config.Server.BaseURL = base
	if base == "" {
		return
	}
	const hint = "Write what clients see in front of /scim/v2, such as https://scim.example.com"
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(base, "\"\\<> "):
		l.bad("server.base_url", hint, "%s is no absolute http or https URL", quote(base))
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		l.bad("server.base_url", hint, "%s must have no user, query or fragment", quote(base))
	case strings.Contains(u.Path+"/", "/scim/v2/"):
		l.bad("server.base_url", hint, "%s must end before /scim/v2", quote(base))
	}
}

// checkKeyPair tries the certificate and its key. The files' names may be shown.
func (l *loader) checkKeyPair(cert, key string) {
	if info, err := os.Stat(key); err == nil && worldReadable(info) {
		l.bad("server.tls_key", "", "everybody on this machine can read %s. Run chmod o-r %s", key, key)
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		l.bad("server.tls_cert", "", "%s", err)
	}
}

// minToken is how long a bootstrap token must be: it holds every permission.
const minToken = 32

func (l *loader) checkToken() {
	token := l.config.Bootstrap.Token
	switch runes := []rune(token.Reveal()); {
	case !token.IsSet():
	case len(runes) < minToken:
		l.bad("bootstrap.token", "`openssl rand -hex 32` makes one", "it has %d characters, and must have %d or more", len(runes), minToken)
	case slices.ContainsFunc(runes, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		l.bad("bootstrap.token", "", "it has a space or a control character, which a bearer token cannot have (RFC 6750 §2.1)")
	}
}

func (l *loader) checkWorkspace(path, name string) {
	if !l.broken[path] && !nameText.MatchString(name) {
		l.bad(path, nameRule, "%s is no name", quote(name))
	}
}

// sourceCheck checks one source.
type sourceCheck struct {
	*loader
	s    *SourceConfig
	path string // "sources.corp."
}

func (c *sourceCheck) wrong(key, hint, format string, args ...any) {
	c.bad(c.path+key, hint, format, args...)
}

// given tells whether a setting was set at all, rightly or not.
func (c *sourceCheck) given(key string) bool {
	o, ok := c.origins.origins[c.path+key]
	return ok && o.Kind != FromDefault
}

func (c *sourceCheck) check() {
	c.checkWorkspace(c.path+"workspace", c.s.Workspace)
	if c.Presets != nil && !slices.Contains(c.Presets, c.s.Preset) {
		hint := suggest(c.s.Preset, c.Presets)
		c.wrong("preset", hint, "%s is none of %s", quote(c.s.Preset), strings.Join(c.Presets, ", "))
	}
	c.checkType()
	switch {
	case c.broken[c.path+"type"]:
	case c.s.Type == "ldap":
		c.checkConnection()
		c.checkBind()
	case c.s.Path == "" && !c.broken[c.path+"path"]:
		c.wrong("path", "", "it is missing: an ldif source needs the path of its file")
	}
	c.checkTimes()
	c.checkNumbers()
	c.checkWhole()
}

// checkType refuses what has no meaning for a source of this type.
func (c *sourceCheck) checkType() {
	for _, s := range settingsOf(reflect.TypeFor[SourceConfig]()) {
		if s.only != "" && s.only != c.s.Type && c.given(s.key) && !c.broken[c.path+"type"] {
			c.wrong(s.key, "", "it is for a source of type %s, and this one is %s", s.only, c.s.Type)
		}
	}
}

// loopback tells whether a host is this machine, so that nobody else can listen in.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

func (c *sourceCheck) checkConnection() {
	if len(c.s.URL) == 0 && !c.broken[c.path+"url"] {
		c.wrong("url", "", "it is missing: an ldap source needs the URL of its server")
	}
	for _, text := range c.s.URL {
		u, err := url.Parse(strings.Replace(text, "+srv://", "://", 1)) // of a domain that the DNS knows servers of
		switch {
		case strings.HasPrefix(text, "ldapi://"): // a socket of this machine
		case err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Hostname() == "":
			c.wrong("url", "Write ldaps://HOST or ldap://HOST, with :PORT if need be, ldaps+srv://DOMAIN, or ldapi://%2Fpath", "%s is no LDAP URL", quote(text))
		case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
			c.wrong("url", "bind_dn and users.base are settings of their own", "%s must end behind the host and port", quote(text))
		case c.s.TLS == "off" && u.Scheme == "ldaps":
			c.wrong("tls", "", "%s is always TLS: use ldap://, or leave tls out", quote(text))
		case c.s.TLS == "off" && !loopback(u.Hostname()):
			c.warn(c.path+"tls", "Use ldaps://, or tls: on for StartTLS",
				"EVERYTHING SENT TO AND FROM %s, THE BIND PASSWORD INCLUDED, CAN BE READ AND CHANGED ON THE WAY", quote(text))
		}
	}
	if c.s.CAFile == "" {
		return
	}
	pem, _, err := readFile(c.s.CAFile, maxFile)
	if err != nil {
		c.wrong("ca_file", "", "%s", err)
	} else if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		c.wrong("ca_file", "", "%s holds no certificate in PEM form", c.s.CAFile)
	}
}

// checkBind refuses half a bind: a server takes a name without a password for nobody, and
// lets that in (RFC 4513 §5.1.2). Nobody sees less of a directory than we should, and that
// looks like people leaving; so there is no anonymous bind either.
func (c *sourceCheck) checkBind() {
	simple := c.s.Bind == "simple" // an external bind has neither name nor password
	if simple && c.s.BindDN == "" && !c.broken[c.path+"bind_dn"] {
		c.wrong("bind_dn", "Write the DN of an account that may read people and groups", "it is missing")
	}
	if simple && !c.s.BindPassword.IsSet() && !c.broken[c.path+"bind_password"] {
		c.wrong("bind_password", "Set it, or bind_password_file", "it is missing")
	}
	for key, d := range map[string]Duration{"timeouts.connect": c.s.Timeouts.Connect, "timeouts.idle": c.s.Timeouts.Idle, "timeouts.run": c.s.Timeouts.Run} {
		if d == 0 && !c.broken[c.path+key] {
			c.wrong(key, "", "it must be above zero")
		}
	}
}

// checkWhole lets the package that reads the source judge it. What has been reported of a
// setting is not reported again.
func (c *sourceCheck) checkWhole() {
	if c.s.Type == "ldap" && c.s.Users.Base == "" && !c.broken[c.path+"users.base"] {
		c.wrong("users.base", `Write the DN below which people are, such as "ou=people,dc=example,dc=com"`, "it is missing")
	}
	if c.Source == nil || c.broken[c.path+"type"] {
		return
	}
	for _, err := range joined(c.Source(c.s)) {
		key, text := cutKey(err.Error())
		if !slices.ContainsFunc(c.problems, func(p Problem) bool { return key != "" && p.Key == c.path+key }) {
			c.bad(strings.TrimSuffix(c.path+key, "."), "", "%s", text)
		}
	}
}

// joined takes apart what errors.Join joined.
func joined(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// cutKey cuts the key of a source's setting off a message, "" where it begins with none.
func cutKey(text string) (key, rest string) {
	t, rest := reflect.TypeFor[SourceConfig](), text
	for t.Kind() == reflect.Struct {
		all := settingsOf(t)
		i := slices.IndexFunc(all, func(s setting) bool {
			return strings.HasPrefix(rest, s.key+".") || strings.HasPrefix(rest, s.key+": ")
		})
		if i < 0 {
			return "", text
		}
		key, rest, t = join(key, all[i].key), rest[len(all[i].key):], all[i].typ
		if after, ok := strings.CutPrefix(rest, ": "); ok {
			return key, after
		}
		rest = rest[1:] // the dot
	}
	return key, rest
}

func (c *sourceCheck) checkTimes() {
	if c.Schedule != nil && c.s.Schedule != "" {
		if err := c.Schedule(c.s.Schedule); err != nil {
			c.wrong("schedule", "", "%s", strings.TrimPrefix(err.Error(), "schedule "))
		}
	}
	if _, err := time.LoadLocation(c.s.Timezone); err != nil || c.s.Timezone == "" {
		c.wrong("timezone", "Write a name such as Europe/Berlin, or UTC", "%s is no time zone", quote(c.s.Timezone))
	}
	if c.s.Jitter > 24*60*60*second {
		c.wrong("jitter", "", "%s is longer than a day", c.s.Jitter)
	}
}

func (c *sourceCheck) checkNumbers() {
	if c.s.PageSize < 1 || c.s.PageSize > 100_000 {
		c.wrong("page_size", "", "%d is not between 1 and 100000", c.s.PageSize)
	}
	if c.s.Guard.LargeGroup < 0 {
		c.wrong("guard.large_group", "", "%d is below zero", c.s.Guard.LargeGroup)
	}
	if c.s.Guard.MinEntries < 0 {
		c.wrong("guard.min_entries", "", "%d is below zero", c.s.Guard.MinEntries)
	}
	c.checkPolicy()
}

// checkPolicy checks what is left of the settings about who is missing.
func (c *sourceCheck) checkPolicy() {
	if c.s.Guard.MinGroups < 0 {
		c.wrong("guard.min_groups", "", "%d is below zero", c.s.Guard.MinGroups)
	}
	if c.s.Guard.Groups.MaxDisable != nil {
		c.wrong("guard.groups.max_disable", "", "groups are never disabled")
	}
	if c.s.OnMissing.DeleteAfter > 0 && c.s.OnMissing.Do == string(dirsync.Keep) {
		c.wrong("on_missing.delete_after", "Leave it out, or set on_missing.do: deactivate", "nobody is deleted where on_missing.do is keep")
	}
	switch n := c.s.Notify; {
	case n.URL == "" && n.Secret.IsSet():
		c.wrong("notify.url", "", "it is missing: notify.secret is set")
	case n.URL != "":
		for _, text := range n.hook().Problems() {
			key, text, _ := strings.Cut(text, ": ")
			c.wrong("notify."+key, "", "%s", text)
		}
	}
	for group, role := range c.s.Roles {
		if group == "" || role == "" {
			c.wrong("roles", "Write the name or DN of a group, and a role", "a group or a role is empty")
		}
	}
	for key, names := range map[string][]string{"protect": c.s.Protect, "guard.canaries": c.s.Guard.Canaries} {
		if slices.Contains(names, "") {
			c.wrong(key, "Write a DN, an externalId or a userName", "a name is empty")
		}
	}
}
