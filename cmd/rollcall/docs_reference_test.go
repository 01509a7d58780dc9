package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rollcall/internal/api"
)

// TestCommandsPage holds that docs/commands.md has every command and flag.
func TestCommandsPage(t *testing.T) {
	root := (&cli{stdout: io.Discard, stderr: io.Discard}).root()
	var b strings.Builder
	b.WriteString("# Commands\n\nEvery command, written from the code by `go test ./cmd/rollcall -run TestCommandsPage -write-docs`. `rollcall help COMMAND` prints the same, `rollcall docs --dir DIR` man pages, and\n" +
		"`rollcall completion bash` (zsh, fish, powershell) what a shell needs to complete them. Flags of all commands:\n\n```text\n")
	b.WriteString(root.PersistentFlags().FlagUsages() + "```\n")
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			if !sub.HasSubCommands() {
				fmt.Fprintf(&b, "\n## rollcall %s\n\n%s.\n\n```text\n", strings.TrimPrefix(sub.UseLine(), "rollcall "), strings.TrimSuffix(sub.Short, "."))
				if sub.Long != "" {
					b.WriteString(strings.TrimSpace(sub.Long) + "\n\n")
				}
				if sub.Example != "" {
					b.WriteString("Examples:\n" + strings.TrimRight(sub.Example, "\n") + "\n\n")
				}
				flags := pflag.NewFlagSet("", pflag.ContinueOnError)
				sub.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
					if f.Name != "help" {
						flags.AddFlag(f)
					}
				})
				b.WriteString(strings.TrimRight(flags.FlagUsages(), "\n"))
				text := strings.TrimRight(b.String(), "\n") + "\n```\n"
				b.Reset()
				b.WriteString(strings.Replace(text, "```text\n```\n", "", 1))
			}
			walk(sub)
		}
	}
	walk(root)
	sameDoc(t, "docs/commands.md", b.String())
}

// remedies say what to do about each type of problem.
var remedies = map[string]string{
	"unauthenticated":    "Send `Authorization: Bearer TOKEN`. A token that ended, was revoked or is of another server is answered alike: `rollcall token list`.",
	"forbidden":          "The token lacks the permission that the detail names: make one with it (`rollcall token create NAME --scopes …`), or sign in as somebody who has it.",
	"not-found":          "It is not there, or in another workspace than the token's, which is not told apart.",
	"too-large":          "Send less at once: the detail names the limit.",
	"locked":             "Another run of the source is under way: wait for it. One that was killed gives its lock up after 30 seconds.",
	"in-use":             "Something still uses it: the detail says what. End that first.",
	"uniqueness":         "Another resource has that value: the detail names the attribute.",
	"version-mismatch":   "Somebody changed it in between: read it again, and send the change anew.",
	"last-administrator": "Make somebody else an administrator first.",
	"leased":             "An application is doing work for the person; `leases` names it. Try again when it has finished.",
	"password-expired":   "Set a new password with the token that comes along: it is good for that alone.",
	"mutability":         "The attribute is the server's, or another writer's ([ownership.md](ownership.md)).",
	"invalid-syntax":     "The body is not the JSON that the call takes: the detail names the member.",
	"invalid-value":      "The detail names the attribute and what it may be.",
	"too-many-requests":  "Wait as long as `Retry-After` says. `clients.NAME.rate` is the limit.",
	"paused":             "An administrator paused the client: `rollcall client resume NAME`.",
	"feed-trimmed":       "So old changes are no longer kept (`store.feed_keep`): read everything anew, and follow from there.",
	"unavailable":        "The store does not answer, or refuses writes: `rollcall doctor`. Clients try again after `Retry-After`; nothing is lost.",
	"internal":           "A defect. The server's log has the cause under the `requestId`.",
}

// TestErrorsPage holds that docs/errors.md has every type of problem, with what to do.
func TestErrorsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Errors\n\nErrors of `/api/v1` are problem details (RFC 9457). `type` is stable: programs may rely on it; `detail` is for people, and `requestId` finds the lines of the log.\n" +
		"Errors of SCIM have the `scimType` of RFC 7644 §3.12 and a `detail` that names the attribute ([rfc.md](rfc.md)). Written from the code by\n`go test ./cmd/rollcall -run TestErrorsPage -write-docs`.\n")
	for _, p := range api.ProblemTypes() {
		if remedies[p.Name] == "" {
			t.Errorf("nothing says what to do about %s: add it to remedies", p.Name)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s (%d). `%s`\n\n%s\n", p.Name, p.Title, p.Status, p.Type, remedies[p.Name])
	}
	sameDoc(t, "docs/errors.md", b.String())
}
