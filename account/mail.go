package account

// Mail is how mail is sent.
type Mail struct{}
