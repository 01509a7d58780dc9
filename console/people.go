package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// pageSize is how many rows a list has.
const pageSize = 50

// people is a page of the list of accounts.
type people struct {
	Query, Filter, Failed string
	Total, From, To       int
	Previous, Next        string // queries; "" for none
	Rows                  []row
}

// row is an account or group in a list.
type row struct {
	ID, Name, Display, Mail string
	Active                  bool
}

// searchFilter finds a text in what people go by.
func searchFilter(text string) string {
	quoted := string(scim.AppendJSON(nil, text))
	return "userName co " + quoted + " or displayName co " + quoted + " or emails.value co " + quoted
}

func listPeople(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	q := x.r.URL.Query()
	list := people{Query: strings.TrimSpace(q.Get("q")), Filter: strings.TrimSpace(q.Get("filter"))}
	text := list.Filter
	if list.Query != "" {
		if text = searchFilter(list.Query); list.Filter != "" {
			text = "(" + text + ") and (" + list.Filter + ")"
		}
	}
	query := &scim.Query{Types: []string{"User"}, Start: 1, Count: pageSize}
	if n, err := strconv.Atoi(q.Get("start")); err == nil && n > 1 {
		query.Start = n
	}
	if query.SortBy, err = w.Model().Type("User").Find("userName"); err != nil {
		return err
	}
	if text != "" {
		if query.Filter, err = scim.ParseFilter(text); err != nil {
			return x.again("people", "People", list, err)
		}
	}
	page, err := w.Query(x.r.Context(), query)
	if err != nil && text != "" && !isNotAllowed(err) {
		return x.again("people", "People", list, err)
	}
	if err != nil {
		return err
	}
	list.Total = page.Total
	for _, s := range page.Resources {
		r, err := s.Resource()
		if err != nil {
			return err
		}
		list.Rows = append(list.Rows, row{ID: r.ID, Name: r.UserName(), Display: r.DisplayName(), Mail: primaryMail(r), Active: r.Active()})
	}
	list.From, list.To = query.Start, query.Start+len(list.Rows)-1
	at := func(start int) string {
		return "?" + url.Values{"q": {list.Query}, "filter": {list.Filter}, "start": {strconv.Itoa(start)}}.Encode()
	}
	if query.Start > 1 {
		list.Previous = at(max(1, query.Start-pageSize))
	}
	if list.To < list.Total {
		list.Next = at(query.Start + pageSize)
	}
	return x.page("people", "People", list)
}

// field is an input of the form of an account: a path of PATCH and what stands there.
type field struct {
	Name, Label, Path, Value, Type string
	Own, Required                  bool // a person may write it themselves; it has to be there
	Managed                        string
}

// fields are those of the form, in its order.
func fields() []field {
	return []field{
		{Name: "userName", Label: "User name", Path: "userName", Required: true},
		{Name: "displayName", Label: "Name to show", Path: "displayName", Own: true},
		{Name: "givenName", Label: "Given name", Path: "name.givenName", Own: true},
		{Name: "familyName", Label: "Family name", Path: "name.familyName", Own: true},
		{Name: "email", Label: "E-mail", Path: "emails", Type: "email"},
		{Name: "title", Label: "Title", Path: "title"},
		{Name: "userType", Label: "Type or profile", Path: "userType"},
		{Name: "organization", Label: "Organization", Path: scim.EnterpriseURN + ":organization"},
		{Name: "preferredLanguage", Label: "Language", Path: "preferredLanguage", Own: true},
	}
}

// in reads what a resource has there.
func (f *field) in(r *scim.Resource) string {
	if f.Path == "emails" {
		return primaryMail(r)
	}
	keys := strings.Split(f.Path, ".")
	if urn, name, ok := strings.Cut(f.Path, scim.EnterpriseURN+":"); ok && urn == "" {
		keys = []string{scim.EnterpriseURN, name}
	}
	v, _ := scim.ValueAt(r.Attributes, keys)
	text, _ := v.(string)
	return text
}

// change is what has to be done for it to be another.
func (f *field) change(r *scim.Resource, to string) []scim.Operation {
	switch was := f.in(r); {
	case was == to:
		return nil
	case f.Path == "emails":
		return []scim.Operation{mailTo(r, to)}
	case to == "":
		return []scim.Operation{{Op: "remove", Path: f.Path}}
	}
	return []scim.Operation{{Op: "replace", Path: f.Path, Value: to, HasValue: true}}
}

// mailTo puts an address in the place of the primary one; the others stay.
func mailTo(r *scim.Resource, to string) scim.Operation {
	var kept []any
	found := false
	values, _ := r.Attributes["emails"].([]any)
	for _, v := range values {
		m, _ := v.(map[string]any)
		if !found && m["value"] == any(primaryMail(r)) {
			if found = true; to != "" {
				m["value"] = to
				kept = append(kept, m)
			}
			continue
		}
		kept = append(kept, v)
	}
	if !found {
		kept = append(kept, map[string]any{"value": to, "primary": true})
	}
	if len(kept) == 0 {
		return scim.Operation{Op: "remove", Path: "emails"}
	}
	return scim.Operation{Op: "replace", Path: "emails", Value: kept, HasValue: true}
}

func primaryMail(r *scim.Resource) string {
	first := ""
	values, _ := r.Attributes["emails"].([]any)
	for _, v := range values {
		m, _ := v.(map[string]any)
		text, _ := m["value"].(string)
		if primary, _ := m["primary"].(bool); primary {
			return text
		}
		if first == "" {
			first = text
		}
	}
	return first
}

// creation is the form of a new account.
type creation struct {
	Fields                        []field
	Roles                         []string
	Role, Source, Groups, Volumes string
	Home                          string
}

func (x *exchange) creation(w *account.Workspace) (creation, error) {
	s, err := w.Settings(x.r.Context())
	if err != nil {
		if !isNotAllowed(err) {
			return creation{}, err
		}
		s = &account.Settings{} // the role can be left to the workspace
	}
	c := creation{Fields: fields(), Role: x.form("role"), Source: x.form("source"), Groups: x.form("groups"), Volumes: x.form("volumes"), Home: x.form("home")}
	for i := range c.Fields {
		c.Fields[i].Value = x.form(c.Fields[i].Name)
	}
	for _, r := range s.Roles {
		c.Roles = append(c.Roles, r.Name)
	}
	return c, nil
}

func newPerson(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	if err := x.Accounts.May(x.r.Context(), account.UsersCreate); err != nil {
		return err
	}
	c, err := x.creation(w)
	if err != nil {
		return err
	}
	return x.page("new", "New account", c)
}

func createPerson(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	c, err := x.creation(w)
	if err != nil {
		return err
	}
	r := &scim.Resource{Attributes: map[string]any{}}
	for _, f := range c.Fields {
		if f.Value == "" {
			continue
		}
		switch at, name, ok := strings.Cut(f.Path, "."); {
		case f.Path == "emails":
			r.Attributes["emails"] = []any{map[string]any{"value": f.Value, "primary": true}}
		case f.Name == "organization":
			r.Attributes[scim.EnterpriseURN] = map[string]any{"organization": f.Value}
		case ok:
			scim.SetAt(r.Attributes, []string{at, name}, f.Value)
		default:
			r.Attributes[f.Path] = f.Value
		}
	}
	if c.Source != "" {
		r.Attributes[scim.AccountUserURN] = map[string]any{"source": c.Source}
	}
	if password := x.r.PostFormValue("password"); password != "" {
		r.Attributes["password"] = password
	}
	options := account.Options{Role: c.Role, Volumes: x.lines("volumes"), AllVolumes: x.form("allVolumes") != "", DefaultVolume: x.form("defaultVolume") != ""}
	if c.Home != "" {
		home := c.Home == "yes"
		options.Home = &home
	}
	made, err := w.CreateAccount(x.r.Context(), account.NewAccount{User: r.Attributes, Groups: x.lines("groups"), Options: options, Mail: x.form("mail") != "", Message: x.form("message")})
	if err != nil {
		return x.again("new", "New account", c, err)
	}
	return x.done("people/"+made.ID, "created")
}

// editPerson changes what the form shows, if nobody else has meanwhile.
func editPerson(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	ref := scim.Ref{Type: "User", ID: x.r.PathValue("id")}
	s, err := w.Get(x.r.Context(), ref, scim.With{})
	if err != nil {
		return err
	}
	r, err := s.Resource()
	if err != nil {
		return err
	}
	seen, err := strconv.ParseUint(x.form("version"), 10, 64)
	if err != nil {
		return scim.Errorf(scim.ErrInvalidValue, "the form has no version: load the page anew")
	}
	var ops []scim.Operation
	for _, f := range fields() {
		if _, there := x.r.PostForm[f.Name]; there {
			ops = append(ops, f.change(r, x.form(f.Name))...)
		}
	}
	if len(ops) > 0 {
		err = w.Patch(x.r.Context(), ref, scim.Version(seen), ops)
	}
	if err != nil {
		return x.person(w, err)
	}
	return x.done("people/"+ref.ID, "saved")
}

// actOnPerson does what a button says.
func actOnPerson(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	action, id, ctx := x.r.PathValue("action"), x.r.PathValue("id"), x.r.Context()
	ref := scim.Ref{Type: "User", ID: id}
	back := "people/" + id
	switch action {
	case "disable", "enable":
		err = w.Patch(ctx, ref, 0, []scim.Operation{{Op: "replace", Path: "active", Value: action == "enable", HasValue: true}})
	case "deactivate":
		_, err = w.Deactivate(ctx, id)
		back = "people"
	case "activate":
		_, err = w.Activate(ctx, id)
	case "delete", "erase":
		back = "people"
		switch {
		case x.form("sure") == "":
			err = scim.Errorf(scim.ErrInvalidValue, "tick the box: it is for good")
		case action == "erase":
			err = w.Erase(ctx, id)
		default:
			err = w.Delete(ctx, ref)
		}
	case "role":
		_, err = w.SetRole(ctx, id, x.form("role"))
	case "groups":
		_, err = w.SetGroups(ctx, id, x.lines("groups"))
	case "password":
		var mailed bool
		if mailed, err = w.SetPassword(ctx, id, x.r.PostFormValue("password")); mailed {
			action = "reset-mail"
		}
	case "reset-mail":
		_, err = w.ResetPassword(ctx, id, true)
	case "trial":
		err = x.setTrial(w, id)
	case "impersonate":
		return x.impersonate(w, id)
	default:
		return scim.Errorf(scim.ErrNotFound, "there is no such page")
	}
	if err != nil {
		return x.person(w, err)
	}
	return x.done(back, action)
}

func (x *exchange) setTrial(w *account.Workspace, id string) error {
	day := func(name string) (int64, error) {
		t, err := time.Parse(time.DateOnly, x.form(name))
		if err != nil {
			return 0, scim.Errorf(scim.ErrInvalidValue, "a trial has two days, such as 2026-12-31")
		}
		return t.UnixMilli(), nil
	}
	from, err := day("grantedOn")
	if err != nil {
		return err
	}
	until, err := day("expiresOn")
	if err != nil {
		return err
	}
	_, err = w.PutTrial(x.r.Context(), id, from, until)
	return err
}

// impersonate goes on as somebody else, and keeps one's own session for afterwards.
func (x *exchange) impersonate(w *account.Workspace, id string) error {
	in, err := w.Impersonate(x.r.Context(), account.Target{UserID: id})
	if err != nil {
		return x.person(w, err)
	}
	x.keep(ownCookie, x.cookie(sessionCookie), in.ExpiresAt)
	x.keep(sessionCookie, in.Token, in.ExpiresAt)
	x.to("me")
	return nil
}

func isNotAllowed(err error) bool { return statusOf(err) == http.StatusForbidden }
