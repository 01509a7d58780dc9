package main

import (
	"maps"
	"slices"
	"strings"

	"rollcall/account"
)

// SSOConfig is an OpenID provider that people log in by.
type SSOConfig struct {
	Name         string   // its key under sso
	Issuer       string   `key:"issuer"`        // exactly as the provider writes it
	ClientID     string   `key:"client_id"`     // that the provider gave Rollcall
	ClientSecret Secret   `key:"client_secret"` // none for a public client
	Label        string   `key:"label"`         // on the button in the console; "" for the name
	Scopes       []string `key:"scopes"`        // beside openid
	// Claim is what the userName is in; left out, preferred_username, or a verified email where there is none.
	Claim      string   `key:"claim"`
	Workspaces []string `key:"workspaces"` // whose people log in by it; the first where a login names none
}

func (s *SSOConfig) setDefaults(name string) {
	*s = SSOConfig{Name: name, Scopes: []string{"profile", "email"}, Workspaces: []string{"default"}}
}

func (s *SSOConfig) provider() account.Provider {
	return account.Provider{Name: s.Name, Label: s.Label, Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: s.ClientSecret.Reveal(),
		Scopes: s.Scopes, Claim: s.Claim, Workspaces: s.Workspaces}
}

// checkSSO checks one provider; path ends in a dot.
func (l *loader) checkSSO(path string, s *SSOConfig) {
	for _, w := range s.Workspaces {
		l.checkWorkspace(path+"workspaces", w)
	}
	p := s.provider()
	if err := p.Validate(); err != nil {
		key, text, ok := strings.Cut(err.Error(), ": ")
		if !ok {
			key, text = "", err.Error()
		}
		if at := strings.TrimSuffix(path+key, "."); !l.broken[at] {
			l.bad(at, "", "%s", text)
		}
	}
}

// providers are those of the settings, which were checked.
func (c *Config) providers() []account.Provider {
	var all []account.Provider
	for _, name := range slices.Sorted(maps.Keys(c.SSO)) {
		all = append(all, c.SSO[name].provider())
	}
	return all
}
