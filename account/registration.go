package account

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"rollcall/scim"
)

// registration is what somebody who registers gave, until they prove their address.
type registration struct {
	Name        string `json:"name"`
	Email       string `json:"email"`
	Hash        string `json:"hash"` // of the password, which they give again with the link
	Institution string `json:"institution,omitempty"`
	Website     string `json:"website,omitempty"`
}

// user is the SCIM User that it becomes.
func (r *registration) user() map[string]any {
	u := map[string]any{"userName": r.Email, "displayName": r.Name, "emails": []any{map[string]any{"value": r.Email, "primary": true}}}
	if r.Website != "" {
		u["profileUrl"] = r.Website
	}
	if r.Institution != "" {
		u[scim.EnterpriseURN] = map[string]any{"organization": r.Institution}
	}
	return u
}

// Registration is somebody who registers themselves.
type Registration struct {
	Workspace   string // "" for default
	Name        string
	Email       string
	Password    string
	Verify      string // the password again
	Institution string
	Website     string
	Addr        netip.Addr
}

// Discovered is what anybody may know of a workspace that is open for registration.
type Discovered struct {
	Workspace string   `json:"workspace"`
	Signup    bool     `json:"signup"`
	Guest     bool     `json:"guest"`
	SSO       []string `json:"sso"`
}

// openWorkspace is a workspace where anybody may register; nil for every other.
func (d *Directory) openWorkspace(ctx context.Context, name string) (*Workspace, *Settings, error) {
	w, err := d.Workspace(ctx, name)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := d.settings(ctx, name)
	if err != nil || !s.AllowGuestSignup {
		return nil, nil, err
	}
	return w, s, nil
}

// Discover tells of a workspace where anybody may register; every other is scim.ErrNotFound.
func (d *Directory) Discover(ctx context.Context, workspace string, addr netip.Addr) (*Discovered, error) {
	if workspace == "" {
		workspace = "default"
	}
	if err := d.gate.limit(limitKey{what: "discovery " + network(addr)}, 5, 100); err != nil {
		return nil, err
	}
	w, s, err := d.openWorkspace(ctx, workspace)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no workspace of that name where anybody may register")
	}
	found := &Discovered{Workspace: workspace, Signup: true, Guest: s.AllowGuestLogin, SSO: []string{}}
	for _, p := range d.Providers(workspace) {
		found.SSO = append(found.SSO, p.Name)
	}
	return found, nil
}

// Register makes an account with the default role, at once where the workspace does not verify addresses;
// else it mails a link, and returns nil, whoever exists.
func (d *Directory) Register(ctx context.Context, r Registration) (*scim.Stored, error) {
	if r.Workspace == "" {
		r.Workspace = "default"
	}
	if err := d.gate.limit(limitKey{what: "register " + network(r.Addr)}, 1, 20); err != nil {
		return nil, err
	}
	w, s, err := d.openWorkspace(ctx, r.Workspace)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, scim.Errorf(scim.ErrForbidden, "nobody can register here: an administrator makes accounts")
	}
	if err := d.checkRegistration(s, &r); err != nil {
		return nil, err
	}
	pending := &registration{Name: r.Name, Email: r.Email, Institution: r.Institution, Website: r.Website}
	if !s.VerifyRegistration {
		return w.enroll(ctx, scim.NewID(), pending, r.Password)
	}
	if _, err := d.throttle.count(ctx, throttleKey("register", r.Workspace, scim.Fold(r.Email)), tierReset); err != nil {
		return nil, err
	}
	if pending.Hash, err = d.hasher.hash(ctx, r.Password); err != nil {
		return nil, err
	}
	holder, err := w.holderOf(ctx, r.Email)
	if err != nil {
		return nil, err
	}
	c := &code{Use: codeRegistration, Workspace: r.Workspace, Person: scim.NewID(), Mailed: true, Registration: pending}
	if err := d.codes.add(ctx, c, registrationLife); err != nil {
		return nil, err
	}
	if holder == "" {
		return nil, d.postCode(ctx, c, EventVerify)
	}
	// Whoever has the address learns of it, and nobody else.
	return nil, errors.Join(d.outbox.post(ctx, &letter{Event: EventKnown, Workspace: r.Workspace, Person: holder}), d.codes.kv.Delete(ctx, c.key()))
}

const maxRegistered = 200 // characters of a name, an institution

func (d *Directory) checkRegistration(s *Settings, r *Registration) error {
	r.Name, r.Email = oneLine(r.Name), strings.TrimSpace(r.Email)
	switch _, ok := address(r.Email); {
	case r.Name == "" || len(r.Name) > maxRegistered:
		return scim.Errorf(scim.ErrInvalidValue, "name: it is needed, with at most %d bytes", maxRegistered)
	case !ok:
		return scim.Errorf(scim.ErrInvalidValue, "email: %q is no e-mail address, such as jane@example.com", r.Email)
	case r.Verify != r.Password:
		return scim.Errorf(scim.ErrInvalidValue, "passwordVerify: it is not the same as password")
	case len(r.Institution) > maxRegistered:
		return scim.Errorf(scim.ErrInvalidValue, "institution: at most %d bytes", maxRegistered)
	}
	if r.Website != "" {
		if u, err := url.Parse(r.Website); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(r.Website) > 1000 {
			return scim.Errorf(scim.ErrInvalidValue, "website: it is no URL, such as https://example.com")
		}
	}
	return d.checkPassword(s.PasswordPolicy, r.Password, r.Email, r.Name)
}

// holderOf is the id of an account with that user name or address; "" for none.
func (w *Workspace) holderOf(ctx context.Context, email string) (string, error) {
	found, err := w.store.Lookup(ctx, "User", "userName", email, scim.With{})
	if err == nil {
		return found.ID, nil
	}
	if !errors.Is(err, scim.ErrNotFound) {
		return "", err
	}
	filter, err := scim.ParseFilter("emails.value eq " + string(scim.AppendJSON(nil, email)))
	if err != nil {
		return "", err
	}
	page, err := w.store.Query(ctx, &scim.Query{Types: []string{"User"}, Filter: filter, Start: 1, Count: 1})
	if err != nil || len(page.Resources) == 0 {
		return "", err
	}
	return page.Resources[0].ID, nil
}

// enroll makes the account of somebody who registered.
func (w *Workspace) enroll(ctx context.Context, id string, r *registration, password string) (*scim.Stored, error) {
	holder, err := w.holderOf(ctx, r.Email)
	if err != nil {
		return nil, err
	}
	if holder != "" {
		return nil, scim.Errorf(scim.ErrUniqueness, "email: an account has it already")
	}
	user := r.user()
	user["password"] = password
	ctx = scim.WithActor(ctx, &scim.Actor{Kind: "system", ID: "registration", Name: "registration", Workspace: w.name,
		Permissions: setOf([]scim.Permission{UsersCreate})})
	held, err := w.dir.hold(ctx, w.name, id, 0, EventRegistered)
	if err != nil {
		return nil, err
	}
	made, err := w.CreateAccount(ctx, NewAccount{User: user, own: id})
	w.dir.settle(ctx, held, err)
	return made, err
}

// CheckRegistration tells whose registration a link confirms, without using it up.
func (d *Directory) CheckRegistration(ctx context.Context, text string, addr netip.Addr) (email string, err error) {
	if err := d.codeRate(addr); err != nil {
		return "", err
	}
	c, _, err := d.codes.find(ctx, text, codeRegistration)
	if err != nil {
		return "", err
	}
	return c.Registration.Email, nil
}

// ConfirmRegistration makes the account of whoever registered, by the link that was mailed to them and
// the password that they chose: whoever owns an address does not confirm what somebody else registered
// with it. It works once.
func (d *Directory) ConfirmRegistration(ctx context.Context, text, password string, addr netip.Addr) (workspace string, made *scim.Stored, err error) {
	if err := d.codeRate(addr); err != nil {
		return "", nil, err
	}
	c, old, err := d.codes.find(ctx, text, codeRegistration)
	if err != nil {
		return "", nil, err
	}
	w, _, err := d.openWorkspace(ctx, c.Workspace)
	if err != nil {
		return "", nil, err
	}
	if w == nil {
		return "", nil, errBadCode // it was closed meanwhile
	}
	paid, err := d.throttle.pay(ctx, "registration/"+c.ID, addr)
	if err != nil {
		return "", nil, err
	}
	done, err := d.hasher.take(ctx)
	if err != nil {
		return "", nil, err
	}
	right, err := d.hasher.verify(c.Registration.Hash, password)
	done()
	if err != nil {
		return "", nil, err
	}
	if !right {
		return "", nil, scim.Errorf(scim.ErrInvalidValue, "password: it is not the one that was chosen at the registration")
	}
	if err := paid.succeed(ctx); err != nil {
		return "", nil, err
	}
	err = d.codes.redeem(ctx, c, old, func() error {
		made, err = w.enroll(ctx, c.Person, c.Registration, password)
		return err
	})
	return w.name, made, err
}
