package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/internal/api"
)

func (c *cli) applyCommand() *cobra.Command {
	var file string
	var dryRun, exitCode bool
	cmd := &cobra.Command{
		Use: "apply -f FILE|DIR", Short: "Make workspaces, settings, roles, groups, clients, sources as a file says", Args: noArgs,
		Long: `Make things as a YAML file, or every *.yaml of a folder, says: what it names is made so, what it
does not name stays, absent: true takes away. Doing it again changes nothing.

Workspaces, their settings and groups are kept in the store. Clients and sources are settings: apply
changes the configuration file (--config) on the machine that it runs on, and a running server takes
that over by itself. docs/apply.md has the whole of it.

What removes or weakens something wants --yes, or an answer at a terminal.
Exit codes: 0 done · 2 the file is not valid · 3 with --dry-run --exit-code where anything would
change · 4 some of it was done`,
		Example: `  rollcall apply -f site.yaml --dry-run
  rollcall apply -f site.yaml --yes
  rollcall export --config > site.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			yes, err := cmd.Flags().GetBool("yes")
			if err != nil {
				return err
			}
			if file == "" {
				return usagef("say what to apply: -f FILE, a folder, or - for stdin")
			}
			w, err := c.readApply(file)
			if err != nil {
				return err
			}
			p := &planner{cli: c}
			if len(w.sections["clients"])+len(w.sections["sources"]) > 0 {
				_, origins, err := c.loadConfig()
				if err != nil {
					return err
				}
				p.configFile = origins.File
			}
			client, done, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			p.client = client
			if err := p.plan(cmd.Context(), w); err != nil {
				return err
			}
			return p.carryOut(dryRun, exitCode, yes)
		},
	}
	yesFlag(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "file or folder to apply, - for stdin")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and do nothing")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "with --dry-run: end with 3 where anything would change")
	return cmd
}

// carryOut shows the plan and does it.
func (p *planner) carryOut(dryRun, exitCode, yes bool) error {
	out := p.cli.stdout
	asJSON := p.cli.output == "json"
	if !asJSON {
		p.print(out)
	}
	weaker := 0
	for _, st := range p.steps {
		if len(st.Weakens) > 0 {
			weaker++
		}
	}
	if !dryRun {
		if weaker > 0 {
			if err := p.cli.confirm(yes, fmt.Sprintf("%d of these steps remove or weaken something, and nothing was changed yet", weaker), "yes"); err != nil {
				return err
			}
		}
		if err := p.do(); err != nil {
			return err
		}
	}
	if asJSON {
		steps := p.steps
		if steps == nil {
			steps = []*applyStep{}
		}
		if err := printJSON(out, map[string]any{"steps": steps, "dryRun": dryRun}); err != nil {
			return err
		}
	} else if len(p.steps) > 0 {
		word := "Done"
		if dryRun {
			word = "Would be done"
		}
		fmt.Fprintf(out, "%s: %s\n", word, p.tally())
	}
	if dryRun && exitCode && len(p.steps) > 0 {
		return &exitError{code: exitDifferent}
	}
	return nil
}

func (p *planner) tally() string {
	n := map[string]int{}
	for _, st := range p.steps {
		n[st.Action]++
	}
	return fmt.Sprintf("%d made, %d changed, %d removed", n["create"], n["update"], n["delete"])
}

// do carries the steps out, in order, until one fails.
func (p *planner) do() error {
	for i, st := range p.steps {
		err := st.run()
		if err == nil {
			continue
		}
		var problem *api.Problem
		if errors.As(err, &problem) && st.at.node != nil {
			err = errors.New(st.at.problem(strings.TrimSpace(st.Kind+" "+st.Name), "", "%s", problem.Error()).String())
			if i == 0 {
				return &exitError{problemCode(problem), err.Error()}
			}
		}
		if i == 0 {
			return err
		}
		return &exitError{exitPartial, fmt.Sprintf("%v. %d of %d steps were done: run it again once that is mended", err, i, len(p.steps))}
	}
	return nil
}

func (p *planner) print(w io.Writer) {
	if len(p.steps) == 0 {
		fmt.Fprintln(w, "Nothing to change.")
		return
	}
	signs := map[string]string{"create": "+", "update": "~", "delete": "-"}
	colours := map[string]string{"create": "\x1b[32m", "update": "\x1b[33m", "delete": "\x1b[31m"}
	for _, st := range p.steps {
		line := fmt.Sprintf("%s %s %s", signs[st.Action], st.Kind, st.Name)
		if p.cli.colour(w) {
			line = colours[st.Action] + line + "\x1b[0m"
		}
		if st.In != "" {
			line += " (" + st.In + ")"
		}
		fmt.Fprintln(w, line)
		for _, ch := range st.Changes {
			switch {
			case ch.Old == nil:
				fmt.Fprintf(w, "    + %s: %s\n", ch.Path, shortValue(ch.New))
			case ch.New == nil:
				fmt.Fprintf(w, "    - %s: %s\n", ch.Path, shortValue(ch.Old))
			default:
				fmt.Fprintf(w, "    ~ %s: %s → %s\n", ch.Path, shortValue(ch.Old), shortValue(ch.New))
			}
		}
		for _, why := range st.Weakens {
			fmt.Fprintf(w, "    ! %s\n", why)
		}
	}
}

// shortValue is a value on one line of bounded length.
func shortValue(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if r := []rune(string(text)); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return string(text)
}
