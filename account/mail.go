package account

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"
	maillog "github.com/wneessen/go-mail/log"
)

// MailTLS is how the connection to a mail server is encrypted.
type MailTLS string

// The values of MailTLS.
const (
	MailStartTLS MailTLS = "starttls"
	MailImplicit MailTLS = "implicit"
	MailOff      MailTLS = "off"
)

// Mail is how mail is sent.
type Mail struct {
	Host string
	Port int // 0: 587, or 465 for MailImplicit
	TLS  MailTLS
	CA   *x509.CertPool // nil: the system's
	User string         // "" for no login
	// Password is asked for at each connection, so that it can be changed.
	Password func() (string, error)
	From     string
	BaseURL  string // in front of /console/ in links
	// Observe is told what became of each try: "sent", "delayed", "dropped"; nil for nobody.
	Observe func(result string)
}

// mailTimeout bounds each step of a conversation with a mail server.
const mailTimeout = 20 * time.Second

// Validate reports what is wrong with it.
func (m *Mail) Validate() error {
	if _, err := mail.ParseAddress(m.From); err != nil {
		return errors.New("from is no e-mail address, such as Rollcall <rollcall@example.com>")
	}
	return nil
}

// port is where the server listens.
func (m *Mail) port() int {
	standard := 587
	if m.TLS == MailImplicit {
		standard = 465
	}
	return cmp.Or(m.Port, standard)
}

// client is a connection to be.
func (m *Mail) client() (*gomail.Client, error) {
	options := []gomail.Option{gomail.WithPort(m.port()), gomail.WithTimeout(mailTimeout), gomail.WithLogger(silent{}),
		gomail.WithTLSConfig(&tls.Config{ServerName: m.Host, RootCAs: m.CA, MinVersion: tls.VersionTLS12})}
	switch m.TLS {
	case MailImplicit:
		options = append(options, gomail.WithSSL())
	case MailOff:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if m.User != "" {
		password, err := m.Password()
		if err != nil {
			return nil, err
		}
		auth := gomail.SMTPAuthAutoDiscover
		if m.TLS == MailOff {
			auth = gomail.SMTPAuthPlainNoEnc // beyond loopback the configuration warns of it
		}
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(m.User), gomail.WithPassword(password))
	}
	return gomail.NewClient(m.Host, options...)
}

// Try connects, logs in and sends nothing.
func (m *Mail) Try(ctx context.Context) error {
	c, err := m.client()
	if err != nil {
		return err
	}
	if err := c.DialWithContext(ctx); err != nil {
		return err
	}
	return c.Close()
}

// message makes the mail of a letter.
func (m *Mail) message(l *letter, to, subject, text string) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.From(m.From); err != nil {
		return nil, err
	}
	if err := msg.To(to); err != nil {
		return nil, err
	}
	msg.Subject(subject)
	msg.SetDateWithValue(l.Created)
	// The same at each try: a mail that arrives twice can be told for one.
	msg.SetMessageIDWithValue(l.ID + "@rollcall")
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday answers it
	msg.SetBodyString(gomail.TypeTextPlain, text)
	return msg, nil
}

// sendError tells of a failed try what may be logged: replies of servers quote addresses.
func sendError(err error) slog.Attr {
	var s *gomail.SendError
	if errors.As(err, &s) {
		return slog.String("reply", fmt.Sprintf("%d %s", s.ErrorCode(), s.EnhancedStatusCode()))
	}
	return slog.Any("error", err)
}

// silent is a log of go-mail's, who would log whole conversations.
type silent struct{}

func (silent) Debugf(maillog.Log) {}
func (silent) Infof(maillog.Log)  {}
func (silent) Warnf(maillog.Log)  {}
func (silent) Errorf(maillog.Log) {}
