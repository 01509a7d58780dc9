package testserver

import (
	_ "embed"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mime/quotedprintable"
)

// smtpScript is a mail server on Python's aiosmtpd, which keeps what it takes in a Maildir.
//
//go:embed smtp.py
var smtpScript string

// SMTP is a mail server of the test's own, on loopback.
type SMTP struct {
	Port int
	Dir  string // mails, log; kept over Kill and Restart

	python string
	args   []string
	proc   *Proc
}

// SMTPOptions are what a mail server asks for. An address that begins with "later" is refused at
// first (451), one that begins with "never" for good (550).
type SMTPOptions struct {
	Cert, Key      string // STARTTLS with these PEM files, and nothing without it
	User, Password string // with STARTTLS alone
}

// StartSMTP starts a mail server.
func StartSMTP(t testing.TB, o SMTPOptions) *SMTP {
	t.Helper()
	s := &SMTP{Port: FreePort(t), Dir: t.TempDir()}
	s.args = []string{"-c", smtpScript, strconv.Itoa(s.Port), filepath.Join(s.Dir, "mails"), o.Cert, o.Key, o.User, o.Password}
	// Its own Python: another that is first in the path does not have what the script imports.
	program, err := os.ReadFile(Need(t, "aiosmtpd"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(program), "\n")
	s.python = strings.Fields(strings.TrimPrefix(first, "#!"))[0]
	s.Restart(t)
	return s
}

// Kill is kill -9.
func (s *SMTP) Kill() { s.proc.Kill() }

// Restart starts a server that was killed, on the same port and mails.
func (s *SMTP) Restart(t testing.TB) {
	t.Helper()
	s.proc = Start(t, filepath.Join(s.Dir, "smtp.log"), s.python, s.args...)
	s.proc.WaitTCP(t, s.Port)
}

// Mail is a mail that the server took.
type Mail struct {
	To, From, Subject, ID, Text string
}

// Mails are those that the server took for an address, the oldest first; "" for every address.
func (s *SMTP) Mails(t testing.TB, to string) []Mail {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir, "mails", "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var list []Mail
	for _, file := range files { // their names begin with the time
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(f)
		if err != nil {
			t.Fatal(err)
		}
		body := m.Body
		if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
			body = quotedprintable.NewReader(body)
		}
		text, err := io.ReadAll(body)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := (Mail{m.Header.Get("X-RcptTo"), m.Header.Get("From"), m.Header.Get("Subject"), m.Header.Get("Message-ID"), string(text)}); to == "" || got.To == to {
			list = append(list, got)
		}
	}
	return list
}

// Wait waits until so many mails for an address are there, and returns them.
func (s *SMTP) Wait(t testing.TB, to string, n int) []Mail {
	t.Helper()
	var list []Mail
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if list = s.Mails(t, to); len(list) >= n {
			return list
		}
	}
	t.Fatalf("after a minute %d mails for %s are there, want %d; all: %s", len(list), to, n, fmt.Sprint(s.Mails(t, "")))
	return nil
}
