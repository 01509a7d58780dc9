package account

import (
	"context"
	"net/netip"

	"rollcall/scim"
)

// askAddress keeps the addresses of somebody's own account as they were: what they ask for takes effect
// once the new address is verified (accounts.md A6).
func (ch *change) askAddress(was, is any) error {
	before, _ := was.([]any)
	after, _ := is.([]any)
	known, fresh := map[string]bool{}, 0
	for _, a := range addressesIn(before) {
		known[scim.Fold(a)] = true
	}
	for _, a := range addressesIn(after) {
		if _, ok := address(a); !ok {
			return scim.Errorf(scim.ErrInvalidValue, "emails: %q is no e-mail address, such as jane@example.com", a)
		}
		if !known[scim.Fold(a)] {
			fresh++
		}
	}
	to := mailIn(after)
	switch {
	case to == "":
		return scim.Errorf(scim.ErrForbidden, "emails: one address has to stay; an administrator can change that")
	case fresh > 1:
		return scim.Errorf(scim.ErrInvalidValue, "emails: one new address at a time: each is verified by a mail to it")
	case fresh == 1 && known[scim.Fold(to)]:
		return scim.Errorf(scim.ErrInvalidValue, "emails: make the new address the primary one: the mail that verifies it goes there")
	}
	ch.address = after
	if was == nil {
		delete(ch.after.Attributes, "emails")
	} else {
		ch.after.Attributes["emails"] = was
	}
	return nil
}

func addressesIn(values []any) []string {
	return emailsOf(&scim.Resource{Attributes: map[string]any{"emails": values}})
}

// verifyAddress mails a link to the new address of an account.
func (ch *change) verifyAddress(ctx context.Context) error {
	d := ch.w.dir
	if _, err := d.throttle.count(ctx, throttleKey("address", ch.w.name, ch.Ref.ID), tierReset); err != nil {
		return err
	}
	c := &code{Use: codeAddress, Workspace: ch.w.name, Person: ch.Ref.ID, Mailed: true, Emails: ch.address}
	_, err := d.issue(ctx, c, addressLife, EventAddress)
	return err
}

// CheckAddress tells which address a link is to prove, without using it up.
func (d *Directory) CheckAddress(ctx context.Context, text string, addr netip.Addr) (userName, email string, err error) {
	if err := d.codeRate(addr); err != nil {
		return "", "", err
	}
	c, _, err := d.codes.find(ctx, text, codeAddress)
	if err != nil {
		return "", "", err
	}
	_, user, err := d.codeAccount(ctx, c)
	if err != nil {
		return "", "", err
	}
	return user.UserName(), mailIn(c.Emails), nil
}

// VerifyAddress gives an account the addresses that its person asked for, by the link that was mailed to
// the new one. It works once.
func (d *Directory) VerifyAddress(ctx context.Context, text string, addr netip.Addr) error {
	if err := d.codeRate(addr); err != nil {
		return err
	}
	c, old, err := d.codes.find(ctx, text, codeAddress)
	if err != nil {
		return err
	}
	w, user, err := d.codeAccount(ctx, c)
	if err != nil {
		return err
	}
	return d.codes.redeem(ctx, c, old, func() error {
		_, err := w.update(w.asThemselves(ctx, user), user.ID, func(r *scim.Resource) error {
			r.Attributes["emails"] = c.Emails
			return nil
		})
		if err != nil {
			return err
		}
		return w.kv(unsureSpace).Delete(ctx, user.ID) // it is proved now, even where it is the one that was there
	})
}
