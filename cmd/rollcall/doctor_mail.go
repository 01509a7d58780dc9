package main

import (
	"context"
	"time"
)

// mail tries the mail server, and sends nothing.
func (d *doctor) mail(ctx context.Context) {
	const part = "mail"
	m, err := d.config.sender(nil)
	if err != nil {
		d.fail(part, "", false, "%v", err)
		return
	}
	if m == nil {
		d.warn(part, "Set mail.host to invite people by mail, to let them register, and to tell them what happens to their accounts", "no mail is sent")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := m.Try(ctx); err != nil {
		d.fail(part, "Is that its address and port, does mail.tls fit, and are user and password right? Mails wait meanwhile, and none is lost", true, "%s cannot be spoken with: %v", m.Host, err)
		return
	}
	d.ok(part, "%s takes mail from us, encrypted by %s", m.Host, map[bool]string{true: "nothing", false: string(m.TLS)}[m.TLS == "off"])
}
