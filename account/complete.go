package account

import (
	"context"
	"net/mail"
	"reflect"
	"slices"
	"strings"

	"rollcall/scim"
)

// complete holds a new account to what the workspace requires, and sets what it begins with.
func (ch *change) complete(ctx context.Context) error {
	r, s := ch.after, ch.settings
	if r.Attributes == nil {
		r.Attributes = map[string]any{}
	}
	if err := ch.require(); err != nil {
		return err
	}
	if err := checkMail(s, r); err != nil {
		return err
	}
	if s.FirstNameDefaultsToUserName {
		name, _ := r.Attributes["name"].(map[string]any)
		if name == nil {
			name = map[string]any{}
		}
		if name["givenName"] == nil {
			name["givenName"] = r.UserName()
		}
		r.Attributes["name"] = name
	}
	ext := extension(r)
	if ext == nil {
		ext = map[string]any{}
	}
	if ext["source"] == nil && ch.actor.Kind == "source" {
		ext["source"] = "ldap"
	}
	if source, ok := ext["source"].(string); ok && !slices.Contains([]string{"local", "ldap", "sso"}, source) {
		return scim.Errorf(scim.ErrInvalidValue, "source: %q is none of local, ldap, sso", source)
	}
	number, err := ch.w.dir.numbers.next(ctx, ch.w.name)
	if err != nil {
		return err
	}
	ext["number"] = number
	r.Attributes[scim.AccountUserURN] = ext
	return nil
}

// require refuses an account without what the workspace requires. A source brings what its
// directory has.
func (ch *change) require() error {
	if ch.actor.Kind == "source" {
		return nil
	}
	for _, name := range ch.settings.Required {
		var has bool
		switch name {
		case "name":
			has = ch.after.DisplayName() != "" || ch.after.Attributes["name"] != nil
		case "emails":
			has = len(emailsOf(ch.after)) > 0
		case "password":
			has = ch.password != "" || sourceOf(ch.after) != "local" || ch.passwordLater
		}
		if !has {
			return scim.Errorf(scim.ErrInvalidValue, "%s is required in this workspace", name)
		}
	}
	return nil
}

// checkMail holds a userName to be an e-mail address where the workspace says so.
func checkMail(s *Settings, r *scim.Resource) error {
	if !s.UserNameIsEmail {
		return nil
	}
	name := r.UserName()
	if a, err := mail.ParseAddress(name); err != nil || a.Name != "" || a.Address != name {
		return scim.Errorf(scim.ErrInvalidValue, "userName: in this workspace it is an e-mail address, such as jane@example.com")
	}
	return nil
}

// switches are the preferences that the server knows: they are on or off.
var switches = []string{"dailyDigestEmails", "discussionEmails", "rememberPositionFlow"}

// checkPreferences holds the known preferences to be true or false.
func checkPreferences(r *scim.Resource) error {
	values, _ := extension(r)["preferences"].([]any)
	for _, v := range values {
		m, _ := v.(map[string]any)
		name, _ := m["name"].(string)
		if value, _ := m["value"].(string); slices.Contains(switches, name) && value != "true" && value != "false" {
			return scim.Errorf(scim.ErrInvalidValue, "preferences: %s is true or false", name)
		}
	}
	return nil
}

// What a person may write of their own account (accounts.md A6).
var (
	ownAttributes = []string{"name", "displayName", "nickName", "profileUrl", "photos", "phoneNumbers", "addresses",
		"preferredLanguage", "locale", "timezone"}
	ownExtension = []string{"preferences", "properties", "notificationsEnabled", "description"}
)

// holdOwn refuses a person's change of what is not theirs to write, and says what that is. What a
// PUT leaves out of it stays.
func (ch *change) holdOwn() error {
	if ch.before == nil {
		return scim.Errorf(scim.ErrForbidden, "this is not yours to write")
	}
	if ch.after.ExternalID != ch.before.ExternalID {
		if !ch.KeepForeign || ch.after.ExternalID != "" {
			return notYours("externalId")
		}
		ch.after.ExternalID = ch.before.ExternalID
	}
	if err := ch.holdOwnIn(ch.before.Attributes, ch.after.Attributes, ownAttributes, ""); err != nil {
		return err
	}
	before, after := extension(ch.before), extension(ch.after)
	if after == nil {
		after = map[string]any{}
		ch.after.Attributes[scim.AccountUserURN] = after
	}
	return ch.holdOwnIn(before, after, ownExtension, scim.AccountUserURN+":")
}

func (ch *change) holdOwnIn(before, after map[string]any, own []string, prefix string) error {
	names := map[string]bool{}
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	for name := range names {
		if slices.Contains(own, name) || prefix == "" && name == scim.AccountUserURN {
			continue
		}
		was, had := before[name]
		is, has := after[name]
		switch {
		case had && !has && ch.KeepForeign:
			after[name] = was
		case prefix == "" && name == "emails" && !reflect.DeepEqual(was, is) && ch.w.dir.outbox.mail != nil:
			if err := ch.askAddress(was, is); err != nil {
				return err
			}
		case had != has && !(has && isEmpty(is)), !isEmpty(is) && !reflect.DeepEqual(was, is):
			return notYours(prefix + name)
		}
	}
	return nil
}

// isEmpty tells a value that is none: what Replace leaves of an extension that was not mentioned.
func isEmpty(v any) bool {
	m, ok := v.(map[string]any)
	return ok && len(m) == 0
}

func notYours(name string) error {
	switch hint := "an administrator can change it"; {
	case name == "emails":
		return scim.Errorf(scim.ErrForbidden, "emails: an address is taken over once it is verified, and this server sends no mail to do so: an administrator can change it")
	case strings.HasPrefix(name, scim.AccountUserURN):
		return scim.Errorf(scim.ErrForbidden, "%s: not yours to write; %s", strings.TrimPrefix(name, scim.AccountUserURN+":"), hint)
	default:
		return scim.Errorf(scim.ErrForbidden, "%s: not yours to write; %s", name, hint)
	}
}
