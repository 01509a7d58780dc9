package main

import (
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestFsckOfWhatSpansWorkspaces plants persons, sessions and tokens of what is not there: fsck finds each,
// says with --dry-run what it would do, and does what it can.
func TestFsckOfWhatSpansWorkspaces(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		c, _ := load(t, Options{File: os.DevNull, Validators: validators()})
		c.Store.URL = url
		core, err := openCore(t.Context(), c, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		const nobody = "0190a7b2-0000-7000-8000-000000000001"
		for _, p := range [][3]string{
			{"persons", nobody, `{"id":"` + nobody + `","epoch":1,"in":{"gone":{},"default":{}}}`},
			{"persons", "broken", `{`},
			{"sessions", "s1", `{"id":"s1","workspace":"gone"}`}, {"sessions", "s2", `{`},
			{"tokens", "t1", `{"id":"t1","workspace":"gone"}`}, {"tokens", "t2", `{`},
		} {
			if err := core.store.State().KV(p[0]).Put(t.Context(), p[1], []byte(p[2]), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := core.Close(); err != nil {
			t.Fatal(err)
		}
		run := func(want int, has []string, lacks []string, args ...string) {
			t.Helper()
			code, out, errs := runCLI(t, nil, append([]string{"fsck", "--store", url, "--config", os.DevNull}, args...)...)
			if code != want {
				t.Errorf("fsck %v = %d, want %d\n%s%s", args, code, want, out, errs)
			}
			for _, text := range has {
				if !strings.Contains(out, text) {
					t.Errorf("fsck %v does not say %q:\n%s", args, text, out)
				}
			}
			for _, text := range lacks {
				if strings.Contains(out, text) {
					t.Errorf("fsck %v says %q:\n%s", args, text, out)
				}
			}
		}
		repaired := []string{"person.workspace " + nobody, "person.account " + nobody, "session.workspace s1", "session.unreadable s2", "token.workspace t1"}
		lost := []string{"person.unreadable broken", "token.unreadable t2"}
		all := append(append([]string{}, repaired...), lost...)
		run(exitFailed, all, nil)
		run(exitFailed, append(all, "repair: forget that they are in it", "repair: end it", "repair: revoke it", "repair: none"), nil, "--repair", "--dry-run")
		run(exitFailed, all, nil) // the dry run has changed nothing
		run(exitPartial, lost, repaired, "--repair")
		run(exitFailed, append(lost, "persons, sessions and tokens: 2 findings"), repaired)
	})
}
