package main

import (
	"maps"
	"slices"
	"strings"

	"rollcall/account"
)

// authority reads the section ownership: an attribute of a user ("displayName"), or of a type
// that is named before it ("Group:members"), and the name of the source or client that alone may
// write it. The second result is what is wrong, by key.
func (c *Config) authority() (rules []account.Authority, wrong map[string]string) {
	wrong = map[string]string{}
	model := c.widestModel()
	for _, key := range slices.Sorted(maps.Keys(c.Ownership)) {
		rule := account.Authority{Type: "User", Attribute: key}
		for _, t := range model.Types {
			if attribute, ok := strings.CutPrefix(key, t.Name+":"); ok {
				rule.Type, rule.Attribute = t.Name, attribute
			}
		}
		var problem string
		if rule.Owner, problem = c.ownerNamed(c.Ownership[key]); problem == "" {
			if err := account.CheckAuthority(model, rule); err != nil {
				problem = err.Error()
			}
		}
		if problem != "" {
			wrong[key] = problem
			continue
		}
		rules = append(rules, rule)
	}
	return rules, wrong
}

// ownerNamed is the owner that a name stands for.
func (c *Config) ownerNamed(name string) (owner, problem string) {
	kind, plain, prefixed := strings.Cut(name, ":")
	if !prefixed {
		kind, plain = "", name
	}
	_, isSource := c.Sources[plain]
	_, isClient := c.Clients[plain]
	switch {
	case isSource && kind == "source", isSource && kind == "" && !isClient:
		return "source:" + plain, ""
	case isClient && kind == "client", isClient && kind == "" && !isSource:
		return "client:" + plain, ""
	case isSource && isClient && kind == "":
		return "", "there are a source and a client of the name " + quote(plain) + ": write source:" + plain + " or client:" + plain
	}
	return "", quote(name) + " is neither a source nor a client"
}

func (l *loader) checkOwnership() {
	_, wrong := l.config.authority()
	for _, key := range slices.Sorted(maps.Keys(wrong)) {
		l.bad("ownership."+key, "", "%s", wrong[key])
	}
}
