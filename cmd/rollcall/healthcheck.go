package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthcheckCommand asks /readyz, for containers that have no curl.
func (c *cli) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck", Short: "Ask the server on this machine whether it is ready", Args: noArgs,
		Long: "Ask /readyz on server.ops_listen.\n\nExit code 0 when it is ready, 1 when it is not, 6 when nothing answers.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, _, err := c.loadConfig()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+config.Server.OpsListen+"/readyz", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return &exitError{exitUnreachable, fmt.Sprintf("nothing answers on server.ops_listen: %v", err)}
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return &exitError{exitFailed, "the server is not ready"}
			}
			_, err = fmt.Fprintln(c.stdout, "ready")
			return err
		},
	}
}
