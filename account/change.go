package account

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// change is a commit on its way through the rules.
type change struct {
	*scim.Commit
	w        *Workspace
	actor    *scim.Actor
	settings *Settings
	act      action
	before   *scim.Resource // nil at a creation
	after    *scim.Resource // Put; nil at a deletion, and for members alone

	passwordLater bool // the account gets its password from whoever is invited

	self     bool // of the actor's own account
	restrict bool // to what a person may write of their own account
	roles    bool // the roles that count change
	offline  bool // the account is being taken offline
	online   bool // or comes back
	loss     *loss
	ends     ending
	password string // the new one, taken out of the commit
	newAdmin string // space of a hint that is written before the commit
	oldAdmin string // space of a hint that is taken back after it

	letters []*letter // that tell of the change
	unsure  bool      // whoever sets the address may not set the password
	sure    bool      // the address is new, and may be trusted
	address []any     // addresses that are taken over once they are verified
}

// begin holds the rules that bind resources of every type: the actor's right to the change,
// that a new resource belongs to whoever makes it, and who has authority over what.
func (w *Workspace) begin(ctx context.Context, c *scim.Commit) (*change, error) {
	ch := &change{Commit: c, w: w, actor: scim.ActorFrom(ctx), act: actUpdate, after: c.Put, before: c.Before}
	switch {
	case c.Delete:
		ch.act = actDelete
	case c.Expect == scim.MustNotExist:
		ch.act = actCreate
	}
	ch.password = c.Password
	if err := ch.allow(ctx); err != nil {
		return nil, err
	}
	if c.Put != nil {
		if c.Old != nil {
			c.Put.Owner = c.Old.Owner
		} else {
			c.Put.Owner = ch.actor.Owner()
		}
	}
	if err := ch.checkErased(ctx); err != nil {
		return nil, err
	}
	return ch, w.holdAuthority(ctx, c)
}

// allow asks for the right to the change. Whoever has none to others' accounts may have one to
// their own.
func (ch *change) allow(ctx context.Context) error {
	ch.self = ch.actor != nil && ch.Ref.Type == "User" && ch.actor.User == ch.Ref
	err := ch.w.allow(ctx, ch.Ref.Type, ch.act)
	switch {
	case !ch.self:
		return err
	case ch.act == actDelete:
		return scim.Errorf(scim.ErrForbidden, "nobody deletes their own account: ask another administrator")
	case ch.act == actUpdate && (ch.Me || err != nil):
		ch.restrict = true
		return ch.w.may(ctx, SelfUpdate)
	}
	return err
}

// review applies the rules to a commit, and completes what the server sets.
func (w *Workspace) review(ctx context.Context, c *scim.Commit) (*change, error) {
	ch, err := w.begin(ctx, c)
	if err != nil || c.Ref.Type != "User" && c.Ref.Type != "Group" {
		return ch, err
	}
	if ch.settings, err = w.dir.settings(ctx, w.name); err != nil {
		return nil, err
	}
	if ch.before == nil && c.Old != nil && ch.act != actCreate {
		if ch.before, err = c.Old.Resource(); err != nil {
			return nil, err
		}
	}
	if c.Ref.Type == "Group" {
		return ch, ch.reviewGroup(ctx)
	}
	return ch, ch.reviewUser(ctx)
}

func (ch *change) reviewUser(ctx context.Context) error {
	if ch.act != actDelete && ch.after == nil {
		return nil // a mark alone
	}
	if ch.act == actCreate {
		if err := ch.complete(ctx); err != nil {
			return err
		}
	}
	if err := ch.holdSource(); err != nil {
		return err
	}
	if err := checkPreferences(ch.after); err != nil {
		return err
	}
	if ch.restrict {
		if err := ch.holdOwn(); err != nil {
			return err
		}
	}
	if err := ch.reviewRoles(ctx); err != nil {
		return err
	}
	if err := ch.reviewStanding(ctx); err != nil {
		return err
	}
	if err := ch.reviewPassword(ctx); err != nil {
		return err
	}
	if err := ch.reviewRest(ctx); err != nil {
		return err
	}
	if err := ch.reviewAddress(ctx); err != nil {
		return err
	}
	ch.stamp()
	return nil
}

// ceiling is what the actor may give others, and may take from them: what they hold, what a token
// is made to assign, and what everybody has anyway.
func (ch *change) ceiling() set {
	if ch.actor.All {
		return setOf(Permissions())
	}
	s := ch.settings
	have := s.permissions(s.Roles[0].Name, ch.actor.MaxRole)
	for p, ok := range ch.actor.Permissions {
		if ok {
			have[p] = true
		}
	}
	return have
}

func (ch *change) mayAssign() bool { return ch.actor.Can(RolesAssign) || ch.actor.MaxRole != "" }

// reviewRoles holds a change of roles to the rules: it takes a right of its own, and nobody gives or
// takes away more than they hold.
func (ch *change) reviewRoles(ctx context.Context) error {
	s := ch.settings
	before, after := []string{s.Roles[0].Name}, []string(nil)
	if ch.before != nil {
		before = s.roleNames(ch.before)
		if ch.KeepForeign && !ch.mayAssign() && ch.after != nil && ch.after.Attributes["roles"] == nil && ch.before.Attributes["roles"] != nil {
			ch.after.Attributes["roles"] = ch.before.Attributes["roles"] // readOnly for this writer
		}
	}
	if ch.after != nil {
		after = s.roleNames(ch.after)
		if s.administrates(after) {
			ch.newAdmin = adminUsersSpace
		} else if ch.before != nil && s.administrates(before) {
			ch.oldAdmin = adminUsersSpace
		}
	} else if s.administrates(before) {
		ch.oldAdmin = adminUsersSpace
	}
	if ch.after == nil || slices.Equal(before, after) {
		return nil
	}
	ch.roles = ch.before != nil
	touched := slices.DeleteFunc(slices.Concat(before, after), func(name string) bool {
		return slices.Contains(before, name) && slices.Contains(after, name)
	})
	if !ch.mayAssign() {
		return scim.Errorf(scim.ErrForbidden, "roles: this needs the permission %s", RolesAssign)
	}
	if !ch.ceiling().holds(s.permissions(touched...)) {
		return scim.Errorf(scim.ErrForbidden, "roles: you cannot give or take away the role %s, which may do more than you", strings.Join(touched, ", "))
	}
	if ch.roles {
		ch.ends = ending{sessions: true, tokens: true}
		if reflect.DeepEqual(ch.before.Attributes["entitlements"], ch.after.Attributes["entitlements"]) {
			delete(ch.after.Attributes, "entitlements") // they were for the other role
		}
	}
	return nil
}

// reviewStanding holds what concerns the account as a whole: a person changes nobody stronger,
// nobody takes the last administrator away, and access ends with the account.
func (ch *change) reviewStanding(ctx context.Context) error {
	if ch.before == nil {
		return nil
	}
	stops := ch.before.Active() && (ch.after == nil || !ch.after.Active())
	if ch.self && stops {
		return scim.Errorf(scim.ErrForbidden, "active: nobody disables their own account")
	}
	person := !ch.actor.All && ch.actor.User.ID != "" && !ch.self
	if !person && !stops && !ch.roles && ch.password == "" {
		return nil
	}
	have, err := ch.w.standingOf(ctx, ch.settings, ch.Ref, ch.before)
	if err != nil {
		return err
	}
	// A provider keeps administrators up to date as everybody else; their roles and passwords are not its.
	if guarded := person || ch.roles || ch.password != ""; guarded && !ch.restrict && !ch.ceiling().holds(have) {
		return scim.Errorf(scim.ErrForbidden, "the account may do more than you: its role, password and status are not yours to change")
	}
	if stops {
		ch.ends.sessions = true
	}
	if ch.before.Active() && ch.settings.isAdministrator(have) && (stops || ch.roles) {
		ch.loss = &loss{user: ch.Ref, after: ch.after, alone: ch.roles && ch.settings.OnRoleChange.ClearGroups}
	}
	return nil
}

// reviewPassword holds a new password to who may set it, and to the policy.
func (ch *change) reviewPassword(ctx context.Context) error {
	if ch.password == "" {
		return nil
	}
	if ch.restrict || ch.self {
		return scim.Errorf(scim.ErrForbidden, "password: set your own with POST /api/v1/password, which asks for the one that you have")
	}
	if ch.actor.By != "" {
		return errActing
	}
	if source := sourceOf(ch.after); source != "local" {
		return scim.Errorf(scim.ErrInvalidValue, "password: the account logs in by %s, and has none here", source)
	}
	if err := ch.w.dir.checkPassword(ch.settings.PasswordPolicy, ch.password, wordsOf(ch.after)...); err != nil {
		return err
	}
	if ch.before != nil {
		return ch.w.mayReset(ctx, ch.actor, ch.Ref.ID)
	}
	return nil
}

var errActing = scim.Errorf(scim.ErrForbidden, "who acts as somebody else cannot reach their passwords, secrets and tokens")

// mayReset tells whether the actor may set somebody's password: the administrator of one workspace
// that of a person who is in that workspace alone.
func (w *Workspace) mayReset(ctx context.Context, a *scim.Actor, id string) error {
	if a.All || a.Roams {
		return nil
	}
	who, err := w.dir.people.get(ctx, id)
	if err != nil {
		return err
	}
	if others := who.elsewhere(w.name); len(others) > 0 {
		return scim.Errorf(scim.ErrForbidden, "password: the person is in other workspaces too: only they themselves, or an administrator of every workspace, can set it")
	}
	return nil
}

// sourceOf is how the person logs in: "local", "ldap" or "sso".
func sourceOf(r *scim.Resource) string {
	if s, _ := extension(r)["source"].(string); s != "" {
		return s
	}
	return "local"
}

// holdSource keeps how the person logs in as it was when the account was made: from then on the attribute
// is readOnly, which a PUT leaves as it is, and a PATCH may not name (RFC 7644 §3.5.1, §3.5.2). One that
// is not there counts as "local".
func (ch *change) holdSource() error {
	if ch.before == nil || ch.after == nil {
		return nil
	}
	was, is := extension(ch.before)["source"], extension(ch.after)["source"]
	switch {
	case was == is:
		return nil
	case sourceOf(ch.before) != sourceOf(ch.after) && !ch.KeepForeign && ch.restrict:
		return notYours(scim.AccountUserURN + ":source") // accounts.md A6
	case sourceOf(ch.before) != sourceOf(ch.after) && !ch.KeepForeign:
		return scim.Errorf(scim.ErrMutability, "source: it is set when an account is made, and stays")
	}
	ext := extension(ch.after)
	if ext == nil {
		ext = map[string]any{}
		ch.after.Attributes[scim.AccountUserURN] = ext
	}
	if ext["source"] = was; was == nil {
		delete(ext, "source")
	}
	return nil
}

// extension is the account extension of a user, nil where there is none.
func extension(r *scim.Resource) map[string]any {
	if r == nil {
		return nil
	}
	m, _ := r.Attributes[scim.AccountUserURN].(map[string]any)
	return m
}

// wordsOf are what a password may not be.
func wordsOf(r *scim.Resource) []string {
	words := []string{r.UserName(), r.DisplayName()}
	for _, e := range emailsOf(r) {
		words = append(words, e)
	}
	return words
}

func emailsOf(r *scim.Resource) []string {
	var list []string
	values, _ := r.Attributes["emails"].([]any)
	for _, v := range values {
		if m, ok := v.(map[string]any); ok {
			if s, ok := m["value"].(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// stamp notes who made the change, where there is one.
func (ch *change) stamp() {
	if ch.after == nil {
		return
	}
	ext := extension(ch.after)
	if ext == nil {
		ext = map[string]any{}
	}
	by := authorOf(ch.actor)
	if ch.before == nil {
		ext["createdBy"] = by
	} else if len(scim.ChangedAttributes(ch.before, ch.after)) == 0 {
		return
	}
	ext["modifiedBy"] = by
	ch.after.Attributes[scim.AccountUserURN] = ext
}

func authorOf(a *scim.Actor) map[string]any {
	by := map[string]any{"value": actorName(a)}
	if a.By != "" {
		by["actor"] = a.By
	}
	return by
}

// lockWait is for how long a change waits that could take the last administrator away: only one
// at a time can, and each is a few round trips.
const lockWait = 5 * time.Second

// guarded runs a change that may lose an administrator, so that no two are judged side by side.
func (w *Workspace) guarded(ctx context.Context, ch *change, commit func() error) error {
	if ch.loss == nil {
		return commit()
	}
	for deadline := w.dir.now().Add(lockWait); ; {
		lock, err := w.dir.state.Lock(ctx, "administrators/"+w.name, actorName(ch.actor), 10*time.Second)
		if err == nil {
			defer func() { _ = lock.Release(context.WithoutCancel(ctx)) }()
			break
		}
		if !errors.Is(err, scim.ErrLocked) || w.dir.now().After(deadline) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := w.keepAdministrator(ctx, ch.settings, *ch.loss); err != nil {
		return err
	}
	return commit()
}
