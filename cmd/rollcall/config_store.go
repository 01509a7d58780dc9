package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
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
	{"redis+cluster", "cluster", "6379", false},
}

const storeURLs = "redis://HOST:PORT/DB, rediss://HOST:PORT/DB and bolt:PATH"

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
	switch {
	case err != nil:
		l.bad("store.url", "", "%s", err)
	case t.Kind == "sentinel" || t.Kind == "cluster":
		l.bad("store.url", "Name one Redis, or what stands in front of several and leads to the master: redis://HOST:PORT/DB or rediss://HOST:PORT/DB",
			"a store by Redis %s is not supported", t.Kind)
	}
	if t.Kind == "bolt" && s.Password.IsSet() {
		l.bad("store.password", "", "bolt has no password")
	}
	if s.FeedKeep < 1 {
		l.bad("store.feed_keep", "", "%d is not above zero", s.FeedKeep)
	}
	if s.ImageKeep < 0 {
		l.bad("store.image_keep", "0 keeps none", "%d is below zero", s.ImageKeep)
	}
}

// imageKeep is ImageKeep for store.Config, where 0 stands for the default.
func (s StoreConfig) imageKeep() int {
	if s.ImageKeep == 0 {
		return -1
	}
	return s.ImageKeep
}
