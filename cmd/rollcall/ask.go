package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// asked are the commands that ask before they do what cannot simply be done again, with
// what they ask. They ask at a terminal alone: a script that calls them means it.
var asked = map[string]string{
	"rollcall user delete":             "Delete the account of %s?",
	"rollcall group delete":            "Delete the group %s?",
	"rollcall deleted purge":           "Remove %s for good?",
	"rollcall schema delete":           "Delete %s?",
	"rollcall secret delete":           "Delete the secret %[2]s of %[1]s?",
	"rollcall credential delete":       "Delete the credential %[2]s of %[1]s?",
	"rollcall token revoke":            "End the token %s, now and for good?",
	"rollcall events streams delete":   "End the stream %s, and drop what it has not delivered?",
	"rollcall workspace member remove": "Take the account of %[2]s in %[1]s away?",
	"rollcall sync approve":            "Apply all that %s shows, beyond the limits of the guard?",
	"rollcall sync undo":               "Take back all that the run %s did?",
	"rollcall store migrate":           "Rewrite every record? There is no way back but a backup.",
	"rollcall restore":                 "Put %s into the store?",
}

// addQuestions gives each of those commands the flag --yes and its question.
func (c *cli) addQuestions(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		c.addQuestions(sub)
	}
	question, ok := asked[cmd.CommandPath()]
	if !ok {
		return
	}
	cmd.Flags().BoolP("yes", "y", false, "do not ask (it is asked at a terminal alone)")
	act := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.ask(cmd, question, args); err != nil {
			return err
		}
		return act(cmd, args)
	}
}

// ask asks, where somebody is there to answer and nothing on the line answers already.
func (c *cli) ask(cmd *cobra.Command, question string, args []string) error {
	for _, flag := range []string{"yes", "dry-run"} {
		if on, err := cmd.Flags().GetBool(flag); err == nil && on {
			return nil
		}
	}
	if !c.atTerminal() {
		return nil
	}
	if strings.Contains(question, "%") {
		words := make([]any, len(args))
		for i, arg := range args {
			words[i] = arg
		}
		question = fmt.Sprintf(question, words...)
	}
	fmt.Fprint(c.stderr, question+" [y/N] ")
	answer, err := c.readLine()
	if err != nil || !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return &exitError{exitFailed, "nothing was done"}
	}
	return nil
}

// atTerminal tells whether somebody is there to answer.
func (c *cli) atTerminal() bool {
	return isTerminal(c.stdin) && isTerminal(c.stderr)
}
