package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// StoreTarget is a store URL, read.
type StoreTarget struct {
	Kind   string // "bolt", "redis", "sentinel" or "cluster"
	Path   string // bolt: the file
	TLS    bool
	Hosts  []string // host:port of the Redis, or of the sentinels, or of some cluster nodes
	User   string   // ACL user, "" for default
	Master string   // sentinel: the name of the master
	DB     int
}

var storeSchemes = []struct {
	scheme, kind, port string
	tls                bool
}{
	{"redis", "redis", "6379", false},
	{"rediss", "redis", "6379", true},
	{"redis+sentinel", "sentinel", "26379", false},
	{"rediss+sentinel", "sentinel", "26379", true},
	{"redis+cluster", "cluster", "6379", false},
	{"rediss+cluster", "cluster", "6379", true},
}

const storeURLs = "redis://HOST:PORT/DB, redis+sentinel://HOST,HOST/MASTER/DB, redis+cluster://HOST,HOST (each with rediss in place of redis for TLS) and bolt:PATH"

// Target reads the URL.
func (s StoreConfig) Target() (StoreTarget, error) {
	t, _, err := parseStoreURL(s.URL)
	return t, err
}

// parseStoreURL reads a store URL, and the password in it if there is one. No error
// repeats the URL, for the sake of that password. net/url is no help: it refuses several hosts.
func parseStoreURL(text string) (t StoreTarget, password string, err error) {
	if path, ok := strings.CutPrefix(text, "bolt:"); ok {
		t.Kind, t.Path = "bolt", strings.TrimPrefix(path, "//")
		if t.Path == "" {
			return t, "", errors.New("the path of the file is missing: bolt:PATH")
		}
		return t, "", nil
	}
	scheme, rest, ok := strings.Cut(text, "://")
	i := -1
	for n, s := range storeSchemes {
		if s.scheme == scheme {
			i = n
		}
	}
	if !ok || i < 0 {
		return t, "", errors.New("this is no store URL. There are " + storeURLs)
	}
	t.Kind, t.TLS = storeSchemes[i].kind, storeSchemes[i].tls
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		var userErr, passwordErr error
		user, pass, _ := strings.Cut(rest[:at], ":")
		t.User, userErr = url.PathUnescape(user)
		password, passwordErr = url.PathUnescape(pass)
		if userErr != nil || passwordErr != nil {
			return t, "", errors.New("its user or password has a % that is not escaped as %25")
		}
		rest = rest[at+1:]
	}
	if strings.ContainsAny(rest, "?#") {
		return t, password, errors.New("it must have no ? or #")
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if t.Hosts, err = storeHosts(hosts, storeSchemes[i].port); err != nil {
		return t, password, err
	}
	if t.Kind != "sentinel" && t.Kind != "cluster" && len(t.Hosts) > 1 {
		return t, password, errors.New("it must name one host")
	}
	return t, password, t.readPath(path)
}

func storeHosts(text, port string) ([]string, error) {
	var hosts []string
	for host := range strings.SplitSeq(text, ",") {
		h, p, err := net.SplitHostPort(host)
		if err != nil {
			h, p = strings.Trim(host, "[]"), port
			if strings.Contains(h, ":") && !strings.HasPrefix(host, "[") {
				return nil, fmt.Errorf("%q is no HOST:PORT", host)
			}
		}
		if n, err := strconv.ParseUint(p, 10, 16); h == "" || err != nil || n == 0 {
			return nil, fmt.Errorf("%q is no HOST:PORT", host)
		}
		hosts = append(hosts, net.JoinHostPort(h, p))
	}
	return hosts, nil
}

// readPath reads what is behind the hosts: a database, and before it a sentinel's master.
func (t *StoreTarget) readPath(path string) error {
	db := path
	switch t.Kind {
	case "sentinel":
		t.Master, db, _ = strings.Cut(path, "/")
		if t.Master == "" {
			return errors.New("the name of the master is missing: redis+sentinel://HOST:PORT/MASTER")
		}
	case "cluster":
		if path != "" {
			return errors.New("a cluster has no databases: it must end behind its hosts")
		}
	}
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is no number of a database", db)
	}
	t.DB = int(n)
	return nil
}

// movePassword takes the password out of the store's URL, so that whatever prints the URL
// prints none.
func (l *loader) movePassword() {
	_, password, err := parseStoreURL(l.config.Store.URL)
	if password == "" {
		return
	}
	if err == nil && l.config.Store.Password.IsSet() {
		l.bad("store.url", "Keep one", "it holds a password, and store.password is set too")
		return
	}
	l.config.Store.URL = withoutPassword(l.config.Store.URL)
	l.config.Store.Password = NewSecret(password)
	l.origins.origins["store.password"] = l.origins.Of("store.url")
}

// withoutPassword is a store URL without the password in it.
func withoutPassword(u string) string {
	at := strings.LastIndexByte(u, '@')
	user := strings.Index(u, "://") + len("://")
	if at < user {
		return u
	}
	colon := strings.IndexByte(u[user:at], ':')
	switch {
	case colon < 0:
		return u
	case colon == 0: // no user either
		return u[:user] + u[at+1:]
	}
	return u[:user+colon] + u[at:]
}

// checkStore checks the store's settings.
func (l *loader) checkStore() {
	s := l.config.Store
	t, err := s.Target()
	if err != nil {
		l.bad("store.url", "", "%s", err)
	} else {
		l.checkTarget(t)
	}
	if s.ConfirmReplicas < 0 || s.ConfirmReplicas > 16 {
		l.bad("store.confirm_replicas", "0 asks none", "%d is not from 0 to 16", s.ConfirmReplicas)
	}
	if d := time.Duration(s.ConfirmTimeout); d < 10*time.Millisecond || d > 30*time.Second {
		l.bad("store.confirm_timeout", "", "%v is not from 10ms to 30s", d)
	}
	if s.FeedKeep < 1 {
		l.bad("store.feed_keep", "", "%d is not above zero", s.FeedKeep)
	}
	if s.DeletedKeep < 0 {
		l.bad("store.deleted_keep", "0 keeps nothing", "%v is below zero", time.Duration(s.DeletedKeep))
	}
	if s.ImageKeep < 0 {
		l.bad("store.image_keep", "0 keeps none", "%d is below zero", s.ImageKeep)
	}
}

// checkTarget holds that every setting is for a store of this kind.
func (l *loader) checkTarget(t StoreTarget) {
	s := l.config.Store
	set := map[string]bool{
		"password": s.Password.IsSet(), "confirm_replicas": s.ConfirmReplicas > 0,
		"sentinel_user": s.SentinelUser != "", "sentinel_password": s.SentinelPassword.IsSet(),
		"ca_file": s.CAFile != "", "server_name": s.ServerName != "", "tls_cert": s.TLSCert != "", "tls_key": s.TLSKey != "",
	}
	refuse := func(remedy, why string, keys ...string) {
		for _, key := range keys {
			if set[key] {
				l.bad("store."+key, remedy, "%s", why)
			}
		}
	}
	if t.Kind == "bolt" {
		refuse("", "bolt has no password", "password")
		refuse("", "bolt has no replicas", "confirm_replicas")
	}
	if t.Kind != "sentinel" {
		refuse("", "this store has no sentinels", "sentinel_user", "sentinel_password")
	}
	if !t.TLS {
		refuse("Write rediss in place of redis in store.url", "this store is without TLS", "ca_file", "server_name", "tls_cert", "tls_key")
		return
	}
	if set["tls_cert"] != set["tls_key"] {
		l.bad("store.tls_cert", "Set both or neither", "store.tls_cert and store.tls_key belong together")
	} else if _, err := s.TLS(); err != nil {
		key := "store.ca_file"
		if s.CAFile == "" || strings.HasPrefix(err.Error(), "tls: ") {
			key = "store.tls_cert"
		}
		l.bad(key, "", "%s", err)
	}
}

// TLS is how to connect to a store with TLS.
func (s StoreConfig) TLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ServerName}
	if s.CAFile != "" {
		pem, _, err := readFile(s.CAFile, maxFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", s.CAFile)
		}
	}
	if s.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// deletedKeep is DeletedKeep for store.Config, where 0 stands for the default.
func (s StoreConfig) deletedKeep() time.Duration {
	if s.DeletedKeep == 0 {
		return -1
	}
	return time.Duration(s.DeletedKeep)
}

// imageKeep is ImageKeep for store.Config, where 0 stands for the default.
func (s StoreConfig) imageKeep() int {
	if s.ImageKeep == 0 {
		return -1
	}
	return s.ImageKeep
}
