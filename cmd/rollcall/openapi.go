package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rollcall/internal/api"
)

func (c *cli) openapiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the OpenAPI document of /api/v1", Args: noArgs,
		Long:    "Print the OpenAPI 3.1 document of /api/v1: every call, what it takes and what it answers. A server\nhas it at /api/v1/openapi.json.",
		Example: `  rollcall openapi > rollcall.openapi.json`,
		RunE: func(*cobra.Command, []string) error {
			text, err := api.OpenAPI(version)
			if err == nil {
				_, err = fmt.Fprintf(c.stdout, "%s\n", text)
			}
			return err
		},
	}
}
