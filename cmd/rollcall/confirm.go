package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// yesFlag is how a script agrees to what a person would be asked.
func yesFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("yes", false, "do it without asking")
}

// confirm asks a person to type a word before something that does not come back. Without a terminal
// it wants --yes.
func (c *cli) confirm(yes bool, what, word string) error {
	if yes {
		return nil
	}
	if !isTerminal(c.stdin) {
		return usagef("%s. Give --yes if that is what you want", what)
	}
	fmt.Fprintf(c.stderr, "%s. Type %s to go on: ", what, word)
	line, err := c.readLine()
	if err != nil || strings.TrimSpace(line) != word {
		return &exitError{exitFailed, "that was not " + word + ": nothing was changed"}
	}
	return nil
}
