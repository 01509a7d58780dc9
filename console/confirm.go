package console

// confirmation is what a link that proves an address leads to.
type confirmation struct{ Code, UserName, Email string }

func showRegistration(x *exchange) error { return x.registration(x.r.URL.Query().Get("code"), nil) }

func (x *exchange) registration(code string, wrong error) error {
	email, err := x.Accounts.CheckRegistration(x.r.Context(), code, x.addr())
	if err != nil {
		return err
	}
	c := confirmation{Code: code, Email: email}
	if wrong != nil {
		return x.again("verify", "Confirm your registration", c, wrong)
	}
	return x.page("verify", "Confirm your registration", c)
}

func confirmRegistration(x *exchange) error {
	code := x.form("code")
	if _, _, err := x.Accounts.ConfirmRegistration(x.r.Context(), code, x.r.PostFormValue("password"), x.addr()); err != nil {
		return x.registration(code, err)
	}
	return x.done("login", "registered")
}

// showAddress changes nothing: programs that look at mails for people open links.
func showAddress(x *exchange) error {
	code := x.r.URL.Query().Get("code")
	name, email, err := x.Accounts.CheckAddress(x.r.Context(), code, x.addr())
	if err != nil {
		return err
	}
	return x.page("address", "Confirm your e-mail address", confirmation{code, name, email})
}

func verifyAddress(x *exchange) error {
	if err := x.Accounts.VerifyAddress(x.r.Context(), x.form("code"), x.addr()); err != nil {
		return err
	}
	return x.done("login", "address")
}
