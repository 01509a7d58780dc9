package console

import (
	"rollcall/account"
	"rollcall/scim"
)

// link is what a link that somebody was sent leads to.
type link struct{ Code, UserName, Message, Name string }

func showInvitation(x *exchange) error {
	return x.invitation(x.r.URL.Query().Get("code"), nil)
}

func (x *exchange) invitation(code string, wrong error) error {
	name, message, err := x.Accounts.Invitation(x.r.Context(), code, x.addr())
	if err != nil {
		return err
	}
	l := link{code, name, message, x.form("name")}
	if wrong != nil {
		return x.again("invitation", "You are invited", l, wrong)
	}
	return x.page("invitation", "You are invited", l)
}

func acceptInvitation(x *exchange) error {
	code := x.form("code")
	password, err := x.twice()
	if err != nil {
		return x.invitation(code, err)
	}
	in, err := x.Accounts.AcceptInvitation(x.r.Context(), code, x.form("name"), password, x.addr())
	if err != nil {
		return x.invitation(code, err)
	}
	x.enter(in)
	return nil
}

// twice is a password that was written the same twice.
func (x *exchange) twice() (string, error) {
	password := x.r.PostFormValue("new")
	if password != x.r.PostFormValue("confirm") {
		return "", scim.Errorf(scim.ErrInvalidValue, "the new password was not written the same twice")
	}
	return password, nil
}

func showReset(x *exchange) error { return x.reset(x.r.URL.Query().Get("code"), nil) }

func (x *exchange) reset(code string, wrong error) error {
	name, err := x.Accounts.CheckReset(x.r.Context(), code, x.addr())
	if err != nil {
		return err
	}
	l := link{Code: code, UserName: name}
	if wrong != nil {
		return x.again("reset", "A new password", l, wrong)
	}
	return x.page("reset", "A new password", l)
}

func redeemReset(x *exchange) error {
	code := x.form("code")
	password, err := x.twice()
	if err == nil {
		err = x.Accounts.RedeemReset(x.r.Context(), code, password, x.addr())
	}
	if err != nil {
		return x.reset(code, err)
	}
	return x.done("login", "reset")
}

func showForgot(x *exchange) error { return x.page("forgot", "Forgot your password?", nil) }

func forgot(x *exchange) error {
	if err := x.Accounts.ForgotPassword(x.r.Context(), x.form("workspace"), x.form("userName"), x.addr()); err != nil {
		return x.again("forgot", "Forgot your password?", nil, err)
	}
	return x.done("login", "mailed")
}

// invitations is the list, and the link of one that was just made and is not mailed.
type invitations struct {
	List []account.InvitationInfo
	URL  string
}

func listInvitations(x *exchange) error { return x.invitations("", nil) }

func (x *exchange) invitations(url string, wrong error) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	list, err := w.Invitations(x.r.Context())
	if err != nil {
		return err
	}
	if wrong != nil {
		return x.again("invitations", "Invitations", invitations{list, ""}, wrong)
	}
	return x.page("invitations", "Invitations", invitations{list, url})
}

func invite(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	in, err := w.Invite(x.r.Context(), account.NewInvitation{UserName: x.form("userName"), Message: x.form("message"), Mail: x.form("mail") != "", Options: account.Options{Role: x.form("role")}})
	if err != nil {
		return x.invitations("", err)
	}
	if in.Code == "" {
		return x.done("invitations", "mailed-invitation")
	}
	return x.invitations(x.base+account.LinkPath(account.PageInvitation)+in.Code, nil)
}

func deleteInvitation(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	if err := w.DeleteInvitation(x.r.Context(), x.r.PathValue("id")); err != nil {
		return err
	}
	return x.done("invitations", "taken-back")
}
