package main

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/mail"
	"net/url"
	"strings"

	"rollcall/account"
	"rollcall/internal/ops"
)

// MailConfig is how mail is sent: invitations, links, and what people are told of.
type MailConfig struct {
	Host string `key:"host"` // SMTP server; "" for no mail at all
	Port int    `key:"port"` // 0: 587, or 465 where tls is implicit
	// TLS: starttls asks for it, implicit begins with it, off sends everything in the clear.
	TLS      string `key:"tls" enum:"starttls,implicit,off"`
	CAFile   string `key:"ca_file"` // of its authorities, PEM; "" for the system's
	User     string `key:"user"`    // "" for no login
	Password Secret `key:"password"`
	From     string `key:"from"`     // who mails come from: an address, or Name <address>
	BaseURL  string `key:"base_url"` // what links in mails begin with; "" takes server.base_url
}

// sender is the settings as account takes them; nil for no mail.
func (c *Config) sender(metrics *ops.Metrics) (*account.Mail, error) {
	m := c.Mail
	if m.Host == "" {
		return nil, nil
	}
	out := &account.Mail{Host: m.Host, Port: m.Port, TLS: account.MailTLS(m.TLS), User: m.User, Password: m.Password.Read, From: m.From,
		BaseURL: cmp.Or(m.BaseURL, c.Server.BaseURL)}
	if metrics != nil {
		out.Observe = metrics.Mailed
	}
	if m.CAFile != "" {
		pem, _, err := readFile(m.CAFile, maxFile)
		if err != nil {
			return nil, err
		}
		out.CA = x509.NewCertPool()
		if !out.CA.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", m.CAFile)
		}
	}
	return out, nil
}

// checkMail checks the settings of mail together.
func (l *loader) checkMail() {
	m := &l.config.Mail
	if m.Host == "" {
		if m.From != "" || m.User != "" || m.Password.IsSet() {
			l.bad("mail.host", "Write the name of your SMTP server", "it is missing: other settings of mail are set")
		}
		return
	}
	m.BaseURL = strings.TrimRight(m.BaseURL, "/")
	if strings.ContainsAny(m.Host, " /@:") {
		l.bad("mail.host", "Write a name such as smtp.example.com; the port is mail.port", "%s is no name of a server", quote(m.Host))
	}
	if m.Port < 0 || m.Port > 65535 {
		l.bad("mail.port", "", "%d is not between 1 and 65535", m.Port)
	}
	if _, err := mail.ParseAddress(m.From); err != nil && !l.broken["mail.from"] {
		l.bad("mail.from", `Write an address, or "Rollcall <rollcall@example.com>"`, "%s is no e-mail address", quote(m.From))
	}
	switch u, err := url.Parse(m.BaseURL); {
	case m.BaseURL == "" && l.config.Server.BaseURL == "":
		l.bad("mail.base_url", "Set server.base_url, or mail.base_url, to what people see in front of /console/", "it is missing: links in mails need it")
	case m.BaseURL == "":
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(m.BaseURL, "\"\\<> "):
		l.bad("mail.base_url", "Write a URL such as https://people.example.com", "%s is no absolute http or https URL", quote(m.BaseURL))
	}
	if (m.User == "") == m.Password.IsSet() {
		l.bad("mail.user", "Set both, or neither", "mail.user and mail.password go together")
	}
	if m.TLS == "off" && !loopback(m.Host) {
		l.warn("mail.tls", "Leave it out, for STARTTLS, or set implicit", "EVERY MAIL TO %s, LINKS THAT SET PASSWORDS INCLUDED, CAN BE READ ON THE WAY", quote(m.Host))
	}
	if _, err := l.config.sender(nil); err != nil {
		l.bad("mail.ca_file", "", "%v", err)
	}
}
