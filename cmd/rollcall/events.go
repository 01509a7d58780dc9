package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"rollcall/internal/events"
	"rollcall/scim"
)

const streamsPath = "/api/v1/events/streams"

func (c *cli) eventsCommand() *cobra.Command {
	var workspace string
	streams := c.group("streams", "List, create, replay and delete streams",
		c.streamsListCommand(&workspace), c.streamsShowCommand(&workspace), c.streamsCreateCommand(&workspace),
		c.streamsDeleteCommand(&workspace), c.streamsReplayCommand(&workspace), c.streamsTestCommand(&workspace))
	streams.PersistentFlags().StringVar(&workspace, "workspace", "", "workspace of the stream (default: your own, else default)")
	return c.group("events", "Tell other systems what changed", streams)
}

// inWorkspace is the query that names a workspace.
func inWorkspace(name string) url.Values {
	if name == "" {
		return nil
	}
	return url.Values{"workspace": {name}}
}

func (c *cli) streamsListCommand(workspace *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List streams and how they do", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list struct {
				Streams []*events.View `json:"streams"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, streamsPath, inWorkspace(*workspace), nil, &list); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, list.Streams)
			}
			rows := make([][]string, len(list.Streams))
			for i, v := range list.Streams {
				rows[i] = []string{v.Name, v.Method, orDash(v.Endpoint), v.Status.State, fmt.Sprintf("%d of %d", v.Status.Position, v.Status.Newest),
					strconv.Itoa(len(v.Status.DeadLetters)), when(v.Status.LastDelivery), orDash(v.Status.LastError)}
			}
			return table(c.stdout, []string{"name", "method", "endpoint", "state", "position", "dead letters", "last delivery", "last error"}, rows)
		},
	}
}

func (c *cli) streamsShowCommand(workspace *string) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one stream", Args: argsOf("a NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v events.View
			if err := c.do(cmd.Context(), http.MethodGet, streamsPath+"/"+url.PathEscape(args[0]), inWorkspace(*workspace), nil, &v); err != nil {
				return err
			}
			return printJSON(c.stdout, v)
		},
	}
}

func (c *cli) streamsCreateCommand(workspace *string) *cobra.Command {
	var ask struct {
		Name          string   `json:"name"`
		Workspace     string   `json:"workspace,omitempty"`
		Method        string   `json:"method"`
		Endpoint      string   `json:"endpoint,omitempty"`
		Audience      []string `json:"audience,omitempty"`
		Events        []string `json:"events,omitempty"`
		Client        string   `json:"client,omitempty"`
		Authorization string   `json:"authorization,omitempty"`
		From          *uint64  `json:"from,omitempty"`
	}
	var authorization string
	var from uint64
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a stream", Args: argsOf("a NAME"),
		Example: `  rollcall events streams create warehouse --endpoint https://warehouse.example.com/events --audience https://warehouse.example.com
  rollcall events streams create pager --method webhook --endpoint https://pager.example.com/hooks --events deactivate,delete`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.Name, ask.Workspace = args[0], *workspace
			if cmd.Flags().Changed("from") {
				ask.From = &from
			}
			if authorization != "" {
				secret, err := readSecret(authorization)
				if err != nil {
					return usagef("--authorization-file: %v", err)
				}
				ask.Authorization = secret.Reveal()
			}
			var made struct {
				events.View
				Secret string `json:"secret,omitempty"`
			}
			if err := c.do(cmd.Context(), http.MethodPost, streamsPath, nil, ask, &made); err != nil {
				return err
			}
			if c.output == "json" {
				return printJSON(c.stdout, made)
			}
			fmt.Fprintf(c.stderr, "Stream %s tells of what changes after %d.\n", made.Name, made.Status.Position)
			if made.Secret == "" {
				return nil
			}
			fmt.Fprintln(c.stderr, "Its webhooks are signed with this secret, which is shown this once:")
			_, err := fmt.Fprintln(c.stdout, made.Secret)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&ask.Method, "method", events.Push, "push, poll or webhook")
	f.StringVar(&ask.Endpoint, "endpoint", "", "URL to deliver to, for push and webhook")
	f.StringSliceVar(&ask.Audience, "audience", nil, "who the receiver is, for push and poll")
	f.StringSliceVar(&ask.Events, "events", nil, "create, update, delete, activate, deactivate (default: all)")
	f.StringVar(&ask.Client, "client", "", "client whose tokens alone may poll")
	f.StringVar(&authorization, "authorization-file", "", "file that holds the header Authorization of each delivery")
	f.Uint64Var(&from, "from", 0, "number of the first change to tell of (default: what changes from now on)")
	return cmd
}

func (c *cli) streamsDeleteCommand(workspace *string) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "End a stream", Args: argsOf("a NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.do(cmd.Context(), http.MethodDelete, streamsPath+"/"+url.PathEscape(args[0]), inWorkspace(*workspace), nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "Stream %s is deleted.\n", args[0])
			return nil
		},
	}
}

func (c *cli) streamsReplayCommand(workspace *string) *cobra.Command {
	var from uint64
	cmd := &cobra.Command{
		Use: "replay NAME", Short: "Deliver again, from the oldest dead letter or from a change on", Args: argsOf("a NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ask struct {
				From *scim.Version `json:"from,omitempty"`
			}
			if cmd.Flags().Changed("from") {
				ask.From = (*scim.Version)(&from)
			}
			var v events.View
			if err := c.do(cmd.Context(), http.MethodPost, streamsPath+"/"+url.PathEscape(args[0])+"/replay", inWorkspace(*workspace), ask, &v); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "Stream %s delivers again from change %d on.\n", v.Name, v.Status.Position+1)
			return nil
		},
	}
	cmd.Flags().Uint64Var(&from, "from", 0, "number of the first change to deliver again")
	return cmd
}

func (c *cli) streamsTestCommand(workspace *string) *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Send something that tells of no change", Args: argsOf("a NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var result events.Test
			if err := c.do(cmd.Context(), http.MethodPost, streamsPath+"/"+url.PathEscape(args[0])+"/test", inWorkspace(*workspace), nil, &result); err != nil {
				return err
			}
			if !result.Delivered {
				return fmt.Errorf("the stream %s did not deliver: %s", args[0], result.Reason)
			}
			fmt.Fprintf(c.stderr, "Stream %s delivered.\n", args[0])
			return nil
		},
	}
}
