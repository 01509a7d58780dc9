package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestSecretIsNeverPrinted prints a secret in every way, by itself and inside of others.
func TestSecretIsNeverPrinted(t *testing.T) {
	s := NewSecret("hunter2")
	type hidden struct{ s Secret } // fmt calls no methods on what is not exported
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "in", struct{ S Secret }{s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "in", hidden{s})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t", "%T"} {
		fmt.Fprintf(&log, verb, s)
		fmt.Fprintf(&log, verb, &s)
		fmt.Fprintf(&log, verb, hidden{s})
		fmt.Fprintf(&log, verb, StoreConfig{Password: s})
		fmt.Fprintf(&log, verb, []any{s, map[string]Secret{"s": s}})
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		text, err := marshal(map[string]any{"s": s, "p": &s, "in": StoreConfig{Password: s}})
		if err != nil {
			t.Errorf("marshalling = %v, want no error", err)
		}
		log.Write(text)
	}
	log.WriteString(s.String() + s.GoString() + s.LogValue().String())
	for _, leak := range []string{"hunter2", "68756e74657232", "68756E74657232"} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("printed %q", leak)
		}
	}
	if s.Reveal() != "hunter2" || !s.IsSet() || (Secret{}).IsSet() || (Secret{}).Reveal() != "" {
		t.Error("Reveal and IsSet do not tell the truth")
	}
}

// TestProblemsTellNoSecret has every way in which a message could repeat one.
func TestProblemsTellNoSecret(t *testing.T) {
	for name, yaml := range map[string]string{
		"misspelt key":       "sources: {corp: {bind_pasword: hunter2}}",
		"misspelt otherwise": "sources:\n  corp:\n    bnd_pw: hunter2\n",
		"unknown key":        "sources:\n  corp:\n    authentication: hunter2\n",
		"behind one":         "sources: {corp: {bind_password: hunter2, schedul: x}}",
		"list":               "bootstrap:\n  token: [hunter2]\n",
		"short token":        "bootstrap: {token: hunter2}",
		"url":                "store: {url: 'redis://u:hunter2@h:port'}",
		"url with slash":     "store: {url: 'redis://u:hunt/hunter2@h:port'}",
		"bad escape":         "store: {url: 'redis://u:%zzhunter2@h'}",
		"base URL":           "server: {base_url: 'https://u:hunter2@h'}",
		"LDAP URL":           "sources: {corp: {url: 'ldap://u:hunter2@h:x'}}",
		"unterminated":       "store:\n  password: \"hunter2\n",
		"unterminated below": "store:\n  password: \"abc\n    hunter2\n  url: x\n",
		"no colon":           "store:\n  password hunter2\n  url: x\n",
		"bad indent":         "store:\n  password: hunter2\n   url: x\n",
		"token of a client":  "clients: {okta: {token: hunter2}}",
		"bind without DN":    "sources: {corp: {bind_password: hunter2}}",
	} {
		t.Run(name, func(t *testing.T) {
			inDir(t, yaml)
			_, _, err := Load(Options{})
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Load = %v, want an error without the secret", err)
			}
		})
	}
}

func TestSecretFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "good", "hunter2\n", 0o640)
	write(t, "windows", "hunter2\r\n", 0o600)
	write(t, "open", "hunter2\n", 0o644)
	write(t, "empty", "\n", 0o600)
	write(t, "nul", "a\x00b", 0o600)
	write(t, "large", strings.Repeat("x", maxSecretFile+1), 0o600)
	for file, want := range map[string]string{
		"good": "", "windows": "",
		"open":  "everybody on this machine can read open. Run chmod o-r open",
		"empty": "empty: it is empty. Leave it out, or give it a value",
		"nul":   "nul: it has a NUL byte",
		"large": "large is larger than 64 KiB",
		"":      "the name of its file is empty",
	} {
		t.Run(file, func(t *testing.T) {
			o := Options{Environ: []string{"ROLLCALL_STORE_URL=redis://h", "ROLLCALL_STORE_PASSWORD_FILE=" + file}}
			if want != "" {
				want = "ROLLCALL_STORE_PASSWORD_FILE: store.password: " + want
				if got := problems(t, o); len(got) != 1 || got[0] != want {
					t.Errorf("Load = %q, want %q", got, want)
				}
				return
			}
			c, origins := load(t, o)
			if c.Store.Password.Reveal() != "hunter2" {
				t.Errorf("password = %q, want %q", c.Store.Password.Reveal(), "hunter2")
			}
			write(t, file, "hunter3", 0o600)
			if now, err := c.Store.Password.Read(); err != nil || now != "hunter3" {
				t.Errorf("Read = %q, %v, want the new text of the file", now, err)
			}
			if got, want := origins.Of("store.password").String(), "env ROLLCALL_STORE_PASSWORD_FILE ("+file+")"; got != want {
				t.Errorf("origin = %q, want %q", got, want)
			}
		})
	}
}

func TestOpenFileWithSecret(t *testing.T) {
	inDir(t, "store: {url: 'redis://:hunter2@h'}\nbootstrap: {token: '"+strings.Repeat("x", 32)+"'}")
	if err := os.Chmod("rollcall.yaml", 0o644); err != nil {
		t.Fatal(err)
	}
	_, origins := load(t, Options{})
	want := []string{
		"rollcall.yaml:1:14: store.password: everybody on this machine can read this secret. Run chmod o-r rollcall.yaml, or use store.password_file",
		"rollcall.yaml:2:20: bootstrap.token: everybody on this machine can read this secret. Run chmod o-r rollcall.yaml, or use bootstrap.token_file",
	}
	if got := warnings(origins); !slices.Equal(got, want) {
		t.Errorf("warnings = %q, want %q", got, want)
	}
}
