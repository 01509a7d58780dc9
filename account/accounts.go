package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"rollcall/scim"
)

// NewAccount is an account to be made.
type NewAccount struct {
	User   map[string]any // a SCIM User, as in a POST
	ID     string         // "" for a new person
	Groups []string       // ids or displayNames of groups that it joins
	Options
	// Mail invites whoever it is for, with a message: they are mailed a link by which they set a password.
	Mail    bool
	Message string

	invited bool   // whoever it is for gets a link
	own     string // the id of somebody who registers; "" for another
}

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// CreateAccount makes an account with its groups. It takes users:create, groups:update for groups,
// and ids:set for an id; that of a person in another workspace takes workspaces:manage.
func (w *Workspace) CreateAccount(ctx context.Context, n NewAccount) (*scim.Stored, error) {
	if err := w.may(ctx, UsersCreate); err != nil {
		return nil, err
	}
	if n.User == nil {
		return nil, scim.Errorf(scim.ErrInvalidValue, "user: the SCIM User to make is needed")
	}
	if err := w.mayMail(ctx, n); err != nil {
		return nil, err
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	draft, err := w.draft(s, n.User)
	if err != nil {
		return nil, err
	}
	if n.Mail && mailOf(draft.Resource) == "" {
		return nil, scim.Errorf(scim.ErrInvalidValue, "mail: the account needs an e-mail address to be mailed at")
	}
	ref := scim.Ref{Type: "User", ID: scim.NewID()}
	person := false
	if n.ID != "" {
		if ref.ID = strings.ToLower(n.ID); !uuidText.MatchString(ref.ID) {
			return nil, scim.Errorf(scim.ErrInvalidValue, "id: it must be a UUID")
		}
		if person, err = w.claimID(ctx, ref); err != nil {
			return nil, err
		}
	}
	if n.own != "" {
		ref.ID = n.own
	}
	put := draft.Resource
	put.Ref = ref
	if put.Attributes["roles"] == nil {
		put.Attributes["roles"] = []any{map[string]any{"value": s.Roles[0].Name, "primary": true}}
	} else if n.Role != "" {
		return nil, scim.Errorf(scim.ErrInvalidValue, "role: the user has roles; give one of the two")
	}
	if err := n.Options.apply(s, put); err != nil {
		return nil, err
	}
	joins, err := w.joinings(ctx, ref, n.Groups)
	if err != nil {
		return nil, err
	}
	ch, err := w.begin(ctx, &scim.Commit{Ref: ref, Expect: scim.MustNotExist, Put: put, Password: draft.Password})
	if err != nil {
		return nil, err
	}
	ch.settings, ch.passwordLater = s, person || n.invited || n.Mail
	if err := ch.reviewUser(ctx); err != nil {
		return nil, err
	}
	if _, err := ch.run(ctx); err != nil {
		if errors.Is(err, scim.ErrVersionMismatch) {
			err = scim.Errorf(scim.ErrUniqueness, "id: it is taken")
		}
		return nil, err
	}
	for _, c := range joins {
		if _, err := w.Commit(ctx, c); err != nil {
			return nil, err
		}
	}
	made, err := w.store.Get(ctx, ref, scim.With{Groups: true})
	if err == nil && n.Mail {
		_, err = w.sendInvitation(ctx, made, n.Message, true)
	}
	return made, err
}

// mayMail tells whether the one who makes an account may have its person mailed.
func (w *Workspace) mayMail(ctx context.Context, n NewAccount) error {
	if !n.Mail {
		if n.Message != "" {
			return scim.Errorf(scim.ErrInvalidValue, "message: it goes with a mail: set mail")
		}
		return nil
	}
	if err := w.may(ctx, InvitationsManage); err != nil {
		return err
	}
	return errors.Join(checkMessage(n.Message), w.dir.mailable(true))
}

// draft reads a SCIM User. Where the workspace says so, a missing userName is the e-mail address.
func (w *Workspace) draft(s *Settings, body map[string]any) (*scim.Draft, error) {
	return w.dir.model(w.name).Type("User").Decode(s.nameByMail(body))
}

// CompleteBody puts into the body of a new resource what the workspace says that is where it is missing: a
// User's e-mail address as the userName (accounts.md §2).
func (d *Directory) CompleteBody(ctx context.Context, workspace, typ string, body map[string]any) (map[string]any, error) {
	if typ != "User" {
		return body, nil
	}
	s, err := d.settings(ctx, workspace)
	if err != nil {
		return nil, err
	}
	return s.nameByMail(body), nil
}

// nameByMail is a body in which a missing userName is the e-mail address, where the workspace says so.
func (s *Settings) nameByMail(body map[string]any) map[string]any {
	if !s.UserNameFromEmail {
		return body
	}
	r := &scim.Resource{Attributes: map[string]any{}}
	for name, v := range body {
		switch {
		case strings.EqualFold(name, "userName") && v != nil && v != "":
			return body
		case strings.EqualFold(name, "emails"):
			r.Attributes["emails"] = v
		}
	}
	address := mailOf(r)
	if address == "" {
		return body
	}
	body = maps.Clone(body)
	maps.DeleteFunc(body, func(name string, _ any) bool { return strings.EqualFold(name, "userName") })
	body["userName"] = address
	return body
}

// claimID tells whether an id is that of a person of another workspace, whom the actor may bring here.
func (w *Workspace) claimID(ctx context.Context, ref scim.Ref) (person bool, err error) {
	if err := w.may(ctx, IDsSet); err != nil {
		return false, err
	}
	if _, err := w.store.Get(ctx, ref, scim.With{}); err == nil {
		return false, scim.Errorf(scim.ErrUniqueness, "id: it is taken")
	} else if !errors.Is(err, scim.ErrNotFound) {
		return false, err
	}
	names, err := w.dir.list(ctx)
	if err != nil {
		return false, err
	}
	in := []string{w.name}
	for _, name := range names {
		other, err := w.dir.open(ctx, name)
		if err != nil {
			return false, err
		}
		if _, err := other.Get(ctx, ref, scim.With{}); err == nil {
			in = append(in, name)
		} else if !errors.Is(err, scim.ErrNotFound) {
			return false, err
		}
	}
	if len(in) == 1 {
		return false, nil
	}
	if err := w.may(ctx, WorkspacesManage); err != nil {
		return false, err
	}
	_, err = w.dir.people.enter(ctx, ref.ID, in...)
	return true, err
}

// joinings are the commits by which an account joins groups, each held to the rules beforehand.
func (w *Workspace) joinings(ctx context.Context, user scim.Ref, groups []string) ([]*scim.Commit, error) {
	if len(groups) > maxGroups {
		return nil, scim.Errorf(scim.ErrTooLarge, "groups: at most %d", maxGroups)
	}
	var commits []*scim.Commit
	for _, name := range groups {
		ref, err := w.groupCalled(ctx, name)
		if err != nil {
			return nil, err
		}
		c := &scim.Commit{Ref: ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: user}}}
		if _, err := w.review(ctx, c); err != nil {
			return nil, err
		}
		commits = append(commits, c)
	}
	return commits, nil
}

const maxGroups = 1000

// groupCalled finds a group by its id or displayName.
func (w *Workspace) groupCalled(ctx context.Context, name string) (scim.Ref, error) {
	ref := scim.Ref{Type: "Group", ID: strings.ToLower(name)}
	if uuidText.MatchString(ref.ID) {
		if _, err := w.store.Get(ctx, ref, scim.With{}); !errors.Is(err, scim.ErrNotFound) {
			return ref, err
		}
	}
	ref, err := w.groupNamed(ctx, name)
	if errors.Is(err, scim.ErrNotFound) {
		return ref, scim.Errorf(scim.ErrInvalidValue, "groups: there is no group %q", name)
	}
	return ref, err
}

// SetGroups replaces all direct memberships of an account.
func (w *Workspace) SetGroups(ctx context.Context, id string, groups []string) (*scim.Stored, error) {
	ref := scim.Ref{Type: "User", ID: id}
	if err := w.may(ctx, GroupsUpdate); err != nil {
		return nil, err
	}
	if groups == nil {
		return nil, scim.Errorf(scim.ErrInvalidValue, "groups: a list of ids or names is needed; [] for none")
	}
	now, err := w.Get(ctx, ref, scim.With{Groups: true})
	if err != nil {
		return nil, err
	}
	wanted, err := w.joinings(ctx, ref, groups)
	if err != nil {
		return nil, err
	}
	var commits []*scim.Commit
	for _, g := range now.Groups {
		if !g.Direct {
			continue
		}
		i := slices.IndexFunc(wanted, func(c *scim.Commit) bool { return c.Ref == g.Ref })
		if i >= 0 {
			wanted = slices.Delete(wanted, i, i+1)
			continue
		}
		c := &scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Remove: true, Member: ref}}}
		if _, err := w.review(ctx, c); err != nil {
			return nil, err
		}
		commits = append(commits, c)
	}
	// What comes first, so that an administrator who changes from one group to another stays one.
	for _, c := range append(wanted, commits...) {
		if _, err := w.Commit(ctx, c); err != nil {
			return nil, fmt.Errorf("group %s: %w", c.Ref.ID, err)
		}
	}
	return w.store.Get(ctx, ref, scim.With{Groups: true})
}
