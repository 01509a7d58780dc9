package main

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelpLayout holds that every command says what it is for, in lines that fit.
func TestHelpLayout(t *testing.T) {
	var walk func(cmd *cobra.Command)
	seen := 0
	walk = func(cmd *cobra.Command) {
		seen++
		short := cmd.Short
		if short == "" || strings.HasSuffix(short, ".") || utf8.RuneCountInString(short) > 80 {
			t.Errorf("%s: the short text %q is empty, too long or a sentence", cmd.CommandPath(), short)
		}
		for line := range strings.Lines(cmd.Long) {
			if n := utf8.RuneCountInString(line); n > 101 {
				t.Errorf("%s: a line of the text has %d characters: %s", cmd.CommandPath(), n, line)
			}
		}
		for line := range strings.Lines(cmd.Example) {
			command, _, _ := strings.Cut(strings.TrimSpace(line), "  #")
			for part := range strings.SplitSeq(command, " && ") {
				if words, ok := strings.CutPrefix(part, "rollcall "); !ok {
					continue
				} else if err := documented(t, strings.Fields(words)); err != nil {
					t.Errorf("%s: the example %q: %v", cmd.CommandPath(), part, err)
				}
			}
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk((&cli{stdout: io.Discard, stderr: io.Discard}).root())
	if seen < 30 {
		t.Errorf("%d commands were seen, want 30 or more", seen)
	}
}
