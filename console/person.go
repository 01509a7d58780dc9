package console

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// person is the page of one account.
type person struct {
	ID, UserName, Owner, Source string
	Active, Offline, Self       bool
	Version                     scim.Version
	Fields                      []field
	Attributes                  []attribute
	Role                        string
	Roles                       []string
	Groups                      []scim.Membership
	Sessions                    []account.SessionInfo
	Why                         []account.Answer
	Secrets                     []account.SecretInfo
	Leases                      []account.Lease
	Granted, Expires            string // of the trial, as days
}

// GroupNames are the names of its groups, one a line.
func (p person) GroupNames() string {
	names := make([]string, len(p.Groups))
	for i, g := range p.Groups {
		names[i] = g.Display
	}
	return strings.Join(names, "\n")
}

// attribute is one value, and who alone may write it.
type attribute struct{ Name, Value, Managed string }

func showPerson(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	return x.person(w, nil)
}

// person shows an account, and above it what went wrong with a change of it.
func (x *exchange) person(w *account.Workspace, wrong error) error {
	p, err := x.readPerson(w)
	if err != nil {
		if wrong != nil {
			return wrong
		}
		return err
	}
	if wrong != nil {
		return x.again("person", p.UserName, p, wrong)
	}
	return x.page("person", p.UserName, p)
}

func (x *exchange) readPerson(w *account.Workspace) (*person, error) {
	ctx, id := x.r.Context(), x.r.PathValue("id")
	s, err := w.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{Groups: true})
	if err != nil {
		return nil, err
	}
	r, err := s.Resource()
	if err != nil {
		return nil, err
	}
	w.Model().Type("User").DropNever(r)
	if err := x.Accounts.ShowComputed(ctx, x.actor.Workspace, r); err != nil {
		return nil, err
	}
	ext, _ := r.Attributes[scim.AccountUserURN].(map[string]any)
	p := &person{ID: r.ID, UserName: r.UserName(), Owner: r.Owner, Active: r.Active(), Self: r.ID == x.actor.User.ID, Version: s.Version, Groups: s.Groups, Fields: fields()}
	p.Source, _ = ext["source"].(string)
	p.Offline, _ = ext["inactive"].(bool)
	if p.Source == "" {
		p.Source = "local"
	}
	managed := managers(ext)
	delete(ext, "authority") // it stands beside each attribute
	for i := range p.Fields {
		f := &p.Fields[i]
		f.Value, f.Managed = f.in(r), managed(f.Path)
	}
	flatten("", r.Attributes, func(name, value string) {
		p.Attributes = append(p.Attributes, attribute{name, value, managed(name)})
	})
	if trial, ok := ext["trial"].(map[string]any); ok {
		p.Granted, p.Expires = day(trial["grantedOn"]), day(trial["expiresOn"])
	}
	return p, x.readAround(w, p, r)
}

// readAround reads what else there is of somebody, as far as whoever asks may see it.
func (x *exchange) readAround(w *account.Workspace, p *person, r *scim.Resource) error {
	ctx := x.r.Context()
	settings, err := w.Settings(ctx)
	if err == nil {
		for _, role := range settings.Roles {
			p.Roles = append(p.Roles, role.Name)
		}
	} else if !isNotAllowed(err) {
		return err
	}
	roles, _ := r.Attributes["roles"].([]any)
	for _, v := range roles {
		m, _ := v.(map[string]any)
		if name, _ := m["value"].(string); p.Role == "" || m["primary"] == any(true) {
			p.Role = name
		}
	}
	sessions, err := x.Accounts.Sessions(ctx, x.actor.Workspace, false)
	if err != nil && !isNotAllowed(err) {
		return err
	}
	for _, s := range sessions {
		if s.UserID == p.ID {
			p.Sessions = append(p.Sessions, s)
		}
	}
	if p.Why, err = w.Why(ctx, p.ID, ""); err != nil && !isNotAllowed(err) {
		return err
	}
	p.Why = slices.DeleteFunc(p.Why, func(a account.Answer) bool { return !a.Allowed })
	if p.Secrets, err = w.Secrets(ctx, p.ID); err != nil && !isNotAllowed(err) {
		return err
	}
	if p.Leases, err = w.Leases(ctx, p.ID); err != nil && !isNotAllowed(err) {
		return err
	}
	return nil
}

// managers tells of each attribute who alone may write it; "" for everybody who may at all.
func managers(ext map[string]any) func(path string) string {
	owners := map[string]string{}
	rules, _ := ext["authority"].([]any)
	for _, v := range rules {
		m, _ := v.(map[string]any)
		name, _ := m["attribute"].(string)
		owners[strings.ToLower(name)], _ = m["owner"].(string)
	}
	return func(path string) string {
		for path = strings.ToLower(path); ; path = path[:strings.LastIndex(path, ".")] {
			if owner := owners[path]; owner != "" {
				return strings.Replace(owner, ":", " ", 1)
			}
			if !strings.Contains(path, ".") {
				return ""
			}
		}
	}
}

// flatten tells every value of an object, each with its path.
func flatten(prefix string, object map[string]any, tell func(name, value string)) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		name := prefix + key
		switch v := object[key].(type) {
		case map[string]any:
			if strings.HasPrefix(key, "urn:") {
				flatten(key+":", v, tell)
			} else {
				flatten(name+".", v, tell)
			}
		case []any:
			for _, item := range v {
				tell(name, describe(item))
			}
		default:
			tell(name, describe(v))
		}
	}
}

// describe is a value in one line.
func describe(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Sprint(v)
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, key+": "+fmt.Sprint(m[key]))
	}
	return strings.Join(parts, ", ")
}

func day(v any) string {
	text, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// showMatrix shows who may do what.
func showMatrix(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	m, err := w.Matrix(x.r.Context(), 1, 200)
	if err != nil {
		return err
	}
	return x.page("permissions", "Permissions", m)
}

func listCredentials(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	list, err := w.Credentials(x.r.Context())
	if err != nil {
		return err
	}
	return x.page("credentials", "Credentials", list)
}

func listSessions(x *exchange) error {
	list, err := x.Accounts.Sessions(x.r.Context(), x.actor.Workspace, x.r.URL.Query().Get("connected") != "")
	if err != nil {
		return err
	}
	return x.page("sessions", "Sessions", list)
}

func endSession(x *exchange) error {
	if err := x.Accounts.EndSession(x.r.Context(), x.r.PathValue("id")); err != nil {
		return err
	}
	return x.done("sessions", "ended")
}
