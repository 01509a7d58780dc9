package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rollcall/ldapsrc"
	"rollcall/store"
	"rollcall/store/boltdb"
	"rollcall/store/redisdb"
	dirsync "rollcall/sync"
)

// openBackend opens what store.url names.
func openBackend(ctx context.Context, s StoreConfig, log *slog.Logger) (store.Backend, error) {
	t, err := s.Target()
	if err != nil {
		return nil, err
	}
	if t.Kind == "bolt" {
		return openFile(t.Path, log)
	}
	c := redisdb.Config{
		User: t.User, Password: s.Password.Reveal(), DB: t.DB, AllowUnsafe: s.AllowUnsafe,
		Confirm: s.ConfirmReplicas, ConfirmTimeout: time.Duration(s.ConfirmTimeout), Logger: log,
	}
	switch t.Kind {
	case "sentinel":
		c.Sentinels, c.Master = t.Hosts, t.Master
		c.SentinelUser, c.SentinelPassword = s.SentinelUser, s.SentinelPassword.Reveal()
	case "cluster":
		c.Cluster = t.Hosts
	default:
		c.Addr = t.Hosts[0]
	}
	if t.TLS {
		if c.TLS, err = s.TLS(); err != nil {
			return nil, err
		}
	}
	return redisdb.Open(ctx, c)
}

// openFile opens the embedded store.
func openFile(path string, log *slog.Logger) (store.Backend, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	backend, err := boltdb.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && worldReadable(info) {
		log.Warn("everybody on this machine can read the store, with people and secrets in it", "remedy", "chmod 600 "+path)
	}
	return backend, nil
}

// newSource makes the reader of a source.
func newSource(s *SourceConfig, files fs.FS, log *slog.Logger) (dirsync.Source, error) {
	users := ldapsrc.Users{Base: string(s.Users.Base), Filter: s.Users.Filter, Exclude: s.Users.Exclude, Scope: s.Users.Scope, Attributes: s.Users.Attributes, Model: s.model}
	groups := ldapsrc.Groups{Base: string(s.Groups.Base), Filter: s.Groups.Filter, Exclude: s.Groups.Exclude, Scope: s.Groups.Scope,
		Nested: s.Groups.Nested, Attributes: s.Groups.Attributes, Model: s.model}
	switch s.Type {
	case "ldif":
		return ldapsrc.NewLDIF(ldapsrc.LDIFConfig{Path: s.Path, FS: files, Preset: s.Preset, Users: users, Groups: groups, Logger: log})
	case "ldap":
		return ldapsrc.New(ldapConfig(s, users, groups, log))
	}
	return nil, fmt.Errorf("type %q is neither ldap nor ldif", s.Type)
}

// follow makes the follower of a source whose runs need read only what changed; nil for every other one.
func follow(s *SourceConfig, reader dirsync.Source) (dirsync.Follower, error) {
	directory, ok := reader.(*ldapsrc.Source)
	if !ok || s.Mode == "full" {
		return nil, nil
	}
	if s.Mode == "live" && s.ChangesBy != "auto" && s.ChangesBy != ldapsrc.FollowSyncrepl {
		return nil, fmt.Errorf("changes_by: a server says by itself that something changed by syncrepl alone, and mode is live")
	}
	f, err := directory.Follow(strings.TrimPrefix(s.ChangesBy, "auto"))
	if err != nil { // no pointer to nil inside the interface
		return nil, err
	}
	return f, nil
}

// ldapConfig is what a source's settings say of its directory.
func ldapConfig(s *SourceConfig, users ldapsrc.Users, groups ldapsrc.Groups, log *slog.Logger) ldapsrc.Config {
	c := ldapsrc.Config{
		Preset: s.Preset, URLs: s.URL, Bind: strings.TrimPrefix(s.Bind, "simple"), BindDN: string(s.BindDN),
		TLS: strings.TrimPrefix(s.TLS, "auto"), CAFile: s.CAFile, ServerName: s.ServerName, ClientCert: s.ClientCert, ClientKey: s.ClientKey,
		Referrals: s.Referrals, Users: users, Groups: groups, PageSize: s.PageSize,
		ConnectTimeout: time.Duration(s.Timeouts.Connect), IdleTimeout: time.Duration(s.Timeouts.Idle), RunTimeout: time.Duration(s.Timeouts.Run),
		MaxMessage: s.Limits.Message, MaxEntries: s.Limits.Entries, Logger: log,
	}
	if s.BindPassword.IsSet() {
		c.Password = s.BindPassword.Read
	}
	return c
}
