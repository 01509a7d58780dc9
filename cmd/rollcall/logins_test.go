package main

import (
	"errors"
	"log/slog"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/scim"
)

func TestLoginByDirectory(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: "dn: uid=ada,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\nsn: Lovelace\n" +
		"userPassword: difference-engine\nentryUUID: a0000000-0000-4000-8000-000000000001\n\n"})
	inDir(t, corpConfig(s, "  file:\n    type: ldif\n    path: people.ldif\nstore: { url: \"bolt:rollcall.db\" }\n"))
	config, _ := load(t, Options{})
	c, err := openCore(t.Context(), config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const ada = "a0000000-0000-4000-8000-000000000001"
	for _, l := range []struct {
		source, password string
		want             error
	}{
		{"corp", "difference-engine", nil},
		{"corp", "analytical-engine", scim.ErrUnauthenticated},
		{"corp", "", scim.ErrUnauthenticated},
		{"file", "difference-engine", scim.ErrUnavailable}, // a file has no passwords
		{"none", "difference-engine", scim.ErrUnavailable},
	} {
		if err := c.checkPassword(t.Context(), l.source, ada, "ada", l.password); !errors.Is(err, l.want) {
			t.Errorf("checkPassword(%s, %q) = %v, want %v", l.source, l.password, err, l.want)
		}
	}
}
