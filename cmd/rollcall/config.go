package main

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"

	"rollcall/account"
	"rollcall/internal/events"
	"rollcall/scim"
	"rollcall/store"
	dirsync "rollcall/sync"
)

// Config is every setting of the program. Load fills it: defaults, then the file, then the
// environment, then flags. A setting's key is the path of its `key` tags (server.listen), and
// that tag is all it takes to add one: file, environment, `config show` and the search
// for a near miss read the tags. `enum` lists the values that a text may have, and `for` is the
// one type of source that has the setting. All else is checked in config_check.go.
type Config struct {
	Server    ServerConfig             `key:"server"`
	Store     StoreConfig              `key:"store"`
	Bootstrap BootstrapConfig          `key:"bootstrap"`
	Logging   LoggingConfig            `key:"logging"`
	Sources   map[string]*SourceConfig `key:"sources"`
	Clients   map[string]*ClientConfig `key:"clients"`
	SSO       map[string]*SSOConfig    `key:"sso"`
	// Schemas are files of schemas and resource types, added to those that are built in.
	Schemas map[string]*SchemaConfig `key:"schemas"`
	// Ownership says which source or client alone may write an attribute: see authority.
	Ownership map[string]string `key:"ownership"`
	Events    EventsConfig      `key:"events"`
	Accounts  AccountsConfig    `key:"accounts"`
	Secrets   SecretsConfig     `key:"secrets"`
	Audit     AuditConfig       `key:"audit"`
	Requests  RequestsConfig    `key:"requests"`
	Mail      MailConfig        `key:"mail"`
}

// SecretsConfig is how secrets of people are kept.
type SecretsConfig struct {
	// Keyring is the file of the keys that they are encrypted with, made at first use. Every replica
	// needs the same; without it nobody reads them ever again.
	Keyring string `key:"keyring"`
}

// AccountsConfig is what people who log in are held to, beside each workspace's own settings.
type AccountsConfig struct {
	// BreachedPasswords is a file of passwords that became known, one a line: nobody may choose one.
	BreachedPasswords string `key:"breached_passwords"`
}

// ServerConfig is how clients reach the server.
type ServerConfig struct {
	Listen    string `key:"listen"`     // SCIM, API, console
	OpsListen string `key:"ops_listen"` // health and metrics, without authentication
	Profile   bool   `key:"pprof"`      // /debug/pprof on OpsListen too
	// BaseURL is what clients see in Location and meta.location; "" takes it from each request.
	// It never ends in a slash.
	BaseURL string `key:"base_url"`
	TLSCert string `key:"tls_cert"` // PEM files; both or neither
	TLSKey  string `key:"tls_key"`
	// TrustedProxies are the peers whose X-Forwarded-Proto, -Host and -For count.
	TrustedProxies []netip.Prefix `key:"trusted_proxies"`
	// ShutdownDelay is for how long a server that is told to stop says "not ready" and
	// still serves, so that load balancers can look elsewhere.
	ShutdownDelay Duration     `key:"shutdown_delay"`
	Filter        FilterConfig `key:"filter"`
}

// StoreConfig is where everything is kept. Target reads URL.
type StoreConfig struct {
	URL      string `key:"url"` // never holds a password: Load moves one into Password
	Password Secret `key:"password"`
	// Sentinels may have a user of their own.
	SentinelUser     string `key:"sentinel_user"`
	SentinelPassword Secret `key:"sentinel_password"`
	// CAFile holds the authorities of a rediss:// store, "" for the system's; ServerName is the name in
	// its certificate, "" for that of each address. TLSCert and TLSKey are for a Redis that asks for
	// the certificate of its clients.
	CAFile     string `key:"ca_file"`
	ServerName string `key:"server_name"`
	TLSCert    string `key:"tls_cert"`
	TLSKey     string `key:"tls_key"`
	// ConfirmReplicas is how many replicas must have a change before it is acknowledged, and
	// ConfirmTimeout how long they may take.
	ConfirmReplicas int      `key:"confirm_replicas"`
	ConfirmTimeout  Duration `key:"confirm_timeout"`
	// AllowUnsafe names dangers of a Redis that are accepted instead of refused (design.md
	// §4.5).
	AllowUnsafe []string `key:"allow_unsafe" enum:"persistence,eviction,replica,plaintext"`
	// FeedKeep is how many changes of each workspace are kept, at least: what undo, audit and
	// events can look back on.
	FeedKeep int `key:"feed_keep"`
	// ImageKeep is how many of them keep what the resource was before and after; 0 for none.
	ImageKeep int `key:"image_keep"`
	// DeletedKeep is for how long what was deleted can be restored; 0 for not at all.
	DeletedKeep Duration `key:"deleted_keep"`
}

// BootstrapConfig is for the first start.
type BootstrapConfig struct {
	Token Secret `key:"token"` // unset: one is made and printed once
}

// LoggingConfig is what is logged, and how.
type LoggingConfig struct {
	Level  string `key:"level" enum:"debug,info,warn,error"`
	Format string `key:"format" enum:"auto,text,json"` // auto: text on a terminal
	PII    string `key:"pii" enum:"mask,full"`         // mask: no names of people
}

// SlogLevel is Level for slog.
func (l LoggingConfig) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// SourceConfig is a directory, or an LDIF file, that a workspace is kept in step with.
type SourceConfig struct {
	Name      string // its key under sources
	Type      string `key:"type" enum:"ldap,ldif"`
	Workspace string `key:"workspace"`
	Preset    string `key:"preset"`

	URL          []string `key:"url" for:"ldap"` // tried in order
	Bind         string   `key:"bind" for:"ldap" enum:"simple,external"`
	BindDN       DN       `key:"bind_dn" for:"ldap"`
	BindPassword Secret   `key:"bind_password" for:"ldap"`
	// TLS: on asks for StartTLS on ldap://, off sends everything in the clear; auto is on
	// beyond loopback. ldaps:// is TLS whatever it says.
	TLS        string `key:"tls" for:"ldap" enum:"auto,on,off"`
	CAFile     string `key:"ca_file" for:"ldap"`
	ServerName string `key:"server_name" for:"ldap"`
	ClientCert string `key:"client_cert" for:"ldap"` // of our own, PEM; both or neither
	ClientKey  string `key:"client_key" for:"ldap"`
	// Referrals are the servers, as URLs, to which references are followed; no other ever is.
	Referrals []string `key:"referrals" for:"ldap"`

	Path string `key:"path" for:"ldif"` // of an LDIF file

	Users    UsersConfig    `key:"users"`
	Groups   GroupsConfig   `key:"groups"`
	PageSize int            `key:"page_size" for:"ldap"`
	Timeouts TimeoutsConfig `key:"timeouts" for:"ldap"`
	Limits   LimitsConfig   `key:"limits" for:"ldap"`

	// Mode is how scheduled runs read: everything, or only what changed by one of the ways of ChangesBy; live is
	// the latter, and at once. Every FullEvery they read everything all the same.
	Mode      string   `key:"mode" for:"ldap" enum:"full,incremental,live"`
	ChangesBy string   `key:"changes_by" for:"ldap" enum:"auto,syncrepl,dirsync,usn,timestamp"`
	FullEvery Duration `key:"full_every" for:"ldap"`

	Schedule string   `key:"schedule"` // crontab line; "" for no runs but those asked for
	Timezone string   `key:"timezone"`
	Jitter   Duration `key:"jitter"`

	OnMissing OnMissingConfig `key:"on_missing"`
	Guard     GuardConfig     `key:"guard"`
	Protect   []string        `key:"protect"` // accounts that no run disables or deletes
	Notify    NotifyConfig    `key:"notify"`
	// Roles are those that the members of a group have, by its name or DN.
	Roles map[string]string `key:"roles"`

	model *scim.Model // of its workspace by the configuration: what attributes may be mapped to
}

// UsersConfig is where a source's people are, and how they are mapped.
type UsersConfig struct {
	Base       DN                `key:"base"`
	Filter     string            `key:"filter"`  // beside the preset's
	Exclude    string            `key:"exclude"` // a filter of those to leave out
	Scope      string            `key:"scope" enum:"base,one,sub"`
	Attributes map[string]string `key:"attributes"` // SCIM path to LDAP attribute, over the preset's
}

// GroupsConfig is where a source's groups are; without a base an LDAP source has none.
type GroupsConfig struct {
	Base       DN                `key:"base"`
	Filter     string            `key:"filter"`
	Exclude    string            `key:"exclude"`
	Scope      string            `key:"scope" enum:"base,one,sub"`
	Nested     string            `key:"nested" enum:"flatten,keep,off"`
	Attributes map[string]string `key:"attributes"`
}

// NotifyConfig is who is told when a run was blocked or failed, and when one went well again.
type NotifyConfig struct {
	URL    string `key:"url"`    // "" for nobody
	Secret Secret `key:"secret"` // signs it as a webhook of events is signed
}

func (n NotifyConfig) hook() events.Hook {
	return events.Hook{URL: n.URL, Secret: events.Secret(n.Secret.Reveal())}
}

// TimeoutsConfig bounds waiting for a directory.
type TimeoutsConfig struct {
	Connect Duration `key:"connect"` // to dial, start TLS and bind
	Idle    Duration `key:"idle"`    // between two packets of an answer
	Run     Duration `key:"run"`     // for the whole of a read
}

// LimitsConfig bounds what a directory may send.
type LimitsConfig struct {
	Entries int `key:"entries"` // of one read
	Message int `key:"message"` // bytes of one entry, as it is sent
}

// OnMissingConfig is what becomes of people whom the source no longer has.
type OnMissingConfig struct {
	After Runs   `key:"after"` // whole runs in a row that they are missing from
	Do    string `key:"do" enum:"deactivate,keep"`
	// DeleteAfter is how long after that they are deleted; 0 for never.
	DeleteAfter Duration `key:"delete_after"`
}

// ClientConfig is an identity provider or script that calls the server.
type ClientConfig struct {
	Name           string // its key under clients
	Workspace      string `key:"workspace"`
	PatchResponse  string `key:"patch_response" enum:"auto,200,204"`
	UnknownMembers string `key:"unknown_members" enum:"drop,refuse"`
	UserNameEmail  bool   `key:"user_name_email"` // refuses a new userName that is no e-mail address

	Token           bool           `key:"token"`             // its tokens and client secrets are taken
	AccessTokenLife Duration       `key:"access_token_life"` // of what /oauth2/token gives it
	Scopes          []string       `key:"scopes"`            // of a JWT or Basic; a token has its own
	AllowFrom       []netip.Prefix `key:"allow_from"`        // where it may come from; none for anywhere
	Rate            Rate           `key:"rate"`              // of requests, for each replica
	Paused          bool           `key:"paused"`            // answers it 503
	JWT             JWTConfig      `key:"jwt"`
	Basic           BasicConfig    `key:"basic"`
}

// defaultConfig is the program without any settings (design.md §2.2).
func defaultConfig() *Config {
	return &Config{
		Server:   ServerConfig{Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090", Filter: filterDefaults()},
		Secrets:  SecretsConfig{Keyring: "rollcall-keyring.json"},
		Audit:    auditDefaults(),
		Mail:     MailConfig{TLS: "starttls"},
		Store:    StoreConfig{URL: "bolt:rollcall.db", ConfirmTimeout: second, FeedKeep: store.DefaultFeedKeep, ImageKeep: store.DefaultImageKeep, DeletedKeep: Duration(store.DefaultDeletedKeep)},
		Logging:  LoggingConfig{Level: "info", Format: "auto", PII: "mask"},
		Requests: requestsDefaults(),
		Sources:  map[string]*SourceConfig{},
		Clients:  map[string]*ClientConfig{},
		SSO:      map[string]*SSOConfig{},
		Schemas:  map[string]*SchemaConfig{},
		Events:   EventsConfig{GiveUpAfter: 3 * 24 * 60 * 60 * second, Streams: map[string]*StreamConfig{}},
	}
}

// setDefaults makes s the source of that name without any settings.
func (s *SourceConfig) setDefaults(name string) {
	p := dirsync.DefaultPolicy()
	*s = SourceConfig{
		Name: name, Type: "ldap", Workspace: "default", Preset: "openldap", Bind: "simple", TLS: "auto",
		Users:    UsersConfig{Scope: "sub"},
		Groups:   GroupsConfig{Scope: "sub", Nested: "flatten"},
		PageSize: 1000, // what Active Directory allows
		Timeouts: TimeoutsConfig{Connect: 5 * second, Idle: 30 * second, Run: 60 * 60 * second},
		Mode:     "full", ChangesBy: "auto", FullEvery: 24 * 60 * 60 * second,
		Limits:    LimitsConfig{Entries: 2_000_000, Message: 64 << 20},
		Timezone:  "UTC",
		OnMissing: OnMissingConfig{After: Runs(p.MissingRuns), Do: string(p.OnMissing)},
		Guard:     guardDefaults(p.Guard),
	}
}

func (c *ClientConfig) setDefaults(name string) {
	*c = ClientConfig{
		Name: name, Workspace: "default", PatchResponse: "auto", UnknownMembers: "drop",
		Token: true, AccessTokenLife: Duration(account.DefaultAccessLife), Rate: account.DefaultRate,
	}
}

// named is an element of a section whose keys are names.
type named interface{ setDefaults(name string) }

// setting is one key of a section, as its struct field tells.
type setting struct {
	key   string
	index int
	typ   reflect.Type
	enum  []string
	only  string // the one type of source that has it, "" for all
}

var secretType = reflect.TypeFor[Secret]()

// settingsOf lists the keys of a section.
func settingsOf(section reflect.Type) []setting {
	var all []setting
	for i := range section.NumField() {
		f := section.Field(i)
		key, ok := f.Tag.Lookup("key")
		if !ok {
			continue
		}
		s := setting{key: key, index: i, typ: f.Type, only: f.Tag.Get("for")}
		if enum := f.Tag.Get("enum"); enum != "" {
			s.enum = strings.Split(enum, ",")
		}
		all = append(all, s)
	}
	return all
}

// settingAt finds a key of a section. A secret has a second key, ending in _file, that
// names a file to read it from.
func settingAt(section reflect.Type, key string) (s setting, fromFile, ok bool) {
	for _, s := range settingsOf(section) {
		if s.key == key {
			return s, false, true
		}
		if s.typ == secretType && s.key+"_file" == key {
			return s, true, true
		}
	}
	return setting{}, false, false
}

// keysOf lists every key that a section may have.
func keysOf(section reflect.Type) []string {
	var keys []string
	for _, s := range settingsOf(section) {
		keys = append(keys, s.key)
		if s.typ == secretType {
			keys = append(keys, s.key+"_file")
		}
	}
	return keys
}

// isSection tells whether a setting holds other settings under fixed keys.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && len(settingsOf(t)) > 0
}

// isNamed tells whether a setting holds sections under names that the operator picks.
func isNamed(t reflect.Type) bool {
	return t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Pointer
}

// leavesOf lists the paths of the settings below a section that have a value of text: not
// those with free names.
func leavesOf(section reflect.Type) []string {
	var leaves []string
	for _, s := range settingsOf(section) {
		switch {
		case isSection(s.typ):
			for _, leaf := range leavesOf(s.typ) {
				leaves = append(leaves, s.key+"."+leaf)
			}
		case s.typ.Kind() == reflect.Map:
		default:
			leaves = append(leaves, s.key)
			if s.typ == secretType {
				leaves = append(leaves, s.key+"_file")
			}
		}
	}
	return leaves
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// shownFile is how messages name a file.
func shownFile(path string) string {
	if !filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return path
}
