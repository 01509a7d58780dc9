package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rollcall/internal/api"
	"rollcall/scim/scimhttp"
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

// scimRemedies say what to do about each scimType.
var scimRemedies = map[string]string{
	"invalidFilter": "The detail says where the filter cannot be read, or which attribute the resource type does not have. `rollcall user list --filter FILTER` and `GET /api/v1/explain?filter=` try one out; quotes and spaces of a URL have to be encoded ([scim.md](../scim.md)).",
	"tooMany":       "Ask for less: a narrower filter, or pages by `startIndex` or `cursor` ([scim.md](../scim.md)).",
	"uniqueness":    "Another resource has that value: the detail names the attribute, and the resource where you may read it. Look for it by a filter; a deactivated one of the same client and `externalId` comes back by itself.",
	"mutability":    "The attribute is the server's (`readOnly`), cannot be changed once set (`immutable`), or another writer's ([ownership.md](../ownership.md)). Leave it out.",
	"invalidSyntax": "The body is not the JSON, or not the message, that the request takes: the detail names the member.",
	"invalidPath":   "A PATCH names an attribute that the resource type does not have, or cannot be read. `GET /Schemas` lists them; extensions are named by their URN.",
	"noTarget":      "A PATCH wants to change or remove a value that is not there: read the resource again.",
	"invalidValue":  "A value is missing, of another type than the schema says, or not one that the workspace allows: the detail names the attribute.",
	"invalidVers":   "The protocol's version in the URL is another than `v2`.",
	"invalidCursor": "The cursor is not one of this server, or for another query: begin anew with an empty one (RFC 9865).",
	"expiredCursor": "The cursor is too old: begin anew with an empty one (RFC 9865).",
	"invalidCount":  "`count` is no number, or more than `/ServiceProviderConfig` says.",
	"sensitive":     "Passwords cannot be asked for, and neither can what the token may not read.",
}

// TestErrorsPage holds that docs/errors.md lists every type of error, and that each has a page
// that says what to do.
func TestErrorsPage(t *testing.T) {
	const command = "Written from the code by `go test ./cmd/rollcall -run TestErrorsPage -write-docs`."
	var index strings.Builder
	page := func(name, title string, status int, shape, remedy, example string) {
		if remedy == "" {
			t.Errorf("nothing says what to do about %s: add it to the remedies", name)
		}
		fmt.Fprintf(&index, "| [%s](errors/%s.md) | %d | %s |\n", strings.TrimPrefix(name, "scim-"), name, status, title)
		sameDoc(t, "docs/errors/"+name+".md", fmt.Sprintf("# %s\n\n%s (HTTP %d, %s).\n\n## What to do\n\n%s\n\n## What it looks like\n\n```json\n%s\n```\n\n[All errors](../errors.md). %s\n",
			strings.TrimPrefix(name, "scim-"), title, status, shape, remedy, example, command))
	}
	index.WriteString("# Errors\n\nEach links to a page that says what to do. `rollcall` prints the detail of an error, and exits as the [README](../README.md) says. " + command + "\n\n" +
		"## Of /api/v1\n\nProblem details (RFC 9457). `type` is stable: programs may rely on it; `detail` is for people, and `requestId` finds the lines of the log.\n\n| type | status | |\n|---|---|---|\n")
	for _, p := range api.ProblemTypes() {
		example, err := json.MarshalIndent(api.Problem{Type: p.Type, Title: p.Title, Status: p.Status, Detail: "…", RequestID: "…"}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		page(p.Name, p.Title, p.Status, "`"+p.Type+"`", strings.ReplaceAll(remedies[p.Name], "](", "](../"), string(example))
	}
	index.WriteString("\n## Of SCIM\n\nErrors of RFC 7644 §3.12, with these values of `scimType`; other statuses have none, and mean what they mean above. `detail` names the attribute ([rfc.md](rfc.md)).\n\n" +
		"| scimType | status | |\n|---|---|---|\n")
	for _, e := range scimhttp.ErrorTypes() {
		page("scim-"+e.ScimType, strings.ToUpper(e.Detail[:1])+e.Detail[1:], e.Status, "`scimType`: `"+e.ScimType+"`", scimRemedies[e.ScimType],
			fmt.Sprintf("{\n  \"schemas\": [\"urn:ietf:params:scim:api:messages:2.0:Error\"],\n  \"status\": \"%d\",\n  \"scimType\": \"%s\",\n  \"detail\": \"…\"\n}", e.Status, e.ScimType))
	}
	sameDoc(t, "docs/errors.md", index.String())
}
