package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rollcall/internal/simulate"
)

func (c *cli) simulateCommand() *cobra.Command {
	var mode string
	okta := c.simulateClient("okta URL", "Be Okta: assign, push groups, move, deactivate, reactivate, import", func(*simulate.Config) (simulate.Client, error) {
		switch mode {
		case "oin":
			return simulate.OktaOIN, nil
		case "aiw":
			return simulate.OktaAIW, nil
		}
		return "", usagef("--mode %q is neither oin (an app of the catalogue, PATCH) nor aiw (an app of the wizard, PUT)", mode)
	})
	okta.Flags().StringVar(&mode, "mode", "oin", "oin: an app of the catalogue (PATCH); aiw: an app of the wizard (PUT)")

	var flag bool
	entra := c.simulateClient("entra URL", "Be Microsoft Entra ID: cycles of users, groups and references", func(s *simulate.Config) (simulate.Client, error) {
		u, err := url.Parse(s.URL)
		if flag || err == nil && u.Query().Has("aadOptscim062020") {
			return simulate.EntraFlag, nil
		}
		return simulate.Entra, nil
	})
	entra.Flags().BoolVar(&flag, "flag", false, "as with aadOptscim062020; a URL that ends in ?aadOptscim062020 does the same")

	only := func(client simulate.Client) func(*simulate.Config) (simulate.Client, error) {
		return func(*simulate.Config) (simulate.Client, error) { return client, nil }
	}
	return c.group("simulate", "Play what identity providers send against any SCIM server", okta, entra,
		c.simulateClient("validator URL", "Be Microsoft's SCIM Validator", only(simulate.Validator)),
		c.simulateClient("onelogin URL", "Be OneLogin", only(simulate.OneLogin)),
		c.simulateClient("jumpcloud URL", "Be JumpCloud", only(simulate.JumpCloud)),
		c.simulateClient("authentik URL", "Be authentik", only(simulate.Authentik)))
}

const simulateLong = `%s.
Say what the server accepted, refused and lost.

URL is what the identity provider would be given, with /scim/v2 or whatever the server has. The
token comes from --token or ROLLCALL_TOKEN. The run makes users and groups of its own, whose names
begin with --prefix, and deletes them at the end. It changes nothing else, but it does read the
lists: choose a test tenant all the same.

Exit code 0 when nothing was refused or lost, 1 otherwise, 6 when no server answers.`

func (c *cli) simulateClient(use, short string, which func(*simulate.Config) (simulate.Client, error)) *cobra.Command {
	config := simulate.Config{}
	name := strings.TrimSuffix(use, " URL")
	cmd := &cobra.Command{
		Use: use, Short: short, Args: argsOf("URL"), Long: fmt.Sprintf(simulateLong, short),
		Example: "  rollcall simulate " + name + " https://scim.example.com/scim/v2 --token \"$TOKEN\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			config.URL, config.Token = args[0], c.token
			client, err := which(&config)
			if err != nil {
				return err
			}
			config.Client = client
			return c.simulate(cmd, config)
		},
	}
	f := cmd.Flags()
	f.StringVar(&config.Prefix, "prefix", "", "what every name begins with (default: sim- and the time)")
	f.IntVar(&config.Users, "users", 50, "how many users")
	f.IntVar(&config.Groups, "groups", 5, "how many groups")
	f.IntVar(&config.Repeats, "repeats", 2, "how often each write is sent again, as after a time-out")
	f.DurationVar(&config.Timeout, "timeout", time.Minute, "how long to wait for one answer")
	f.BoolVar(&config.Keep, "keep", false, "leave what the run made on the server")
	return cmd
}

func (c *cli) simulate(cmd *cobra.Command, config simulate.Config) error {
	if config.Prefix == "" {
		config.Prefix = "sim-" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	}
	if err := config.Validate(); err != nil {
		return usagef("%v", err)
	}
	if isTerminal(c.stderr) {
		config.Progress = func(step, what string) { fmt.Fprintf(c.stderr, "\r\x1b[K%s  %s", step, what) }
	}
	report, err := simulate.Run(cmd.Context(), config)
	if config.Progress != nil {
		fmt.Fprint(c.stderr, "\r\x1b[K")
	}
	if report != nil {
		if err := c.printSimulation(report); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, simulate.ErrUnreachable):
		return &exitError{exitUnreachable, err.Error()}
	case err != nil:
		return err
	case !report.OK():
		return &exitError{code: exitFailed}
	}
	return nil
}

// shownLosses are how many losses of one step are printed for people.
const shownLosses = 10

// printSimulation prints the steps, then each thing that was refused or lost.
func (c *cli) printSimulation(r *simulate.Report) error {
	if c.output == "json" {
		return printJSON(c.stdout, r)
	}
	rows := make([][]string, len(r.Steps))
	for i, s := range r.Steps {
		rows[i] = []string{s.ID, s.What, shortened(s.Route, 56), strconv.Itoa(s.Sent), shortened(s.Result(), 80)}
	}
	if err := table(c.stdout, []string{"step", "what", "request", "sent", "result"}, rows); err != nil {
		return err
	}
	fmt.Fprintln(c.stdout)
	for _, s := range r.Steps {
		for _, refused := range s.Refusals {
			again := ""
			if refused.Again {
				again = " (sent again)"
			}
			fmt.Fprintf(c.stdout, "refused  %-4s %s%s\n", s.ID, refused.Request, again)
			if refused.Body != "" {
				fmt.Fprintf(c.stdout, "              %s\n", refused.Body)
			}
			fmt.Fprintf(c.stdout, "              -> %s\n", refused.Answer)
		}
		if more := s.Refused - len(s.Refusals); more > 0 {
			fmt.Fprintf(c.stdout, "refused  %-4s and %d more\n", s.ID, more)
		}
		for _, lost := range s.Lost[:min(len(s.Lost), shownLosses)] {
			fmt.Fprintf(c.stdout, "lost     %-4s %s\n", s.ID, lost)
		}
		if more := len(s.Lost) - shownLosses; more > 0 {
			fmt.Fprintf(c.stdout, "lost     %-4s and %d more: -o json has them all\n", s.ID, more)
		}
	}
	_, err := fmt.Fprintln(c.stdout, r.Summary())
	return err
}

// shortened cuts a text for a column; -o json has it whole.
func shortened(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(slices.Concat(r[:n-1], []rune("…")))
	}
	return s
}
