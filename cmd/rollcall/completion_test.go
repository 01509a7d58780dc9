package main

import (
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, errs := runCLI(t, nil, "completion", shell); code != exitDone || !strings.Contains(out, "rollcall") || len(out) < 1000 {
			t.Errorf("completion %s = %d, %d bytes, %s", shell, code, len(out), errs)
		}
	}
	if code, out, errs := runCLI(t, nil, "__complete", "sync", "r"); code != exitDone || !strings.Contains(out, "run\t") {
		t.Errorf("after `sync r` it completes %d %s%s", code, out, errs)
	}
}
