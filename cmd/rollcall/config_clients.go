package main

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// JWTConfig lets the tokens of an outside issuer sign in as a client.
type JWTConfig struct {
	Preset     string            `key:"preset"`    // "entra"
	TenantID   string            `key:"tenant_id"` // for the preset entra, which needs nothing else
	Issuer     string            `key:"issuer"`
	Audience   string            `key:"audience"`
	JWKSURL    string            `key:"jwks_url"`
	Subject    string            `key:"subject"`    // "" for any
	Claims     map[string]string `key:"claims"`     // further claims and their values
	Algorithms []string          `key:"algorithms"` // none for every asymmetric one
}

func (j *JWTConfig) isOn() bool {
	return j.Preset != "" || j.TenantID != "" || j.Issuer != "" || j.Audience != "" || j.JWKSURL != "" ||
		j.Subject != "" || len(j.Claims) > 0 || len(j.Algorithms) > 0
}

// account is the rules that the settings make, over those of the preset.
func (j *JWTConfig) account() (account.JWT, error) {
	rules := account.JWT{Claims: map[string]string{}}
	if j.Preset == "entra" {
		var err error
		if rules, err = account.EntraJWT(j.TenantID); err != nil {
			return rules, err
		}
	}
	if j.Issuer != "" {
		rules.Issuers = []string{j.Issuer}
	}
	if j.Audience != "" {
		rules.Audience = j.Audience
	}
	if j.JWKSURL != "" {
		rules.KeysURL = j.JWKSURL
	}
	if len(j.Algorithms) > 0 {
		rules.Algorithms = j.Algorithms
	}
	rules.Subject = j.Subject
	maps.Copy(rules.Claims, j.Claims)
	return rules, rules.Validate()
}

// BasicConfig is a user and a password that stand for a client.
type BasicConfig struct {
	User     string `key:"user"` // name that the client sends
	Password Secret `key:"password"`
}

func (b *BasicConfig) isOn() bool { return b.User != "" || b.Password.IsSet() }

// Rate is a number of requests a second; below zero for no limit.
type Rate float64

const noRate Rate = -1

// UnmarshalText reads 100/s, 600/m or off.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*r = noRate
		return nil
	}
	number, unit, _ := strings.Cut(string(text), "/")
	v, err := strconv.ParseFloat(number, 64)
	per, ok := map[string]float64{"s": 1, "m": 60}[unit]
	if err != nil || !ok || !(v > 0 && v <= 1e6) { // so that NaN is refused too
		return fmt.Errorf("%q is no rate. Write requests per second or minute, such as 100/s or 600/m, or off", text)
	}
	*r = Rate(v / per)
	return nil
}

func (r Rate) String() string {
	switch v := float64(r); {
	case v < 0:
		return "off"
	case v < 1:
		return strconv.FormatFloat(math.Round(v*60e6)/1e6, 'f', -1, 64) + "/m"
	default:
		return strconv.FormatFloat(v, 'f', -1, 64) + "/s"
	}
}

// checkClient checks one client; path ends in a dot.
func (l *loader) checkClient(path string, c *ClientConfig) {
	l.checkWorkspace(path+"workspace", c.Workspace)
	if life := time.Duration(c.AccessTokenLife); life < time.Minute || life > account.MaxAccessLife {
		l.bad(path+"access_token_life", "", "%s is not between 1m and %s", c.AccessTokenLife, Duration(account.MaxAccessLife))
	}
	for _, s := range c.Scopes {
		if !slices.Contains(account.Permissions(), scim.Permission(s)) {
			l.bad(path+"scopes", suggest(s, permissionNames()), "%s is no scope", quote(s))
		}
	}
	if c.JWT.isOn() {
		l.checkJWT(path+"jwt", &c.JWT)
	}
	if c.Basic.isOn() && !l.broken[path+"basic.password"] {
		l.checkBasic(path+"basic", c)
	}
}

func (l *loader) checkJWT(path string, j *JWTConfig) {
	switch {
	case j.Preset != "" && j.Preset != "entra":
		l.bad(path+".preset", "", "%s is not entra, the only preset there is", quote(j.Preset))
	case j.Preset == "" && j.TenantID != "":
		l.bad(path+".tenant_id", "Write preset: entra beside it", "it is for the preset entra")
	case j.Preset == "entra" && j.Issuer != "":
		l.bad(path+".issuer", "", "the preset entra makes it of the tenant_id")
	default:
		if _, err := j.account(); err != nil {
			l.bad(path, "", "%s", strings.TrimPrefix(err.Error(), "jwt: "))
		}
	}
}

func (l *loader) checkBasic(path string, c *ClientConfig) {
	b := account.Basic{User: c.Basic.User, Password: c.Basic.Password.Reveal()}
	if err := b.Validate(); err != nil {
		l.bad(path, "`openssl rand -hex 32` makes a password", "%s", err)
	}
	for _, name := range slices.Sorted(maps.Keys(l.config.Clients)) {
		if other := l.config.Clients[name]; name < c.Name && other.Basic.User == c.Basic.User {
			l.bad(path+".user", "", "the client %s has the same", name)
		}
	}
}

func permissionNames() []string {
	return texts(account.Permissions(), func(p scim.Permission) string { return string(p) })
}

// accountClients is what account is to heed of the clients' settings, which were checked.
func (c *Config) accountClients() []account.Client {
	var all []account.Client
	for _, name := range slices.Sorted(maps.Keys(c.Clients)) {
		all = append(all, c.Clients[name].account())
	}
	return all
}

func (c *ClientConfig) account() account.Client {
	a := account.Client{
		Name: c.Name, Workspace: c.Workspace, NoTokens: !c.Token, Allow: append([]netip.Prefix(nil), c.AllowFrom...), Rate: float64(c.Rate),
		Paused: c.Paused, AccessLife: time.Duration(c.AccessTokenLife),
	}
	for _, s := range c.Scopes {
		a.Scopes = append(a.Scopes, scim.Permission(s))
	}
	if c.JWT.isOn() {
		rules, _ := c.JWT.account() // account judges it again
		a.JWT = &rules
	}
	if c.Basic.isOn() {
		a.Basic = &account.Basic{User: c.Basic.User, Password: c.Basic.Password.Reveal()}
	}
	return a
}

// basicIsOn tells whether any client signs in by user and password.
func (c *Config) basicIsOn() bool {
	for _, client := range c.Clients {
		if client.Basic.isOn() {
			return true
		}
	}
	return false
}
